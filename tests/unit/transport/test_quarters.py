"""Quarters of an hour from the store, whose pages are in no order of time."""

import numpy as np
import pytest

from gateway.model import Quality, ReadingBatch
from gateway.profiles import load_profiles
from gateway.transport.engine.quarters import QUARTER_MS, Rows, windows
from tests.unit.transport.rig import MONDAY_MS, road_of

TL1 = load_profiles()["tl1"]
QUARTER = MONDAY_MS // QUARTER_MS


def rows_of(time_ms: list[int], count: list[int]) -> ReadingBatch:
    values = np.full((len(time_ms), len(TL1.columns)), np.nan)
    values[:, TL1.column_index("count") or 0] = count
    zero, at = np.zeros(len(time_ms), np.int64), np.array(time_ms, np.int64)
    return ReadingBatch(
        "tl1", zero, zero, zero - 1, at, at, values, zero, zero + int(Quality.VALID), zero,
        np.arange(len(time_ms)),
    )  # fmt: skip


@pytest.mark.parametrize("every_ms", [5_000, 10_000, 30_000])
def test_rows_that_come_by_their_shapes_keep_their_interval(every_ms: int) -> None:
    """A lane that says a speed only with a vehicle: one page of such rows, one of the others."""
    times = range(MONDAY_MS + every_ms, MONDAY_MS + QUARTER_MS + 1, every_ms)
    rows = [(at, int(k % 4 == 0)) for k, at in enumerate(times)]
    pages = [
        rows_of([at for at, of in rows if of == many], [many for _, of in rows if of == many])
        for many in (1, 0)
    ]
    (lanes, window), *others = windows(Rows(TL1, pages), road_of([1]), QUARTER)
    assert (lanes.tolist(), window.interval_ms, others) == ([0], every_ms, [])
    assert window.count.sum() == sum(many for _, many in rows)
    assert np.isfinite(window.count).all()
