"""A serial line of a computer: a tty, or in the tests a pty with a meter at its other end."""

import sys

if sys.implementation.name == "micropython":
    from fieldnode.hal.pty_mp import Uart as uart  # noqa: N813 - as the boards' method
else:
    from fieldnode.hal.pi import Uart as uart  # noqa: N813

__all__ = ["uart"]
