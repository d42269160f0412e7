"""Modules that are loaded late: quickly the first time, and without a trace after it."""

import gc
import sys
import weakref

import pytest

from gateway.imports import load


class _Loop:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_the_first_import_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    gc.unfreeze()
    assert load("colorsys") is sys.modules["colorsys"]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_what_is_loaded_already_freezes_no_garbage() -> None:
    """Rooms are built at every start of a test's gateway; a run of 10,000 held 20 GB of them."""
    load("colorsys")
    gone = weakref.ref(_Loop())
    load("colorsys")
    gc.collect()
    assert gone() is None


def test_an_import_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ModuleNotFoundError):
        load("gateway.no_such_room")
    assert gc.isenabled()
