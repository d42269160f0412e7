"""Logistics: gates, yards, stays, travel times by tag, arrivals."""

import numpy as np
import pytest

from gateway.policies import load_policies
from gateway.transport import logistics
from gateway.transport.logistics import Course, Moves, Tagged

T0 = 1_795_305_600_000
MIN_MS, HOUR_MS = 60_000, 3_600_000
POLICY = load_policies("logistics", logistics.LogisticsPolicy).at("default", T0)


def moves(*rows: tuple[float, bool, int, int]) -> Moves:
    """Rows of minute, is it in, class, tag."""
    minute, is_in, kind, tag = (np.array(one) for one in zip(*rows, strict=True))
    return Moves(T0 + (minute * MIN_MS).astype(np.int64), is_in, kind, tag)


DAY = moves(
    (1, True, 5, 1),
    (2, True, 5, 2),
    (30, False, 4, 9),
    (61, True, 2, -1),
    (62, False, 5, 1),
    (63, False, 5, 2),
    (64, False, 4, -1),
    (65, False, 4, 3),
)


@pytest.mark.clause("1437.II.3.e-1")
def test_gates_by_hand() -> None:
    counts = logistics.gate_counts(DAY, T0, HOUR_MS, 2)
    assert counts.came.tolist() == [2, 1]
    assert counts.left.tolist() == [1, 4]
    assert counts.by_class[:, 0].tolist() == [0, 0, 0, 0, 1, 2]
    assert counts.by_class.sum() == 8


def test_nobody_leaves_an_empty_yard() -> None:
    counts = logistics.gate_counts(DAY, T0, HOUR_MS, 2)
    # 1 in the yard: 1 + 2 - 1 = 2, then 2 + 1 - 4 = -1: one entry was missed
    yard = logistics.yard(counts, 1.0, 2.0, POLICY)
    assert yard.vehicles.tolist() == [2, 0]
    assert yard.missed.tolist() == [0, 1]
    assert yard.is_full.tolist() == [True, False]  # 90 % of two places are 1.8


def test_stays_are_of_one_tag() -> None:
    stays = logistics.stays(DAY, POLICY)
    assert (stays.dwell_h() * 60).tolist() == [61, 61]
    again = moves((0, True, 5, 1), (5, True, 5, 1), (9, False, 5, 1), (10, False, 5, 1))
    # it left unseen and came back: the last entry counts, and one exit of it
    assert (logistics.stays(again, POLICY).dwell_h() * 60).tolist() == pytest.approx([4])
    long = moves((0, True, 5, 1), (721 * 60, False, 5, 1))
    assert logistics.stays(long, POLICY).dwell_h().size == 0


def test_travel_times_of_tags() -> None:
    first = Tagged(np.array([1, 2, 1, 3]), T0 + 1000 * np.array([0, 10, 300, 400]))
    second = Tagged(np.array([2, 1, 3]), T0 + 1000 * np.array([130, 420, 9000]))
    # tag 2: 120 s; tag 1 passed the first place again at 300: 120 s; tag 3: too late
    assert logistics.pair_times_s(first, second, 3600).tolist() == [120, 120]
    took = np.array([100, 102, 104, 106, 108, 110, 112, 400.0])
    # quartiles 103.5 and 110.5 (linear), fence 110.5 + 1.5 x 7 = 121
    assert logistics.is_through(took, POLICY).tolist() == [True] * 7 + [False]
    assert logistics.is_through(np.array([1.0, 900.0]), POLICY).all()  # too few


@pytest.mark.clause("1437.II.3.e-1")
def test_an_arrival_by_hand() -> None:
    # 10 km at 60, then 10 km at 60 in the first quarter of an hour and 30 after it
    speed = np.array([[60.0, 60.0], [60.0, 30.0]])
    course = Course(np.array([10.0, 10.0]), speed, np.array([80.0, 80.0]), T0, 15 * MIN_MS)
    # 10 min, then 5 km in 5 min, then 5 km at 30 in 10 min
    assert logistics.eta_ms(course, 0, 0.0, T0, POLICY) == T0 + 25 * MIN_MS
    # from the middle of the last section at minute 20: 5 km at 30
    assert logistics.eta_ms(course, 1, 0.5, T0 + 20 * MIN_MS, POLICY) == T0 + 30 * MIN_MS
    unknown = course._replace(speed_kmh=np.full((2, 2), np.nan))
    assert logistics.eta_ms(unknown, 0, 0.0, T0, POLICY) == T0 + 15 * MIN_MS  # 20 km at 80
    jam = course._replace(speed_kmh=np.zeros((2, 2)), length_km=np.array([100.0, 100.0]))
    assert logistics.eta_ms(jam, 0, 0.0, T0, POLICY) is None  # 3 km/h: 67 hours
