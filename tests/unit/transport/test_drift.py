"""Detectors whose interval is not quite the usual one: every vehicle is counted once."""

import numpy as np
import pytest

from gateway.model import FloatArray, IntArray, Quality, ReadingBatch
from gateway.transport import aggregate
from gateway.transport.engine.slots import Slots, joined
from gateway.transport.placing import Grid, place, place_into
from gateway.transport.series import Bins, Method, Window, empty_window
from tests.readings import NAN, PROFILES, Given, decoded
from tests.unit.transport.rig import BIN_MS, MONDAY_MS, POLICY, road_of

TL1 = PROFILES["tl1"]
RASTER_MS = 5_000
BINS = 6
GRID = Grid(np.array([0]), MONDAY_MS, RASTER_MS, BINS * BIN_MS // RASTER_MS)
STEPS_MS = [4_150, 4_400, 4_800, 4_990, 5_000, 5_010, 5_200, 5_600, 5_900]


def rows_every(step_ms: int, jitter_ms: int = 0, *, has_register: bool = False) -> ReadingBatch:
    rng = np.random.default_rng(step_ms)
    time_ms = np.arange(-BIN_MS, (BINS + 1) * BIN_MS, step_ms) + rng.integers(0, step_ms)
    time_ms += rng.integers(-jitter_ms, jitter_ms + 1, len(time_ms))
    count = rng.integers(0, 4, len(time_ms))
    register = 1000 + np.cumsum(count) if has_register else np.full(len(count), NAN)
    columns = (time_ms.tolist(), count.tolist(), register.tolist())
    given = [  # occupancy ‰, two speeds in 0.1 km/h, five classes: cars
        Given([n, total, 100, 600, 650, 0, n, 0, 0, 0], MONDAY_MS + at, seq=seq)
        for seq, (at, n, total) in enumerate(zip(*columns, strict=True))
    ]
    return decoded("tl1", *given).readings


def counts_of(batch: ReadingBatch) -> FloatArray:
    """Return what was counted in each bin, a row where its nearest slot is."""
    time_bin = (batch.time_ms - MONDAY_MS - RASTER_MS // 2) // BIN_MS
    inside = (time_bin >= 0) & (time_bin < BINS)
    counts: FloatArray = np.bincount(time_bin[inside], batch.values[inside, 0], BINS).astype(float)
    return counts


def bins_of(window: Window) -> Bins:
    return aggregate.bins(window, BIN_MS, POLICY.bins)


@pytest.mark.parametrize("has_register", [False, True])
@pytest.mark.parametrize("jitter_ms", [0, 300])
@pytest.mark.parametrize("step_ms", STEPS_MS)
def test_every_vehicle_is_counted_once(step_ms: int, jitter_ms: int, *, has_register: bool) -> None:
    batch = rows_every(step_ms, jitter_ms, has_register=has_register)
    found = bins_of(place(GRID, [(TL1, batch)]))
    assert found.count[0].tolist() == pytest.approx(counts_of(batch).tolist())
    assert found.class_count[1, 0].tolist() == pytest.approx(counts_of(batch).tolist())
    assert (found.observed == 1).all()
    assert (found.method == int(Method.OBSERVED)).all()
    assert found.occupancy[0].tolist() == pytest.approx([0.1] * BINS)


@pytest.mark.parametrize("step_ms", [4_800, 5_200])
def test_rows_that_are_lost_are_stood_for_all_the_same(step_ms: int) -> None:
    batch = rows_every(step_ms)
    lost = np.arange(len(batch)) % 10 == 0
    found = bins_of(place(GRID, [(TL1, batch.take(np.flatnonzero(~lost)))]))
    assert (found.observed < 1).all()
    assert found.observed.mean() == pytest.approx(0.9, abs=0.03)
    assert found.count.sum() == pytest.approx(counts_of(batch).sum(), rel=0.06)


def test_a_slot_between_rows_that_are_not_believed_is_not_covered() -> None:
    batch = rows_every(5_200)
    batch.quality[:] = int(Quality.FAILED)
    assert np.isnan(bins_of(place(GRID, [(TL1, batch)])).count).all()


@pytest.mark.parametrize("step_ms", STEPS_MS)
@pytest.mark.parametrize("is_backwards", [False, True])
def test_rows_may_come_one_by_one_and_again(step_ms: int, *, is_backwards: bool) -> None:
    batch = rows_every(step_ms, has_register=True)
    window = empty_window(*GRID)
    order: IntArray = np.arange(len(batch))[:: -1 if is_backwards else 1]
    for one in order.tolist():
        place_into(window, TL1, batch.take(np.array([one])))
    assert bins_of(window).count[0].tolist() == counts_of(batch).tolist()
    assert not len(place_into(window, TL1, batch.take(order)))  # nothing is news
    assert bins_of(window).count[0].tolist() == counts_of(batch).tolist()


def test_a_better_row_takes_the_slot_and_the_other_stays_beside_it() -> None:
    far = [
        Given([7, 1007, 100, 600, 650, 0, 7, 0, 0, 0], MONDAY_MS + 2_600),
        Given([5, 1012, 100, 600, 650, 0, 5, 0, 0, 0], MONDAY_MS + 7_400, seq=1),
    ]
    batch = decoded("tl1", *far).readings
    batch.quality[:] = [int(Quality.SUSPECT), int(Quality.VALID)]
    for order in ([0, 1], [1, 0]):
        window = empty_window(*GRID)
        for one in order:
            place_into(window, TL1, batch.part(one, one + 1))
        assert (window.count[0, 0], window.surplus[0, 0]) == (5, 7)
        assert window.cumulative[0, 0] == 1012


def test_a_second_row_that_cannot_be_is_not_summed_up() -> None:
    batch = rows_every(4_800)
    window = place(GRID, [(TL1, batch)])
    is_second = window.beside_ms != 0
    assert is_second.any()
    window.surplus[is_second] = 1e6
    assert bins_of(window).count.sum() == window.count.sum()


def test_two_rows_near_each_other_are_one_that_came_twice() -> None:
    near = [Given([7, 1007, *[0] * 8], MONDAY_MS + at, seq=at) for at in (4_000, 6_000)]
    window = place(GRID, [(TL1, decoded("tl1", *near).readings)])
    assert (window.count[0, 0], window.surplus[0, 0]) == (7, 0)


@pytest.mark.parametrize("step_ms", [4_800, 5_200])
def test_the_newest_five_minutes_are_counted_as_those_of_the_store(step_ms: int) -> None:
    batch = rows_every(step_ms)
    slots = Slots(RASTER_MS, 7 * BINS * BIN_MS)
    slots.adopt(road_of([1]))
    now_ms = int(batch.time_ms.max())
    for one in range(len(batch)):
        slots.take(TL1, batch.part(one, one + 1), MONDAY_MS, now_ms)
    begins = [MONDAY_MS + at * RASTER_MS for at in range(GRID.slots)]
    window = joined(slots.window(begin) for begin in begins)
    assert bins_of(window).count[0].tolist() == counts_of(batch).tolist()
