"""Weigh in motion: sound weighings, limits, drift of the scale."""

import numpy as np
import pytest

from gateway.model import ReadingBatch
from gateway.policies import load_policies
from gateway.profiles import load_profiles
from gateway.transport import weigh
from gateway.transport.weigh import Fault, SteeringTally, Weighed

T0 = 1_795_305_600_000
POLICY = load_policies("weigh", weigh.WeighPolicy).at("vn", T0)
TRUCK, LONG = 4, 5
NAN = np.nan


def one(
    axles_kg: list[float], gross_kg: float | None = None, kind: int = TRUCK, kmh: float = 60,
    axles: int | None = None,
) -> Weighed:  # fmt: skip
    loads = np.array([axles_kg + [NAN] * (6 - len(axles_kg))])
    return Weighed(
        np.zeros(1, np.int64), np.array([T0]), np.array([gross_kg or float(np.nansum(loads))]),
        np.array([axles or len(axles_kg)]), loads, np.array([kmh]), np.array([9.0]),
        np.array([kind]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("vehicle", "fault"),
    [
        (one([4000, 8000]), 0),
        (one([4000, 8000], gross_kg=12_240), 0),  # 240 kg are 1.96 %
        (one([4000, 8000], gross_kg=12_250), Fault.AXLE_SUM),  # 250 kg are 2.04 %
        (one([4000, 8000], axles=3), Fault.AXLE_COUNT),
        (one([4000, 8000], kmh=2), Fault.SPEED),
        (one([4000, 200]), Fault.LIGHT_AXLE),
        (one([4000, 8000], gross_kg=NAN), Fault.INCOMPLETE | Fault.AXLE_SUM),
        # eight axles: six loads seen, the rest in the gross weight only
        (one([5000] * 6, gross_kg=40_000, axles=8), 0),
        (one([5000] * 6, gross_kg=29_000, axles=8), Fault.AXLE_SUM),
    ],
)
def test_what_is_no_sound_weighing(vehicle: Weighed, fault: int) -> None:
    assert weigh.faults(vehicle, POLICY).tolist() == [int(fault)]


@pytest.mark.parametrize(
    ("vehicle", "what", "limit_kg", "severity"),
    [
        (one([5000, 10_400]), None, 0, 0),  # 4 % over: the scale may err by 5
        (one([5000, 10_600]), "axle 2", 10_000, 2),
        (one([5000, 12_500]), "axle 2", 10_000, 3),
        (one([5000, 15_500]), "axle 2", 10_000, 4),
        (one([6500, 9900, 9900]), "gross", 24_000, 2),  # 26,300: 9.6 % over
        (one([6500, 9900, 9900], kind=LONG), None, 0, 0),  # 26,000 for three axles articulated
        (one([7000, 9500, 9500, 9500, 9500], kind=LONG), None, 0, 0),  # 45,000: 2.3 % over 44,000
        (one([7000, 9900, 9900, 9900, 9900], kind=LONG), "gross", 44_000, 2),
        (one([5000, 15_500], kmh=2), None, 0, 0),  # no sound weighing accuses anybody
        (one([5000] * 6, gross_kg=60_000, axles=9, kind=LONG), "gross", 48_000, 3),
    ],
)
def test_who_carries_too_much(
    vehicle: Weighed, what: str | None, limit_kg: float, severity: int
) -> None:
    found = weigh.overloads(vehicle, POLICY)
    if what is None:
        assert found == []
    else:
        assert [(f.what, f.limit_kg, f.severity) for f in found] == [(what, limit_kg, severity)]
        assert found[0].excess == pytest.approx(found[0].weighed_kg / limit_kg - 1)


def fleet(seed: int, count: int, gain: float) -> SteeringTally:
    rng = np.random.default_rng(seed)
    steering = rng.normal(5500, 500, count) * gain
    loads = np.column_stack((steering, *(np.full(count, 7000.0) for _ in range(4))))
    loads = np.column_stack((loads, np.full(count, NAN)))
    vehicles = Weighed(
        np.zeros(count, np.int64), T0 + np.arange(count), np.nansum(loads, axis=1),
        np.full(count, 5), loads, np.full(count, 60.0), np.full(count, 15.0), np.full(count, LONG),
    )  # fmt: skip
    return weigh.tally(vehicles, 2, POLICY)


def test_a_scale_that_drifts_is_seen_in_the_steering_axles() -> None:
    before = fleet(1, 2000, 1.0)
    assert weigh.drifts(before, fleet(2, 300, 1.0), POLICY) == []
    assert weigh.drifts(before, fleet(3, 40, 1.2), POLICY) == []  # too few to say
    (drift,) = weigh.drifts(before, fleet(4, 300, 1.08), POLICY)
    assert drift.scale == 0
    assert drift.share == pytest.approx(0.08, abs=0.02)
    # 300 of sigma 540: 31 kg; 2,000 of 500: 11 kg; together 33 kg for 440 kg: 13 errors
    assert drift.standard_errors == pytest.approx(13, abs=3)


def test_days_of_a_tally_add_up() -> None:
    a, b = fleet(5, 100, 1.0), fleet(6, 50, 1.0)
    assert a.plus(b).vehicles.tolist() == [150, 0]
    assert a.plus(b).sum_kg[0] == pytest.approx(a.sum_kg[0] + b.sum_kg[0])


def test_rows_of_the_profile_become_weighings() -> None:
    profile = load_profiles()["wim1"]
    values = np.array([[12_000, 2, 4000, 8000, NAN, NAN, NAN, NAN, 605, 92, TRUCK]] * 2)
    whole = np.zeros(2, np.int64)
    batch = ReadingBatch(
        "wim1", np.array([5, 6]), whole, whole, np.array([T0, T0]), whole, values, whole, whole,
        whole, whole,
    )  # fmt: skip
    found = weigh.weighed(profile, batch, np.array([6]))
    assert (found.scale.tolist(), found.speed_kmh.tolist()) == ([0], [60.5])
    assert (found.gross_kg.tolist(), found.length_m.tolist()) == ([12_000], [9.2])
    assert weigh.faults(found, POLICY).tolist() == [0]
