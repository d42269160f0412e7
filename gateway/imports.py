"""Loading what one command or process needs, when it is known which one that is."""

import gc
import importlib
import sys


def load(module: str) -> object:
    """Import a module quickly: what is loaded stays, so looking for garbage in it is in vain.

    Garbage of that moment stays as well: only the first import of a module is worth it.
    """
    if module in sys.modules:
        return importlib.import_module(module)
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()
