"""V01 by when readings come: marked above 5 s, held above 60 s, and no matter of watt-hours."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gateway.energy.engine.bills.holds import held_slots
from gateway.energy.engine.days.pieces import SETTLE_MS
from gateway.energy.series import Window, empty_window
from gateway.energy.vee.clocks import clock_offsets
from gateway.model import FloatArray, Quality, ReadingBatch, Reason
from gateway.store.derived import DerivedReader
from tests.unit.energy.desk import SLOTS, Utility, name_of, register, use
from tests.unit.energy.rig import CALENDAR, HALF_HOUR_MS, MONDAY_MS, NAN, POLICY

ALL = SETTLE_MS // 1000 + 8
WAY_MS = 200  # from a device to us
DAY_MS = 86_400_000


def came(late_ms: Sequence[FloatArray | Sequence[float]]) -> Window:
    """Return a window whose readings came so long after their time, from mark 1 on."""
    shown = np.array(late_ms, np.float64)
    window = empty_window(np.arange(len(shown)), MONDAY_MS, HALF_HOUR_MS, shown.shape[1])
    assert window.late_ms is not None
    window.late_ms[:, 1:] = shown
    return window


def offsets(window: Window) -> FloatArray:
    found = clock_offsets(window, CALENDAR, POLICY.time_sync)
    assert found is not None
    return found


def send(utility: Utility, ahead_ms: int, meter: int, marks: Sequence[int]) -> None:
    """Store readings of a meter whose clock is ahead by so much: they come so much earlier."""
    mark, zero = np.array(marks, np.int64), np.zeros(len(marks), np.int64)
    values = np.zeros((len(mark), 6))
    values[:, 0] = [register(meter, m) for m in marks]
    values[:, 3], values[:, 5] = 2300, 1000
    time_ms = MONDAY_MS + mark * HALF_HOUR_MS
    batch = ReadingBatch(
        "em1", zero + meter, zero, zero - 1, time_ms, time_ms - ahead_ms + WAY_MS, values, zero,
        zero + int(Quality.VALID), zero, utility.next_records(len(mark)),
    )  # fmt: skip
    utility.put(batch)


@pytest.mark.parametrize(
    ("late_s", "offset_s"),
    [
        ([0.2] * 48, 0),  # the way to us is no offset
        ([29.0] * 48, 0),  # it waits for its turn
        ([-90.0] * 48, 90),  # nothing comes before it was sent: ahead by that at least
        ([100.0] * 48, -70),  # 30 s are believed to be turn and link
        ([0.2] * 10 + [600.0] * 38, 0),  # the link was slow for most of the day
        ([-3600.0] * 4 + [0.0] * 44, 0),  # our own clock was wrong for two hours: 4 < 4.8
        ([-3600.0] * 5 + [0.0] * 43, 3600),
        ([*[-9.0] * 4, *[NAN] * 44], 9),
        ([*[-9.0] * 3, *[NAN] * 45], NAN),  # fewer than four say nothing
    ],
)
def test_a_days_earliest_tenth_tells_the_clock(late_s: list[float], offset_s: float) -> None:
    found = offsets(came([np.array(late_s) * 1000]))
    np.testing.assert_array_equal(found[0, 1:], offset_s * 1000)


def test_each_day_has_its_own_offset_and_the_midnight_reading_ends_one() -> None:
    """Set right at midnight: the last reading by the old clock is that at mark 48."""
    window = came([[-90_000.0] * 48 + [0.0] * 48])
    found = offsets(window)[0]
    assert found[1:49].tolist() == [90_000] * 48
    assert found[49:].tolist() == [0] * 48
    second = window.part(48, 97)
    np.testing.assert_array_equal(offsets(second)[0, 1:], found[49:])


def test_60_s_are_marked_and_change_no_bill(tmp_path: Path) -> None:
    right, wrong = Utility(tmp_path / "right"), Utility(tmp_path / "wrong")
    for utility, ahead_ms in ((right, (0, 0, 0)), (wrong, (60_000, -60_000, 4_000))):
        utility.at(SLOTS)
        for meter, ms in enumerate(ahead_ms):
            send(utility, ms, meter, range(SLOTS + 1))
        utility.go(ALL)
    for series in ("days", "determinants"):
        assert [one.body for one in wrong.lines(series)] == [
            one.body for one in right.lines(series)
        ]
    assert all(json.loads(one.body)["is_billing_ready"] for one in wrong.lines("days"))
    bodies = [wrong.body("intervals", meter) for meter in range(3)]
    assert [body["quality"] for body in bodies] == [[["valid", SLOTS]]] * 3
    marked = [[k, ["time_sync"]] for k in range(SLOTS)]
    assert [body.get("reasons") for body in bodies] == [marked, marked, None]
    # 60 s less the way; 60 s and the way, of which 30 s are believed
    assert [body.get("clock_offset_s") for body in bodies] == [59.8, -30.2, None]
    assert not any("reasons" in right.body("intervals", meter) for meter in range(3))


def test_more_holds_the_bill_until_a_person_has_looked(tmp_path: Path) -> None:
    utility = Utility(tmp_path)
    utility.at(2 * SLOTS)
    send(utility, 90_000, 0, range(SLOTS + 1))  # then somebody sets its clock
    send(utility, 0, 0, range(SLOTS + 1, 2 * SLOTS + 1))
    send(utility, 0, 1, range(2 * SLOTS + 1))
    utility.go(2 * ALL, lives=True)
    first, second = (utility.body("intervals", 0, day) for day in (0, 1))
    assert first["quality"] == [["suspect", SLOTS]]
    assert first["import_wh"] == [use(0, m) for m in range(SLOTS)]  # the register is right
    assert first["clock_offset_s"] == 89.8
    assert (second["quality"], "reasons" in second) == ([["valid", SLOTS]], False)
    days = [utility.body("days", 0, day) for day in (0, 1)]
    assert [(day["held_slots"], day["is_billing_ready"]) for day in days] == [
        (SLOTS, False),
        (0, True),
    ]
    held = list(held_slots(DerivedReader(utility.folder), MONDAY_MS, MONDAY_MS + 2 * DAY_MS))
    assert {(one.device, one.reasons) for one in held} == {(name_of(0), ("time_sync",))}
    assert len(held) == SLOTS


def test_who_is_behind_may_only_be_read_late_and_is_marked(tmp_path: Path) -> None:
    """Ten minutes, every time: a clock, or a reader that comes round to it after ten minutes."""
    utility = Utility(tmp_path)
    utility.at(SLOTS)
    send(utility, -600_000, 0, range(SLOTS + 1))
    utility.go(ALL)
    body = utility.body("intervals", 0)
    assert (body["quality"], body["clock_offset_s"]) == ([["valid", SLOTS]], -570.2)
    assert body["reasons"] == [[k, ["time_sync"]] for k in range(SLOTS)]
    assert utility.body("days", 0)["is_billing_ready"]


def test_the_verdict_is_that_of_all_readings_of_the_day_however_they_came(tmp_path: Path) -> None:
    """Ahead by 90 s to 02:00 and right afterwards: four readings say so, of 48 they do not."""
    utility = Utility(tmp_path)
    utility.at(4)
    send(utility, 90_000, 0, range(5))
    utility.go(ALL)
    assert utility.body("intervals", 0)["quality"] == [["suspect", 4]]
    utility.at(SLOTS)
    send(utility, 0, 0, range(5, SLOTS + 1))
    utility.go(ALL)
    assert utility.body("intervals", 0)["quality"] == [["valid", SLOTS]]


def test_backlog_says_nothing_of_a_clock(tmp_path: Path) -> None:
    utility = Utility(tmp_path)
    utility.at(SLOTS)
    zero = np.zeros(SLOTS + 1, np.int64)
    mark = np.arange(SLOTS + 1)
    values = np.zeros((SLOTS + 1, 6))
    values[:, 0] = [register(0, m) for m in mark.tolist()]
    values[:, 3], values[:, 5] = 2300, 1000
    time_ms = MONDAY_MS + mark * HALF_HOUR_MS
    batch = ReadingBatch(
        "em1", zero, zero, zero - 1, time_ms, zero + utility.now_ms, values, zero,
        zero + int(Quality.RECOVERED), zero + int(Reason.LATE),
        utility.next_records(SLOTS + 1),
    )  # fmt: skip
    utility.put(batch)
    utility.go(ALL)
    body = utility.body("intervals", 0)
    assert body["quality"] == [["recovered", SLOTS]]
    assert "clock_offset_s" not in body
