"""What each column of a profile becomes in a window."""

from collections.abc import Mapping

import numpy as np
import pytest

from gateway.energy import vee
from gateway.energy.placing import LeftOut, Span, place
from gateway.model import ReadingBatch
from gateway.profiles import Profile, load_profiles
from tests.unit.energy.rig import job_of

HALF_HOUR_MS = 1_800_000
PROFILES = load_profiles()


def _reading(
    profile: Profile, device: int, time_ms: int, shown: Mapping[str, float]
) -> ReadingBatch:
    """Return one reading of engineering values."""
    values = np.full((1, len(profile.columns)), np.nan)
    for number, column in enumerate(profile.columns):
        if column.name in shown:
            values[0, number] = round(shown[column.name] / column.scale)
    one = np.ones(1, np.int64)
    return ReadingBatch(
        profile.name, device * one, 0 * one, one, time_ms * one, 0 * one, values, 2 * one, one,
        4 * one, one,
    )  # fmt: skip


EM3 = {
    "ea_imp": 1000, "ea_exp": 5, "er_imp": 300, "er_exp": 7, "p": 6000,
    "p_l1": 1000, "p_l2": 2000, "p_l3": 3000, "u_l1": 228.0, "u_l2": 230.0, "u_l3": 232.0,
    "i_l1": 5.0, "i_l2": 9.0, "i_l3": 13.0, "pf": 0.97, "f": 50.02,
}  # fmt: skip


def test_profiles_of_one_and_three_phases_share_a_window() -> None:
    span = Span(0, HALF_HOUR_MS, 1, phases=True)
    em1, em3 = PROFILES["em1"], PROFILES["em3"]
    single = {"ea_imp": 77, "ea_exp": 0, "p": 812, "u": 230.4, "i": 3.71, "pf": 0.982}
    window = place(
        span,
        np.array([11, 5]),
        [
            (em3, _reading(em3, 5, HALF_HOUR_MS, EM3)),
            (em1, _reading(em1, 11, HALF_HOUR_MS, single)),
        ],
    ).window
    assert window.import_wh[:, 1].tolist() == [77, 1000]
    assert window.export_wh[:, 1].tolist() == [0, 5]
    assert window.power_w[:, 1].tolist() == [812, 6000]
    assert window.voltage_v[:, 1].tolist() == [230.4, 230.0]  # the mean of three
    assert window.current_a[:, 1].tolist() == [3.71, 27.0]  # their sum
    assert window.power_factor[:, 1].tolist() == [0.982, 0.97]
    assert window.status[:, 1].tolist() == [2, 2]
    assert window.reasons[:, 1].tolist() == [4, 4]
    assert window.phases is not None
    assert window.phases.voltage_v[:, 1, 1].tolist() == [228.0, 230.0, 232.0]
    assert window.phases.power_w[:, 1, 1].tolist() == [1000, 2000, 3000]
    assert window.phases.current_a[:, 1, 1].tolist() == [5.0, 9.0, 13.0]
    assert np.isnan(window.phases.voltage_v[:, 0, 1]).all()
    assert window.reactive_import_varh is not None
    assert window.reactive_import_varh[1, 1] == 300
    assert window.frequency_hz is not None
    assert window.frequency_hz[1, 1] == 50.02
    assert not window.is_present()[:, 0].any()


def test_a_transformer_tells_reactive_power() -> None:
    dtm = PROFILES["dtm"]
    shown = {"ea_imp": 1, "p": 90_000, "q": 30_000, "u_l1": 230, "u_l2": 230, "u_l3": 230}
    span = Span(0, HALF_HOUR_MS, 1, phases=True)
    window = place(span, np.array([1]), [(dtm, _reading(dtm, 1, 0, shown))]).window
    assert window.reactive_power_var is not None
    assert window.reactive_power_var[0, 0] == 30_000
    assert window.power_w[0, 0] == 90_000


def test_kilowatt_hours_of_a_foreign_profile_become_watt_hours() -> None:
    em1 = PROFILES["em1"]
    columns = (em1.columns[0].model_copy(update={"unit": "kWh", "scale": 0.01}),)
    foreign = em1.model_copy(update={"columns": columns})
    window = place(
        Span(0, HALF_HOUR_MS, 1),
        np.array([1]),
        [(foreign, _reading(foreign, 1, 0, {"ea_imp": 12.34}))],
    ).window
    assert window.import_wh[0, 0] == pytest.approx(12_340)


def test_nothing_is_placed_of_nothing() -> None:
    em1 = PROFILES["em1"]
    empty = _reading(em1, 1, 0, {}).take(np.zeros(0, np.int64))
    placed = place(Span(0, HALF_HOUR_MS, 1), np.array([1]), [(em1, empty)])
    assert placed.left_out == LeftOut()
    assert not placed.window.is_present().any()


def test_a_window_without_meters_is_no_error() -> None:
    em1 = PROFILES["em1"]
    nobody = np.zeros(0, np.int64)
    placed = place(Span(0, HALF_HOUR_MS, 48), nobody, [(em1, _reading(em1, 1, 0, {"ea_imp": 1}))])
    assert placed.window.meters == 0
    assert vee.run(job_of(placed.window)).import_wh.shape == (0, 48)
