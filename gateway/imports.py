"""Loading what one command or process needs, when it is known which one that is."""

import gc
import importlib


def load(module: str) -> object:
    """Import a module quickly: what is loaded stays, so looking for garbage in it is in vain."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()
