"""Flow conservation and lane shares: factors by hand, and what must not be taken for a miscount."""

import numpy as np
import pytest

from gateway.model import FloatArray
from gateway.transport.health import (
    QUARTER_MS,
    Change,
    Fault,
    Knowledge,
    Quarters,
    learn,
    new_balance,
    nothing_usual,
    quarters,
    rates,
    ratios,
    shares,
    weigh,
)
from gateway.transport.health.balance import measure
from tests.unit.transport.health_rig import (
    HALF_MIN_MS,
    POLICY,
    at_hour,
    day_quarters,
    road,
    silent,
    usual_of,
    window,
)

NOON_MS = at_hour(12)
LIKE = [200.0, 100.0, 100.0, 200.0, 150.0, 150.0]  # three stations of two lanes, 300 each
CHAIN = road(2, 2, 2)


def _watch(
    factor: FloatArray, metres: FloatArray | None = None, quarters_long: int = 40
) -> list[Change]:
    """Let each lane count ``LIKE`` times its factors, (lanes, quarters), from noon on."""
    known = Knowledge.of(usual_of(CHAIN, LIKE), CHAIN, POLICY)
    whole = day_quarters(LIKE, quarters_long, NOON_MS)
    lengths = np.ones_like(factor) if metres is None else metres
    made = whole._replace(
        vehicles=whole.vehicles * factor,
        counted=whole.counted * factor,
        metres=whole.metres * factor * lengths,
    )
    state, changes = new_balance(len(LIKE)), list[Change]()
    for end in range(1, quarters_long + 1):
        state, new = weigh(state, _first(made, end), CHAIN, known, POLICY)
        changes += new
    return changes


def _first(made: Quarters, end: int) -> Quarters:
    """Return the first quarters of some."""
    return Quarters(
        made.start_ms,
        made.vehicles[:, :end],
        made.is_whole[:, :end],
        made.metres[:, :end],
        made.counted[:, :end],
        made.speed_kmh[:, :end],
    )


def _ones(quarters_long: int = 40) -> FloatArray:
    return np.ones((len(LIKE), quarters_long))


def _quarter(change: Change) -> int:
    return (change.found_ms - NOON_MS) // QUARTER_MS


def test_a_clean_day_raises_nothing() -> None:
    assert not _watch(_ones())


def test_the_factor_is_that_of_the_lane_and_of_no_other() -> None:
    factor = _ones(8)
    factor[3] = 0.7
    known = Knowledge.of(usual_of(CHAIN, LIKE), CHAIN, POLICY)
    part = day_quarters(LIKE, 8, NOON_MS)
    part = part._replace(vehicles=part.vehicles * factor)
    off = measure(part, np.zeros(6), CHAIN, known, POLICY)
    assert off.factor[3] == pytest.approx(0.7)
    assert off.share_factor[3] == pytest.approx(0.7)
    assert off.others[3] == pytest.approx(1.0)
    # due 8 x 200 = 1,600 of a share of 2/3: (1,120 - 1,600) / sqrt(2 x 1,600 x 5/3)
    assert off.sigmas[3] == pytest.approx(-480 / np.sqrt(2 * 1600 * 5 / 3))
    # the lane beside it is right against the neighbours, though not against lane 3
    assert off.factor[2] == pytest.approx(1.0)
    assert off.share_factor[2] == pytest.approx(1 / 0.7)
    # station 1 sees station 2 at 240 for 300: a quarter too many, in all its lanes
    assert off.factor[0] == pytest.approx(300 / 240)
    assert off.share_factor[0] == pytest.approx(1.0)


def test_thirty_percent_too_few_are_found_within_four_hours() -> None:
    factor = _ones()
    factor[3] = 0.69
    found = _watch(factor)
    assert [(c.fault, c.lane) for c in found] == [(Fault.UNDER_COUNT, 3)]
    assert found[0].value == pytest.approx(0.69)
    # against the other lane 0.31 d = 6 sqrt(2 d / (1 - 2/3)), so d = 2,248 of 200 a quarter;
    # against the neighbours sqrt(2 d (1 + 2/3)) is less
    assert _quarter(found[0]) == 12


def test_three_times_too_many_are_found_within_an_hour() -> None:
    factor = _ones()
    factor[3] = 3.0
    lengths = _ones()
    lengths[3] = 1 / 3  # every vehicle is counted three times: each a third as long
    found = _watch(factor, lengths)
    assert [(c.fault, c.lane) for c in found] == [(Fault.OVER_COUNT, 3)]
    # against the other lane 2 d = 6 sqrt(2 d / (1 - 2/3)), so d = 54 of 200 a quarter
    assert _quarter(found[0]) == 1


