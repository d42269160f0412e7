"""Begins and ends of meters, outages that last: slots that no register of a reading bounds."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gateway.energy.engine.bills import supply
from gateway.energy.engine.bills.supply import overlap
from gateway.energy.outage import NEVER_MS
from gateway.energy.outage.life import Episode, Sign, of_service
from tests.unit.energy.desk import GASP, RETURNED, SLOTS, Utility, name_of, register, use
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS
from tests.unit.energy.test_engine_grid import METERS, SOME, body, of_local_day, put, registry, send

HALF = 0.5


def moment(day: int, hours: float) -> str:
    """Return a time of a day of the utility as the registry writes it."""
    return (datetime.fromisoformat(of_local_day(day)) + timedelta(hours=hours)).isoformat()


def mark_of(day: int, hours: float) -> int:
    """Return the mark at or before it."""
    return day * SLOTS + int(hours // HALF)


def send_of(utility: Utility, marks: range, less_wh: float = 0.0, use_from: int = 0) -> None:
    """Store registers of meter 0 as another instrument shows them."""
    values = np.zeros((len(marks), 6))
    values[:, 0] = [register(0, m) - less_wh for m in marks]
    values[:, 2:6] = [230, 2300, 100, 1000]
    put(utility, "em1", np.zeros(len(marks), np.int64), np.array(marks), values)


def by_method(told: dict[str, list[list[object]]]) -> list[str]:
    """Return the method of every slot."""
    return [str(name) for name, count in told["method"] for _ in range(int(str(count)))]


def grades(told: dict[str, list[list[object]]]) -> list[str]:
    """Return the grade of every slot."""
    return [str(name) for name, count in told["quality"] for _ in range(int(str(count)))]


@pytest.mark.parametrize("is_noted", [True, False])
def test_the_slot_in_which_a_meter_is_taken_down_is_closed(
    tmp_path: Path,
    *,
    is_noted: bool,
) -> None:
    """Taken down on the 9th day at 05:10, with 30 Wh more on it than at 05:00.

    Eight days went before: 05:00 is mark 10 of the day, a multiple of seven days of slots apart.
    """
    gone, last = mark_of(8, 5), register(0, mark_of(8, 5)) + 30
    fact: dict[str, object] = {"serial": "A-1", "to": moment(8, 5 + 1 / 6)}
    meter = [fact | ({"last_wh": last} if is_noted else {})]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meter))
    utility.at(9 * SLOTS)
    send(utility, range(gone + 1), {})
    send(utility, range(gone + 1, 9 * SLOTS + 1), {}, without=0)
    utility.go(2 * SOME)
    told = utility.body("intervals", 0, 8)
    slot = told["import_wh"][10]
    assert told["import_wh"][:10] == [use(0, m) for m in range(8 * SLOTS, gone)]
    assert told["import_wh"][11:] == [None] * (SLOTS - 13)  # two may still be under way
    assert told["open_slots"] == 0
    assert dict(told["reasons"])[10][-1] == "meter_exchange"
    if is_noted:
        assert (slot, by_method(told)[10], grades(told)[10]) == (30, "measured", "valid")
    else:
        # a third of what half past five had on like days, of which the level is that of days
        usual = np.mean([use(0, day * SLOTS + 10) for day in range(8)])
        assert slot == pytest.approx(usual / 3, rel=0.2)
        assert by_method(told)[10] == grades(told)[10].removeprefix("estimated_") == "like_day"
        assert utility.lineage(0, gone) == [(None, "like_day")]
    day = utility.body("days", 0, 8)
    assert (day["open_slots"], day["held_slots"], day["is_billing_ready"]) == (0, 0, True)
    total = register(0, gone) - register(0, 8 * SLOTS) + slot
    assert day["import_wh"] == pytest.approx(total, abs=0.001)
    assert day["export_wh"] == 0


def test_what_waits_for_a_person_waits_though_the_meter_is_taken_down_later(
    tmp_path: Path,
) -> None:
    """Dead from 09:00 of the 9th day, exchanged without notes at 11:00; gone on the 11th."""
    dead, back, gone = mark_of(8, 9), mark_of(8, 14), mark_of(10, 5)
    open_slots = []
    first = {"serial": "A-1", "to": moment(8, 11)}
    second = {"serial": "A-2", "from": moment(8, 11)}
    for number, more in enumerate(({}, {"to": moment(10, 5)})):
        folder = tmp_path / str(number)
        folder.mkdir()
        utility = Utility(folder, METERS + 1, registry(meter=[first, second | more]))
        utility.at(12 * SLOTS)
        send(utility, range(dead + 1), {})
        send(utility, range(dead + 1, 12 * SLOTS + 1), {}, without=0)
        send_of(utility, range(back, gone + 1), less_wh=-3e6)
        utility.go(3 * SOME)
        told = utility.body("intervals", 0, 8)
        open_slots.append((told["open_slots"], by_method(told)[18:28]))
    assert open_slots[0][0] > 0
    assert open_slots[1] == open_slots[0]


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_bill_ends_with_what_the_meter_showed_when_it_was_taken_down(
    tmp_path: Path,
    *,
    is_noted: bool,
) -> None:
    """On the second day at 05:10, with 30 Wh more than at 05:00, which was read last."""
    gone = mark_of(1, 5)
    fact: dict[str, object] = {"serial": "A-1", "to": moment(1, 5 + 1 / 6)}
    meter = [fact | ({"last_wh": register(0, gone) + 30} if is_noted else {})]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meter))
    utility.at(3 * SLOTS)
    send(utility, range(gone + 1), {})
    send(utility, range(gone + 1, 3 * SLOTS + 1), {}, without=0)
    utility.go(2 * SOME)
    shown = register(0, gone) + 30 * is_noted
    day, bill = utility.body("days", 0, 1), body(utility, "determinants", f"device:{name_of(0)}")
    assert (day["register_begin_wh"], day["register_end_wh"]) == (register(0, SLOTS), shown)
    assert (bill["register_begin_wh"], bill["register_end_wh"]) == (register(0, 0), shown)


def test_a_gap_before_a_meter_is_taken_down_is_closed_by_what_was_noted(tmp_path: Path) -> None:
    """Nothing is heard from 20:00 of the first day on; the note is of 05:10 of the third."""
    heard, gone = mark_of(0, 20), mark_of(2, 5)
    last = register(0, gone) + 30
    meter = [{"serial": "A-1", "to": moment(2, 5 + 1 / 6), "last_wh": last}]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meter))
    utility.at(3 * SLOTS)
    send(utility, range(heard + 1), {})
    send(utility, range(heard + 1, 3 * SLOTS + 1), {}, without=0)
    utility.go(2 * SOME)
    days = [utility.body("days", 0, day) for day in range(3)]
    assert [one["open_slots"] for one in days] == [0, 0, 0]
    assert sum(one["import_wh"] for one in days) == pytest.approx(last - register(0, 0), abs=0.01)


def test_a_slot_in_which_a_meter_is_put_up_counts_from_what_it_showed(tmp_path: Path) -> None:
    come = mark_of(1, 9)
    meter = [{"serial": "A-1", "from": moment(1, 9.25), "first_wh": register(0, come) + 40}]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meter))
    utility.at(2 * SLOTS)
    send(utility, range(come + 1), {}, without=0)
    send(utility, range(come + 1, 2 * SLOTS + 1), {})
    utility.go(SOME)
    told = utility.body("intervals", 0, 1)
    assert told["import_wh"][18] == use(0, come) - 40
    assert told["open_slots"] == 0
    day = utility.body("days", 0, 1)
    assert day["is_billing_ready"]
    assert day["register_begin_wh"] == register(0, come) + 40


@pytest.mark.parametrize("hours", [5 + 1 / 6, 5.0, 5.5])
@pytest.mark.parametrize("is_last_read", [True, False])
def test_both_meters_of_an_exchange_add_up_within_and_at_the_edge_of_a_slot(
    tmp_path: Path,
    hours: float,
    *,
    is_last_read: bool,
) -> None:
    """At 05:00 sharp the reading of 05:00 may be of either; within a slot there is no doubt."""
    at = mark_of(0, hours)
    is_between = hours % HALF > 0
    taken = register(0, at) + (30 if is_between else 0)
    meter = [
        {"serial": "A-1", "to": moment(0, hours), "last_wh": taken},
        {"serial": "B-2", "from": moment(0, hours), "first_wh": 7},
    ]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meter))
    utility.at(SLOTS)
    of_old = at + 1 if is_between or is_last_read else at
    send(utility, range(of_old), {})
    send(utility, range(of_old, SLOTS + 1), {}, without=0)
    send_of(utility, range(of_old, SLOTS + 1), taken - 7)
    utility.go(SOME)
    assert utility.body("intervals", 0)["import_wh"] == [use(0, m) for m in range(SLOTS)]
    assert utility.body("days", 0)["is_billing_ready"]


def test_two_exchanges_in_a_gap_are_three_parts(tmp_path: Path) -> None:
    """A ends 05:10 with 30 more than at 05:00, B has 100 in all, C shows 50 at 08:00 from 9."""
    first = register(0, 10)
    meter = [
        {"serial": "A", "to": moment(0, 5 + 1 / 6), "last_wh": first + 30},
        {
            "serial": "B",
            "from": moment(0, 5 + 1 / 6),
            "to": moment(0, 6.9),
            "first_wh": 900,
            "last_wh": 1000,
        },
        {"serial": "C", "from": moment(0, 6.9), "first_wh": 9},
    ]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meter))
    utility.at(SLOTS)
    send(utility, range(11), {})
    send(utility, range(11, SLOTS + 1), {}, without=0)
    send_of(utility, range(16, SLOTS + 1), register(0, 16) - 50)
    utility.go(SOME)
    told = utility.body("intervals", 0)["import_wh"]
    assert sum(told[10:16]) == pytest.approx(30 + 100 + 41, abs=0.01)
    assert told[16:] == [use(0, m) for m in range(16, SLOTS)]


def test_between_two_meters_nothing_is_used_and_nothing_missed(tmp_path: Path) -> None:
    """None from 05:10 of the first day to 09:15 of the third."""
    gone, come = mark_of(0, 5), mark_of(2, 9)
    meter = [
        {"serial": "A", "to": moment(0, 5 + 1 / 6), "last_wh": register(0, gone) + 30},
        {"serial": "B", "from": moment(2, 9.25), "first_wh": register(0, come) + 40},
    ]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meter))
    utility.at(3 * SLOTS)
    send(utility, range(gone + 1), {})
    send(utility, range(gone + 1, come + 1), {}, without=0)
    send(utility, range(come + 1, 3 * SLOTS + 1), {})
    utility.go(2 * SOME)
    days = [utility.body("days", 0, day) for day in range(3)]
    assert [one["open_slots"] for one in days] == [0, 0, 0]
    used = register(0, gone) + 30 - register(0, 0)
    used += register(0, 3 * SLOTS) - register(0, come) - 40
    assert sum(one["import_wh"] for one in days) == pytest.approx(used, abs=0.01)
    middle = utility.body("intervals", 0, 1)["import_wh"]
    assert not any(middle)
    ends = [(one["register_begin_wh"], one["register_end_wh"]) for one in days]
    assert ends == [
        (register(0, 0), register(0, gone) + 30),
        (None, None),
        (register(0, come) + 40, register(0, 3 * SLOTS)),
    ]
    assert not [one for one in utility.alarms() if one.kind == "prolonged_estimation"]


# -- outages that last --


BEGIN = 7 * SLOTS + 10  # 05:00 of the eighth day
END = 9 * SLOTS + 20  # 10:00 of the tenth: longer than the watch remembers facts
DARK = [0, 2, 4]
DARK_MS, BACK_MS = (MONDAY_MS + m * HALF_HOUR_MS + HALF_HOUR_MS // 3 for m in (BEGIN, END))


def darkened(folder: Path) -> Utility:
    """Return a utility in which a transformer is dark from 05:10 of the eighth day on."""
    utility = Utility(folder, METERS + 1, registry())
    for day in range(8):
        utility.at(min((day + 1) * SLOTS, BEGIN))
        send(utility, range(day * SLOTS, min((day + 1) * SLOTS, BEGIN + 1)), {})
        utility.go(SOME)
    utility.now_ms = DARK_MS
    utility.say(DARK, GASP, DARK_MS)
    utility.go(SOME)
    for day in (8, 9, 10):
        utility.at(min(day * SLOTS, END))
        first = max((day - 1) * SLOTS, BEGIN) + 1
        utility.send(range(first, min(day * SLOTS, END) + 1), [1, 3, 5])
        utility.go(2 * SOME)
    return utility


def lit_again(utility: Utility) -> None:
    """Let power return: the registers have counted 200 Wh about the outage, and 200 behind it."""
    utility.now_ms = BACK_MS
    utility.say(DARK, RETURNED, BACK_MS)
    marks = np.arange(END + 1, END + 3)
    values = np.zeros((2 * len(DARK), 6))
    values[:, 0] = [register(k, BEGIN) + 200 + 200 * n for k in DARK for n in range(2)]
    values[:, 2:6] = [230, 2300, 100, 1000]
    put(utility, "em1", np.repeat(DARK, 2), np.tile(marks, len(DARK)), values)
    utility.send(marks.tolist(), [1, 3, 5])
    utility.at(END + 2)
    utility.go(3 * SOME)


@pytest.mark.parametrize("lines_at_once", [10_000, 1])
def test_slots_of_an_outage_that_lasts_are_nothing_until_registers_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines_at_once: int
) -> None:
    """What like days used is no guess then; of however many customers the power is gone."""
    monkeypatch.setattr(supply, "_LINES_AT_ONCE", lines_at_once)
    utility = darkened(tmp_path)
    told = utility.body("intervals", 0, 7)
    assert told["import_wh"][11:] == [0] * (SLOTS - 11)
    assert by_method(told)[11:] == ["no_power"] * (SLOTS - 11)
    assert set(grades(told)[11:]) == {"imputed"}
    assert "outage_agree" in dict(told["reasons"])[20]
    # ten of thirty minutes had power
    assert told["import_wh"][10] == pytest.approx(use(0, 10) / 3, rel=0.3)
    assert told["open_slots"] == SLOTS - 10
    assert utility.body("intervals", 0, 8)["import_wh"] == [0] * SLOTS
    assert utility.body("intervals", 0, 9)["import_wh"][:18] == [0] * 18
    assert utility.lineage(0, BEGIN + 5) == [(None, "no_power")]
    why = [one for one in utility.lines("lineage") if one.place == f"device:{name_of(0)}"]
    assert "interruption" in json.loads(why[-1].body)["changes"][-1]["why"]
    assert not [one for one in utility.alarms() if one.kind == "prolonged_estimation"]


def test_registers_behind_an_outage_say_what_its_edges_used(tmp_path: Path) -> None:
    utility = darkened(tmp_path)
    lit_again(utility)
    days = [utility.body("intervals", 0, day) for day in (7, 8, 9)]
    slots = [wh for one in days for wh in one["import_wh"]]
    assert sum(slots[10 : 2 * SLOTS + 21]) == pytest.approx(200, abs=0.01)
    assert slots[11 : 2 * SLOTS + 20] == [0] * (2 * SLOTS + 9)
    assert slots[2 * SLOTS + 20] > slots[10] > 0  # twenty minutes and ten
    assert [one["open_slots"] for one in days] == [0, 0, 0]
    # a day with less light is not held up since it used less
    assert utility.body("days", 0, 7)["held_slots"] == 0
    whole = body(utility, "reliability", "grid:all")
    assert (whole["sustained"], whole["momentary"]) == (3, 0)
    minutes = (BACK_MS - DARK_MS) / 60_000
    assert whole["saidi_min"] == pytest.approx(3 * minutes / METERS, rel=0.001)


def test_an_outage_that_was_none_leaves_guesses_behind(tmp_path: Path) -> None:
    """A gasp alone is a service outage, until readings of the time say that there was power."""
    utility = Utility(tmp_path, METERS + 1, registry())
    utility.at(8 * SLOTS)
    begin = 7 * SLOTS + 10
    send(utility, range(begin + 1), {})
    send(utility, range(begin + 1, 8 * SLOTS + 1), {}, without=0)
    utility.now_ms = MONDAY_MS + begin * HALF_HOUR_MS + 600_000
    utility.say([0], GASP, utility.now_ms)
    utility.go(SOME)
    utility.at(8 * SLOTS)
    utility.go(2 * SOME)
    utility.at(8 * SLOTS + 2)
    utility.go(SOME)  # by then none of the day is under way
    assert by_method(utility.body("intervals", 0, 7))[11:] == ["no_power"] * (SLOTS - 11)
    send_of(utility, range(begin + 1, 8 * SLOTS - 2))
    utility.go(3 * SOME)
    told = utility.body("intervals", 0, 7)
    assert told["import_wh"][:45] == [use(0, m) for m in range(7 * SLOTS, 7 * SLOTS + 45)]
    assert by_method(told)[45:] == ["like_day"] * 3


FOR_GOOD = NEVER_MS


@pytest.mark.parametrize(
    ("back", "high", "end", "now", "left"),
    [
        (FOR_GOOD, 100, NEVER_MS, 900, None),  # taken down, and silent since
        (FOR_GOOD, 85, NEVER_MS, 900, None),  # the last reading was still to come
        (FOR_GOOD, 80, 95, 900, (80, 95)),  # back before
        (FOR_GOOD, 60, NEVER_MS, 900, (60, 100)),  # its link was lost before
        (200, 100, 205, 900, None),  # the new one was heard soon
        (200, 100, NEVER_MS, 230, None),
        (200, 100, NEVER_MS, 900, (220, NEVER_MS)),  # the new one was never heard
        (200, 300, 400, 900, (300, 400)),
    ],
)
def test_a_silence_is_of_a_meter_that_is_there(
    back: int, high: int, end: int, now: int, left: tuple[int, int] | None
) -> None:
    """There is none from 100 on; readings come each 20."""
    episode = Episode(0, high - 20, high, end, int(Sign.GAP))
    found = of_service(episode, [(100, back)], 20, now)
    assert [(one.high_ms, one.end_ms) for one in found] == ([] if left is None else [left])


def test_an_outage_that_goes_on_behind_an_exchange_is_no_shorter_for_it() -> None:
    """Dark from 60 to 900; from 100 to 200 there was no meter; readings come each 20."""
    episode = Episode(0, 60, 60, 900, int(Sign.GASP))
    both = of_service(episode, [(100, 200)], 20, 1000)
    assert [(one.low_ms, one.high_ms, one.end_ms) for one in both] == [
        (60, 60, 100),
        (200, 220, 900),
    ]
    lasting = of_service(episode._replace(end_ms=NEVER_MS), [(100, 200), (400, 500)], 20, 1000)
    assert [one.end_ms for one in lasting] == [100, 400, NEVER_MS]


def test_parts_of_slots_in_a_span() -> None:
    """Of half hours from 0, a span from 10 to 75 minutes covers 20, 30 and 15 of them."""
    slot_ms = HALF_HOUR_MS * np.arange(4)
    found = overlap(slot_ms, HALF_HOUR_MS, (600_000, 4_500_000))
    assert found.tolist() == pytest.approx([2 / 3, 1, 0.5, 0])
