"""What is kept of a day outlives an upgrade."""

from typing import Any

import numpy as np

from gateway.columns import pack_columns, unpack_columns
from gateway.energy.billing import DayFigures
from gateway.energy.engine.days.remembered import DayMemo, pack, unpack
from gateway.energy.vee import Carry

METERS, SLOTS = 2, 48


def memo() -> DayMemo:
    zeros: Any = np.zeros(METERS)
    figures: dict[str, Any] = {
        name: zeros for name in DayFigures._fields if name not in {"day", "rates"}
    }
    return DayMemo(
        20_000,
        np.array([3, 5]),
        is_complete=True,
        energy_wh=np.full((METERS, SLOTS), 250, np.float32),
        export_wh=np.zeros((METERS, SLOTS), np.float32),
        method=np.zeros((METERS, SLOTS), np.int8),
        is_good=np.ones(METERS, np.bool_),
        carry=Carry.nothing(METERS)._replace(zero_run=np.array([7, 0])),
        figures=DayFigures(day=20_000, rates=("normal",), **figures),
    )


def without(name: str) -> bytes:
    """Return the memo as a version wrote it that did not know a column yet."""
    columns, body = unpack_columns(pack(memo()))
    kept = {key: column for key, column in columns.items() if key != name}
    more = {key: value for key, value in body.items() if key != "columns"}
    return pack_columns(kept, **more)


def test_a_memo_comes_back_whole() -> None:
    assert pack(unpack(pack(memo())) or memo()._replace(day=0)) == pack(memo())


def test_what_is_carried_since_an_upgrade_begins_as_for_a_new_meter() -> None:
    found = unpack(without("carry.live_run"))
    assert found is not None
    assert found.carry.live_run.tolist() == [0, 0]
    assert found.carry.zero_run.tolist() == [7, 0]
    assert found.energy_wh.sum() == METERS * SLOTS * 250


def test_figures_that_an_other_version_wrote_are_worked_out_again() -> None:
    assert unpack(without("figures.demand_w")) is None
