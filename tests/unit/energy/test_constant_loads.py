"""V14 and loads that are constant by nature: their own gauges tell them from stuck meters."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.energy import vee
from gateway.energy.edits import EditLine, append
from gateway.energy.series import Window
from gateway.model import FloatArray, Quality, Reason
from tests.unit.energy.desk import SLOTS, Utility
from tests.unit.energy.rig import (
    DAY,
    HALF_HOUR_MS,
    MONDAY_MS,
    graded,
    job_of,
    marked,
    past_days,
    registers_of,
    varied,
    window_of,
)
from tests.unit.energy.test_engine_grid import SOME, put

CABINET_W, VAR = 160.0, 45.0  # controller, modem, radars
USE_WH = CABINET_W / 2
FLAT = slice(5, None)  # the sixth slot of a run, and those behind


def cabinet(slots: int = 12) -> Window:
    """Return the row of a cabinet: its power stands, voltage and current do not."""
    rng = np.random.default_rng(4)  # of each test its own: in any order the same values
    window = window_of([registers_of([USE_WH] * slots)])
    volts = np.round(229 + 3 * rng.standard_normal(slots + 1), 1)
    apparent = float(np.hypot(CABINET_W, VAR))
    window.voltage_v[0], window.power_w[0] = volts, CABINET_W
    window.current_a[0] = np.round(apparent / volts, 2)
    window.power_factor[0] = round(CABINET_W / apparent, 3)
    return window


def home_w(marks: int) -> FloatArray:
    """Return what a home draws when it is read: seldom what it used on the average."""
    return np.round(80 + 900 * np.random.default_rng(5).random(marks) ** 3)


def of_power(window: Window, power_w: FloatArray) -> None:
    window.power_w[0] = power_w
    window.current_a[0] = np.round(power_w / window.voltage_v[0] / window.power_factor[0], 2)


def frozen(window: Window) -> None:
    """All of a reading is sent again, only the register goes on by the same."""
    window.voltage_v[0], window.current_a[0] = 231.4, 0.72


def stuck_register(window: Window) -> None:
    """The use is sent again while power, voltage and current go on."""
    of_power(window, home_w(13))


def stuck_power(window: Window) -> None:
    """Use and power are sent again while voltage and current go on."""
    power_w = window.power_w[0].copy()
    of_power(window, home_w(13))
    window.power_w[0] = power_w


def without_gauges(window: Window) -> None:
    window.voltage_v[0] = window.current_a[0] = window.power_w[0] = np.nan


def without_factor(window: Window) -> None:
    window.power_factor[0] = np.nan


def test_a_constant_load_whose_gauges_agree_is_not_held() -> None:
    found = vee.run(job_of(cabinet()))
    assert marked(found, Reason.FLAT_LINE) == []
    assert graded(found, Quality.SUSPECT) == []


@pytest.mark.parametrize(
    "spoil", [frozen, stuck_register, stuck_power, without_gauges, without_factor]
)
def test_a_stuck_meter_is_held_all_the_same(spoil: Callable[[Window], None]) -> None:
    window = cabinet()
    spoil(window)
    found = vee.run(job_of(window))
    assert marked(found, Reason.FLAT_LINE) == list(range(12))[FLAT]
    assert set(graded(found, Quality.SUSPECT)) >= set(range(12)[FLAT])


def test_a_register_that_stands_is_v12s() -> None:
    window = cabinet(60)
    window.import_wh[0] = 1000
    found = vee.run(job_of(window))
    assert marked(found, Reason.ZERO) == list(range(48, 60))


def test_a_meter_that_gets_stuck_amid_a_constant_load_is_found_soon() -> None:
    """It lives up to mark 10; two readings alike may be chance, the third is not."""
    window = cabinet(20)
    window.voltage_v[0, 10:] = 230.1
    window.current_a[0, 10:] = 0.72
    found = vee.run(job_of(window))
    # slot 9 ends at mark 10, the last that moved; slot 12 is the third behind it
    assert marked(found, Reason.FLAT_LINE) == list(range(12, 20))


def test_readings_alike_by_chance_are_no_stuck_meter() -> None:
    window = cabinet(20)
    for gauge in (window.voltage_v, window.current_a):
        gauge[0, 8:11] = gauge[0, 8]
    assert marked(vee.run(job_of(window)), Reason.FLAT_LINE) == []


def test_midnight_changes_nothing() -> None:
    window = cabinet(20)
    first = vee.run(job_of(window.part(0, 10)))
    assert (first.carry.flat_run.tolist(), first.carry.live_run.tolist()) == ([9], [8])
    found = vee.run(job_of(window.part(9, 21), carry=first.carry))
    assert marked(found, Reason.FLAT_LINE) == []


@pytest.mark.parametrize(
    ("days", "level", "is_held"), [(3, 200, False), (2, 200, True), (3, 260, True)]
)
def test_without_gauges_days_that_people_verified_say_what_is_usual(
    days: int,
    level: float,
    *,
    is_held: bool,
) -> None:
    """A kiosk at 200 Wh on good days, which are good since its slots were verified."""
    past = np.stack([varied(DAY)] * 7)
    past[:days, 10:30] = 200
    history = past_days(MONDAY_MS, 7, past[None])
    uses = varied(DAY)
    uses[20:40] = level
    found = vee.run(job_of(window_of([registers_of(uses)]), history=history))
    assert bool(marked(found, Reason.FLAT_LINE)) == is_held


def test_a_verified_week_of_a_kiosk_is_learned_by_the_engine(tmp_path: Path) -> None:
    """Three days verified by a person, then the same load is nobody's question any more."""
    utility = Utility(tmp_path, 1)
    utility.at(3 * SLOTS)
    marks = np.arange(5 * SLOTS + 1)
    values = np.full((len(marks), 6), np.nan)
    values[:, 0], values[:, 1] = 200.0 * marks, 0
    zero = np.zeros(len(marks), np.int64)
    put(utility, "em1", zero[: 3 * SLOTS + 1], marks[: 3 * SLOTS + 1], values[: 3 * SLOTS + 1])
    utility.go(SOME)
    assert [utility.body("days", 0, d)["held_slots"] for d in range(3)] == [SLOTS - 5, SLOTS, SLOTS]
    for slot in range(3 * SLOTS):
        word = EditLine("m-000", MONDAY_MS + slot * HALF_HOUR_MS, None, "an", 1, "a kiosk")
        append(tmp_path, word)
    utility.go(SOME)
    utility.at(5 * SLOTS)
    put(utility, "em1", zero[3 * SLOTS + 1 :], marks[3 * SLOTS + 1 :], values[3 * SLOTS + 1 :])
    utility.go(SOME)
    assert [utility.body("days", 0, d)["held_slots"] for d in range(5)] == [0] * 5