def test_vehicles_of_usual_length_too_many_are_those_of_the_next_lane() -> None:
    factor = _ones()
    factor[2] = 2.0  # its own 100, and half of the 200 beside it
    found = _watch(factor)
    assert [(c.fault, c.lane) for c in found] == [(Fault.CROSS_TALK, 2)]


def test_a_lane_that_drivers_leave_is_no_miscount() -> None:
    factor = _ones()
    factor[3], factor[2] = 0.4, 2.2  # 80 and 220 of 300: all are still there
    assert not _watch(factor)


def test_a_queue_between_stations_is_no_miscount() -> None:
    factor = _ones()
    factor[2:4, 4:8] = 0.5  # half of them wait before station 2 …
    factor[4:, 4:8] = 0.5
    factor[2:, 8:12] = 1.5  # … and come afterwards
    assert not _watch(factor)


def test_a_repaired_detector_is_cleared_and_does_not_come_back() -> None:
    factor = _ones(60)
    factor[3, :16] = 0.7
    found = _watch(factor, quarters_long=60)
    assert [(c.fault, c.lane, bool(c.cleared_ms)) for c in found] == [
        (Fault.UNDER_COUNT, 3, False),
        (Fault.UNDER_COUNT, 3, True),
    ]
    # two hours of which (0.7 n + (8 - n)) / 8 > 1 - 0.11, n = 2: six quarters after the repair
    cleared = (found[1].cleared_ms - NOON_MS) // QUARTER_MS
    assert 16 < cleared <= 22


def test_nobody_is_judged_by_night() -> None:
    known = Knowledge.of(usual_of(CHAIN, LIKE), CHAIN, POLICY)
    made = day_quarters(LIKE, 20, at_hour(22))
    made.vehicles[3] *= 0.3
    _, changes = weigh(new_balance(6), made, CHAIN, known, POLICY)
    assert not changes


def test_shares_and_ratios_are_those_of_the_day() -> None:
    usual = usual_of(CHAIN, LIKE)
    np.testing.assert_allclose(
        shares(usual, POLICY)[:, 8], [2 / 3, 1 / 3, 1 / 3, 2 / 3, 1 / 2, 1 / 2]
    )
    up, down = ratios(usual, POLICY)[:, :, 8]
    assert np.isnan(up[0])
    assert np.isnan(down[2])
    np.testing.assert_allclose([*up[1:], *down[:2]], 1.0)
    np.testing.assert_allclose(rates(usual)[:, 8], [4 * one for one in LIKE])


def test_nothing_is_learned_of_a_bad_day() -> None:
    bad = np.zeros(6, np.bool_)
    bad[2] = True
    usual = learn(nothing_usual(CHAIN), day_quarters(LIKE), CHAIN, bad, POLICY)
    known = shares(usual, POLICY)[:, 8]
    assert np.isnan(known[2:4]).all()  # its whole station
    np.testing.assert_allclose(known[:2], [2 / 3, 1 / 3])
    assert np.isnan(ratios(usual, POLICY)[1, 0, 8])  # and it is nobody's neighbour


def test_a_fading_past_gives_way_to_the_new() -> None:
    good = np.zeros(6, np.bool_)
    usual = usual_of(CHAIN, LIKE)
    new = day_quarters([100.0, 200.0, *LIKE[2:]])
    for _ in range(60):
        usual = learn(usual, new, CHAIN, good, POLICY)
    # 0.93^60 = 1.3 % of the old is left, of 1 / (1 - 0.93) = 14.3 days
    assert shares(usual, POLICY)[0, 8] == pytest.approx(1 / 3, abs=0.001)


def test_quarters_leave_out_marked_and_missing_rows() -> None:
    made = window(np.full((2, 60), 5.0), start_ms=NOON_MS)
    silent(made, 0, 0, 3)  # 27 of 30 rows are enough
    silent(made, 1, 0, 4)
    reasons = np.zeros((2, 60), np.int64)
    reasons[0, 30:60] = 1
    found = quarters(made, reasons, POLICY)
    np.testing.assert_array_equal(found.is_whole, [[True, False], [False, True]])
    np.testing.assert_array_equal(found.vehicles, [[135.0, 0.0], [130.0, 150.0]])
    # what they covered: 6.5 m each, but for the speeds that wobble (90 … 90.6 km/h)
    assert found.metres[0, 0] / found.counted[0, 0] == pytest.approx(6.5, rel=0.01)


def test_quarters_want_whole_quarters() -> None:
    made = window(np.ones((1, 30)), start_ms=NOON_MS + HALF_MIN_MS)
    with pytest.raises(ValueError, match="whole quarters"):
        quarters(made, np.zeros((1, 30), np.int64), POLICY)
