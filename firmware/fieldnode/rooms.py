"""Rooms of the program that are entered rarely: loaded when they are wanted, and let go again.

What a board keeps of a module is its functions, tables and dict: of the configuration's schema
alone 1.5 KB, needed at boot and when lane k speaks.
"""

import sys

if False:  # for the type checker
    from typing import Any


def enter(name: str) -> "Any":
    """Return the module ``fieldnode.<name>``."""
    return __import__("fieldnode." + name, None, None, ["x"])


def leave(*names: str) -> None:
    """Forget modules; their heap is free when nobody holds anything of them any more."""
    for name in names:
        package, _, last = ("fieldnode." + name).rpartition(".")
        module = sys.modules.pop("fieldnode." + name, None)
        if module and getattr(sys.modules.get(package), last, None) is module:
            delattr(sys.modules[package], last)
