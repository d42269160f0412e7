"""Load: loading, duration, factors and advice, by hand."""

import numpy as np
import pytest

from gateway.energy import load
from gateway.energy.series import empty_window
from gateway.model import FloatArray
from gateway.policies import load_policies

POLICY = load_policies("load", load.LoadPolicy).at("vn", 1_795_305_600_000)
HALF_HOUR_MS = 1_800_000
NAN = np.nan


def course(
    active: FloatArray, reactive: FloatArray | None = None, amps: FloatArray | None = None
) -> load.Course:
    shape = active.shape
    reactive = np.full(shape, NAN) if reactive is None else reactive
    amps = np.full((3, *shape), NAN) if amps is None else amps
    return load.Course(active, reactive, amps, 0, HALF_HOUR_MS)


def test_profile_by_hand() -> None:
    active = np.array([[30e3, 60e3, 90e3, -30e3, NAN]])
    reactive = np.array([[40e3, 0, 0, 40e3, NAN]])
    rating = np.array([100e3])
    day = load.tally(course(active, reactive), rating)
    found = load.profile(day, rating, POLICY)
    assert found.coverage[0] == 0.8
    assert (found.peak_va[0], found.peak_ms[0], found.peak_pu[0]) == (90e3, 2 * HALF_HOUR_MS, 0.9)
    # apparent: 50, 60, 90, 50 kVA
    assert found.load_factor[0] == pytest.approx(62.5 / 90)
    assert found.duration[0, [0, 50, 51, 60, 61, 90, 91]].tolist() == [
        1,
        1,
        0.5,
        0.5,
        0.25,
        0.25,
        0,
    ]
    assert found.loading_pu[0] == pytest.approx(0.9)
    assert found.power_factor[0] == pytest.approx(105 / np.hypot(105, 40))
    assert found.export_wh[0] == 15e3
    assert found.reverse_peak_w[0] == 30e3


def test_days_add_up() -> None:
    rng = np.random.default_rng(2)
    active, reactive = rng.normal(50e3, 40e3, (2, 3, 96))
    amps = rng.gamma(4, 20, (3, 3, 96))
    rating = np.array([100e3, 160e3, NAN])
    whole = load.tally(course(active, reactive, amps), rating)
    parts = []
    for day in range(2):
        at = slice(day * 48, (day + 1) * 48)
        one = course(active[:, at], reactive[:, at], amps[:, :, at])
        parts.append(load.tally(one._replace(start_ms=day * 48 * HALF_HOUR_MS), rating))
    for added, counted in zip(load.joined(parts), whole, strict=True):
        np.testing.assert_allclose(np.asarray(added, float), np.asarray(counted, float))
    assert np.isnan(load.profile(whole, rating, POLICY).loading_pu[2])


def test_imbalance_by_hand() -> None:
    amps = np.array([[[100.0, 10]], [[50, 10]], [[30, 10]]])
    day = load.tally(course(np.full((1, 2), 40e3), amps=amps), np.array([100e3]))
    found = load.profile(day, np.array([100e3]), POLICY)
    assert found.imbalance[0] == pytest.approx((40 + 0) / (60 + 10))
    even = 3 * (60**2 + 10**2)
    assert found.unbalance_loss[0] == pytest.approx((100**2 + 50**2 + 30**2 + 300) / even - 1)


def test_course_prefers_registers() -> None:
    window = empty_window(np.array([7, 8]), 0, HALF_HOUR_MS, 1)
    window.import_wh[0] = [1000, 6000]
    window.export_wh[0] = [10, 1010]
    window.power_w[:, 1] = [99.0, 77.0]
    assert load.course_of(window).active_w[:, 0].tolist() == [8000.0, 77.0]


def test_overloads() -> None:
    active = np.array([[121e3, 100e3, 120e3, 130e3, 100e3], [50e3] * 5])
    found = load.overloads(course(active), np.array([100e3, 100e3]), POLICY)
    assert found == [load.Overload(0, 2 * HALF_HOUR_MS, 4 * HALF_HOUR_MS, 1.3)]


def advice_for(
    active: FloatArray,
    reactive: FloatArray | None = None,
    amps: FloatArray | None = None,
    pu: FloatArray | None = None,
) -> list[load.Advice]:
    rating = np.array([100e3])
    voltage = None if pu is None else load.voltage_counts(pu, pu, np.zeros(len(pu), np.int64), 1)
    day = load.tally(course(active, reactive, amps), rating, voltage)
    return load.advise(day, load.profile(day, rating, POLICY), rating, POLICY)


def test_a_healthy_transformer_needs_nothing() -> None:
    amps = np.full((3, 1, 48), 80.0)
    flat = np.full((1, 48), 60e3)
    assert advice_for(flat, 0.2 * flat, amps, np.full((5, 48), 1.0)) == []


def test_uprate_says_what_a_capacitor_would_leave() -> None:
    found = advice_for(np.full((1, 48), 90e3), np.full((1, 48), 90e3))
    assert [one.what for one in found] == ["uprate", "capacitor"]
    uprate, capacitor = (dict(one.evidence) for one in found)
    assert uprate["loading_pu"] == pytest.approx(1.27)
    assert uprate["needed_kva"] == pytest.approx(127)
    assert uprate["loading_with_capacitor_pu"] == pytest.approx(1.27 * np.sqrt(0.5) / 0.9)
    # to cos φ 0.9: tan 0.484
    assert capacitor["needed_kvar"] == pytest.approx(90 - 90 * np.sqrt(1 / 0.81 - 1))
    assert capacitor["copper_loss_saved"] == pytest.approx(1 - 0.5 / 0.81)


def test_balance() -> None:
    amps = np.stack([np.full((1, 48), each) for each in (100.0, 50, 30)])
    (found,) = advice_for(np.full((1, 48), 40e3), amps=amps)
    assert found.what == "balance"
    even, real = 3 * 60**2, 100**2 + 50**2 + 30**2
    assert dict(found.evidence)["copper_loss_saved"] == pytest.approx(1 - even / real)


@pytest.mark.parametrize(("level", "change"), [(0.93, 0.025), (0.91, 0.05), (1.07, -0.025)])
def test_retap(level: float, change: float) -> None:
    pu = np.full((4, 48), 0.99)
    pu[:2] = level + 0.001
    (found,) = advice_for(np.full((1, 48), 40e3), pu=pu)
    assert found.what == "retap"
    assert dict(found.evidence) == pytest.approx(
        {"change_pu": change, "out_now": 0.5, "out_then": 0.0, "values": 192}
    )


def test_no_tap_helps_a_street_that_is_low_and_high() -> None:
    pu = np.full((4, 48), 0.9)
    pu[:2] = 1.1
    assert advice_for(np.full((1, 48), 40e3), pu=pu) == []


def test_nothing_is_advised_on_little_data() -> None:
    active = np.full((1, 48), NAN)
    active[0, :23] = 200e3
    assert advice_for(active) == []
