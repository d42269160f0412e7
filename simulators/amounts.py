"""Numbers of the command line that somebody can mean: seconds, rates, how many."""

import math
from argparse import ArgumentTypeError

_MOST = 1e12  # beyond is no time and no crowd; in milliseconds it is still a whole number


def amount(text: str) -> float:
    """Return a number of seconds, of messages a second or the like.

    Raises:
        ArgumentTypeError: it is none, negative, not finite or beyond what anybody can mean.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST:
        raise ArgumentTypeError(f"{text!r} is no amount, such as 10 or 0.5")
    return value


def whole(text: str) -> int:
    """Return how many.

    Raises:
        ArgumentTypeError: it is none, negative or beyond what anybody can mean.
    """
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < len(str(_MOST)) else -1
    if value < 0:
        raise ArgumentTypeError(f"{text!r} is no whole number, such as 10")
    return value
