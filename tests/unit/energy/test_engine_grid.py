"""The engine looks at all of the grid: voltage, load, rules, reliability, readiness, insight."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.model import FloatArray, Quality, ReadingBatch
from gateway.ports import Alarm
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from tests.unit.energy.desk import PROFILES, SLOTS, Utility, name_of, register
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS, ms

DAY_MS = 86_400_000
SOME = 90  # seconds in which all that came is worked out, and looked at together
NOMINAL_V = 230.94
METERS = 6  # three at each of two transformers
HEAD = METERS  # the meter of the first transformer


def registry(*, is_told: bool = False, **of_first: object) -> Registry:
    """Return two transformers; ``is_told``: meter 1 is registered to feed in."""
    nodes = [
        {"id": "sub-1", "kind": "substation"},
        {"id": "fdr-1", "kind": "feeder", "parent": "sub-1"},
        *(
            {"id": f"tba-{k}", "kind": "transformer", "parent": "fdr-1", "rating": {"kva": 100}}
            for k in range(2)
        ),
    ]
    meter = {"org": "evn", "sector": "energy"}
    devices: list[dict[str, object]] = [
        {"id": name_of(k), **meter, "parent": f"tba-{k % 2}"} for k in range(METERS)
    ]
    devices[0] |= of_first
    if is_told:
        devices[1]["prosumer"] = True
    devices.append({"id": name_of(HEAD), **meter, "parent": "tba-0"})
    return Registry(RegistryFile.model_validate({"node": nodes, "device": devices}))


@pytest.fixture
def utility(tmp_path: Path) -> Utility:
    return Utility(tmp_path, METERS + 1, registry())


def send(
    utility: Utility,
    marks: Sequence[int],
    pu: dict[int, float],
    *,
    fed_wh: float = 0.0,
    without: int | None = None,
    quality: Quality = Quality.VALID,
) -> None:
    """Store what all meters show at marks: volts as said, 1.0 of the nominal if not."""
    rows = [(k, mark) for mark in marks for k in range(METERS) if k != without]
    device, mark = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    values = np.zeros((len(rows), 6))
    values[:, 0] = [register(k, m) for k, m in rows]
    values[:, 1] = [fed_wh * m if k == 0 else 0 for k, m in rows]
    values[:, 3] = [round(NOMINAL_V * 10 * pu.get(k, 1.0)) for k, _ in rows]
    put(utility, "em1", device, mark, values, quality=quality)


def put(
    utility: Utility,
    profile: str,
    device: Any,
    mark: Any,
    values: FloatArray,
    *,
    step: int = 1,
    quality: Quality = Quality.VALID,
) -> None:
    zero = np.zeros(len(device), np.int64)
    time_ms = MONDAY_MS + mark * (HALF_HOUR_MS // step)
    grade = np.full(len(device), int(quality))
    batch = ReadingBatch(
        profile, device, zero, zero - 1, time_ms, time_ms + 200, values, zero, grade, zero,
        utility.next_records(len(device)),
    )  # fmt: skip
    utility.put(batch)


def of_local_day(day: int) -> str:
    """Return a day of the utility as the registry writes it."""
    moment = datetime.fromtimestamp((MONDAY_MS + day * DAY_MS) / 1000, timezone(timedelta(hours=7)))
    return moment.isoformat()


def stand(utility: Utility) -> list[Alarm]:
    return [one for one in utility.alarms() if "withdrawn" not in one.evidence]


def hour(time_ms: int) -> float:
    return (time_ms - MONDAY_MS) / 3_600_000


def body(utility: Utility, series: str, place: str) -> Any:
    found = [one for one in utility.lines(series) if one.place == place]
    return json.loads(found[-1].body)


def test_a_low_meter_is_an_alarm_of_its_own_and_ends(utility: Utility) -> None:
    """Meter 2 has 0.93 at the marks 11 to 14: in the half hours from 05:00 to 07:00."""
    utility.at(0)
    for mark in range(20):
        utility.at(mark)
        send(utility, [mark], {2: 0.93} if 11 <= mark <= 14 else {})
        utility.go(SOME, lives=mark % 5 == 0)
        if mark == 11:
            assert not stand(utility)  # one value is none yet
        if mark == 13:
            (alarm,) = stand(utility)
            assert (alarm.kind, alarm.place) == ("undervoltage", f"device:{name_of(2)}")
            assert (hour(alarm.raised_ms), alarm.cleared_ms) == (5, 0)
    (alarm,) = utility.alarms()
    assert (hour(alarm.raised_ms), hour(alarm.cleared_ms)) == (5, 7)
    assert json.loads(alarm.evidence)["worst_pu"] == pytest.approx(0.93, abs=0.0003)


def test_most_of_a_transformer_is_one_alarm_and_late_data_takes_it_back(utility: Utility) -> None:
    utility.at(SLOTS + 1)
    send(utility, range(30), {})
    send(utility, range(30, 34), {0: 1.07, 2: 1.07, 4: 1.06})
    send(utility, range(34, SLOTS + 2), {})
    utility.go(SOME)
    (alarm,) = stand(utility)
    assert (alarm.kind, alarm.place) == ("overvoltage", "transformer:tba-0")
    assert (hour(alarm.raised_ms), hour(alarm.cleared_ms)) == (14.5, 16.5)
    told = json.loads(alarm.evidence)
    assert (told["meters_out"], told["meters_known"], told["limit_pu"]) == (3, 3, 1.05)
    better = Quality.VERIFIED  # than those of the same times before: only one is high
    send(utility, range(30, 34), {0: 1.07}, quality=better)
    utility.go(SOME)
    (alarm,) = stand(utility)
    assert alarm.place == f"device:{name_of(0)}"
    assert [one.place for one in utility.alarms() if one != alarm] == ["transformer:tba-0"]


def test_a_lost_reading_does_not_part_a_violation_over_midnight(utility: Utility) -> None:
    utility.at(2 * SLOTS)
    low = range(SLOTS - 3, SLOTS + 5)
    for mark in range(2 * SLOTS + 1):
        if mark != SLOTS:
            send(utility, [mark], dict.fromkeys(range(METERS), 0.9) if mark in low else {})
    utility.go(SOME)
    (alarm,) = stand(utility)
    assert (alarm.place, hour(alarm.raised_ms)) == ("feeder:fdr-1", 22)
    assert hour(alarm.cleared_ms) == 26


def test_a_week_of_compliance_by_hand(utility: Utility) -> None:
    """Meter 1 is low in 10 of the 48 slots of the first of two days: 86 of 96 inside, 0.896."""
    utility.at(2 * SLOTS)
    send(utility, range(20), {})
    send(utility, range(20, 30), {1: 0.94})
    send(utility, range(30, 2 * SLOTS + 1), {})
    utility.go(SOME)
    utility.at(2 * SLOTS)
    utility.now_ms += 60_000
    utility.go(SOME)
    found = body(utility, "compliance", f"device:{name_of(1)}")
    rule = found["rules"]["voltage"]
    assert rule["share"] == pytest.approx(86 / 96, abs=0.0005)
    assert (rule["coverage"], rule["holds"], found["days"]) == (1, False, 2)
    assert found["rules"]["voltage_after_fault"]["holds"]
    above = body(utility, "compliance", "transformer:tba-1")
    assert not above["rules"]["voltage"]["holds"]
    assert above["share_of_meters_that_keep"]["voltage"] == pytest.approx(2 / 3, abs=0.001)
    assert body(utility, "compliance", "transformer:tba-0")["rules"]["voltage"]["holds"]
    (week,) = {one.from_ms for one in utility.lines("compliance")}
    assert week == MONDAY_MS


@pytest.mark.clause("749.VIII.6-1")
def test_a_transformer_above_its_rating_is_alarmed_and_advised(utility: Utility) -> None:
    """90 kW and 90 kvar are 127 kVA of 100, for three hours; then a tenth of that."""
    utility.at(SLOTS)
    marks = np.arange(2 * SLOTS + 1)
    loaded = (marks >= 40) & (marks < 52)
    wh = np.concatenate([[0], np.cumsum(np.where(loaded[:-1], 22_500.0, 2_250.0))])
    columns = PROFILES["dtm"].columns
    values = np.full((len(marks), len(columns)), np.nan)
    values[:, :4] = np.stack([wh, 0 * wh, wh, 0 * wh], axis=1)
    put(utility, "dtm", np.full(len(marks), HEAD), marks, values, step=2)
    utility.go(SOME)
    (alarm,) = stand(utility)
    assert (alarm.kind, alarm.place) == ("overload", "transformer:tba-0")
    assert (hour(alarm.raised_ms), hour(alarm.cleared_ms)) == (10, 13)
    assert json.loads(alarm.evidence)["peak_pu"] == pytest.approx(1.273, abs=0.001)
    utility.now_ms += 60_000
    utility.go(SOME)
    day = body(utility, "load", "transformer:tba-0")
    assert day["peak_va"] == pytest.approx(90_000 * 2**0.5, rel=1e-4)
    assert day["power_factor"] == pytest.approx(0.5**0.5, abs=0.001)
    # quarter by quarter, as boards draw it: 2,250 Wh in a quarter are 9 kW, 22,500 are 90
    course = day["course"]
    assert (course["interval_s"], course["rating_va"]) == (900, 100_000)
    assert course["active_w"][39:53] == [9_000, *[90_000] * 12, 9_000]
    assert course["apparent_va"][40] == round(90_000 * 2**0.5)
    assert set(course["imbalance"]) == {None}  # its meter tells no currents
    assert day["share_of_time_above_pu"]["1.2"] == pytest.approx(12 / 96, abs=0.001)
    first, second = body(utility, "advice", "transformer:tba-0")["advice"]
    assert (first["what"], first["rank"]) == ("uprate", 1)
    assert first["evidence"]["needed_kva"] == pytest.approx(127, abs=1)
    assert (second["what"], second["rank"]) == ("capacitor", 2)
    assert second["evidence"]["power_factor"] == pytest.approx(0.707, abs=0.001)


def test_what_measures_the_grid_has_days_and_no_bill(tmp_path: Path) -> None:
    """Meter 0 is the head of a transformer by the registry, HEAD by what it sends."""
    utility = Utility(tmp_path, METERS + 1, registry(head=True))
    utility.at(SLOTS)
    send(utility, range(SLOTS + 1), {})
    marks = np.arange(2 * SLOTS + 1)
    values = np.full((len(marks), len(PROFILES["dtm"].columns)), np.nan)
    values[:, :2] = np.stack([9_000.0 * marks, 0 * marks], axis=1)
    put(utility, "dtm", np.full(len(marks), HEAD), marks, values, step=2)
    utility.go(SOME)
    told = {
        series: {int(one.place[-3:]) for one in utility.lines(series)}
        for series in ("days", "determinants")
    }
    assert told["days"] == {*range(METERS), HEAD}
    assert told["determinants"] == {*range(1, METERS)}


def test_voltages_of_a_check_meter_are_its_main_meters(tmp_path: Path) -> None:
    """Meter 0 checks meter 2; with meter 4 they are two connections, of which one is low."""
    utility = Utility(tmp_path, METERS + 1, registry(check_of=name_of(2)))
    utility.at(2 * SLOTS)
    send(utility, range(20), {})
    send(utility, range(20, 30), {0: 0.94, 2: 0.94})
    send(utility, range(30, 2 * SLOTS + 1), {})
    utility.go(SOME)
    utility.now_ms += 60_000
    utility.go(SOME)
    above = body(utility, "compliance", "transformer:tba-0")
    assert (above["meters"], above["share_of_meters_that_keep"]["voltage"]) == (2, 0.5)
    assert above["rules"]["voltage"]["share"] == pytest.approx(1 - 10 / (2 * 96), abs=0.0005)


def test_a_check_meter_of_a_transformers_meter_adds_no_load(tmp_path: Path) -> None:
    """Both show 90 kW for three hours: one transformer of 90 kVA, and not of 180."""
    utility = Utility(tmp_path, METERS + 1, registry(check_of=name_of(HEAD)))
    utility.at(SLOTS)
    marks = np.arange(2 * SLOTS + 1)
    loaded = (marks >= 40) & (marks < 52)
    wh = np.concatenate([[0], np.cumsum(np.where(loaded[:-1], 22_500.0, 2_250.0))])
    values = np.full((len(marks), len(PROFILES["dtm"].columns)), np.nan)
    values[:, :4] = np.stack([wh, 0 * wh, 0 * wh, 0 * wh], axis=1)
    for meter in (0, HEAD):
        put(utility, "dtm", np.full(len(marks), meter), marks, values, step=2)
    utility.go(SOME)
    utility.now_ms += 60_000
    utility.go(SOME)
    assert not stand(utility)
    assert body(utility, "load", "transformer:tba-0")["peak_va"] == pytest.approx(90_000, rel=1e-4)


def test_who_feeds_in_without_leave_is_alarmed_once_for_all_days(tmp_path: Path) -> None:
    """Another customer may: so the file speaks of it, and silence means no."""
    utility = Utility(tmp_path, METERS + 1, registry(is_told=True))
    utility.at(2 * SLOTS)
    send(utility, range(2 * SLOTS + 1), {}, fed_wh=50)
    utility.go(SOME)
    (alarm,) = [one for one in stand(utility) if one.kind == "feed_in"]
    assert alarm.place == f"device:{name_of(0)}"
    told = json.loads(alarm.evidence)
    assert (told["rule"], told["energy_wh"]) == ("V15", 2 * SLOTS * 50)
    assert hour(alarm.raised_ms) == 0
    assert utility.body("intervals", 0)["reasons"]


def test_without_a_word_of_prosumers_nobody_is_accused(utility: Utility) -> None:
    utility.at(SLOTS)
    send(utility, range(SLOTS + 1), {}, fed_wh=50)
    utility.go(SOME)
    assert not [one for one in stand(utility) if one.kind == "feed_in"]


def test_an_outage_is_in_the_months_indices(utility: Utility) -> None:
    """Three of six for 30 minutes, one for 3: SAIDI 3 x 30 / 6, SAIFI 3 / 6, MAIFI 1 / 6."""
    utility.at(10)
    send(utility, range(11), {})
    utility.go(SOME)
    began_ms = MONDAY_MS + 10 * HALF_HOUR_MS + 10_000
    utility.say([0, 2, 4], 99, began_ms)
    utility.say([1], 99, began_ms)
    utility.now_ms = began_ms + 180_000
    utility.go(SOME)
    utility.say([1], 2, began_ms + 180_000)
    utility.now_ms = began_ms + 1_800_000
    utility.say([0, 2, 4], 2, began_ms + 1_800_000)
    utility.go(2 * SOME)
    whole = body(utility, "reliability", "grid:all")
    assert whole["customers"] == METERS
    assert (whole["sustained"], whole["momentary"]) == (3, 1)
    assert whole["saidi_min"] == pytest.approx(15, abs=0.01)
    assert (whole["saifi"], whole["maifi"]) == (0.5, pytest.approx(1 / 6, abs=1e-6))
    assert whole["caidi_min"] == pytest.approx(30, abs=0.02)
    of_other = body(utility, "reliability", "transformer:tba-1")
    assert (of_other["sustained"], of_other["saidi_min"]) == (0, 0)


MARCH_ENDS_MS = round(datetime.fromisoformat("2026-04-01T00:00:00+07:00").timestamp() * 1000)


@pytest.mark.clause("749.VIII.6-2a")
def test_after_the_end_of_a_month_a_curve_says_who_is_ready(tmp_path: Path) -> None:
    """From the 9th on there are readings: nobody can be ready for March, everybody for April."""
    utility = Utility(tmp_path, 3)
    days = (ms("2026-05-01T00:00") - MONDAY_MS) // DAY_MS
    first = (MARCH_ENDS_MS - MONDAY_MS) // HALF_HOUR_MS
    last = days * SLOTS
    utility.at(last)
    utility.send(range(first, last + 1), [0, 1])
    utility.send([m for m in range(first, last + 1) if m < last - 3], [2])
    utility.go(SOME)
    utility.now_ms += 3_600_000
    utility.go(SOME)
    utility.send(range(last - 3, last + 1), [2], late=True)
    utility.go(2 * SOME)
    utility.now_ms += 3 * 3_600_000
    utility.send([last + 2, last + 3], [0, 1, 2])
    utility.now_ms = ms("2026-05-02T00:00") + 1000
    utility.go(2 * SOME)
    found = body(utility, "readiness", "grid:all")
    assert (found["meters"], found["ready"], found["share"]) == (3, 3, 1)
    curve = dict(zip(found["hours_after_end"], found["share_ready"], strict=True))
    assert curve[1] == pytest.approx(2 / 3, abs=0.001)
    assert (curve[2], curve[24]) == (1, 1)


def test_who_comes_or_goes_within_a_month_is_billed_for_the_days_of_service(
    tmp_path: Path,
) -> None:
    """Meter 0 goes up on the 10th of April at 00:00, meter 1 is taken down on the 20th at 00:00."""
    first = (MARCH_ENDS_MS - MONDAY_MS) // HALF_HOUR_MS
    up, down = first + 9 * SLOTS, first + 19 * SLOTS
    moments = [
        datetime.fromtimestamp((MONDAY_MS + mark * HALF_HOUR_MS) / 1000, UTC) for mark in (up, down)
    ]
    devices: list[dict[str, object]] = [
        {"id": name_of(0), "meter": [{"serial": "A", "from": moments[0].isoformat()}]},
        {"id": name_of(1), "meter": [{"serial": "B", "to": moments[1].isoformat()}]},
        {"id": name_of(2), "meter": "C"},
    ]
    of_all = {"org": "evn", "sector": "energy"}
    file = RegistryFile.model_validate({"device": [one | of_all for one in devices]})
    utility = Utility(tmp_path, 3, Registry(file))
    last = (ms("2026-05-01T00:00") - MONDAY_MS) // HALF_HOUR_MS
    spans = ((up, last), (first, down), (first, last))
    utility.at(last)
    for meter, (begin, end) in enumerate(spans):
        utility.send(range(begin, end + 1), [meter])
    utility.go(SOME)
    utility.now_ms = ms("2026-05-02T00:00") + 1000
    utility.go(2 * SOME)
    bills = {
        one.place: json.loads(one.body)
        for one in utility.lines("determinants")
        if one.from_ms == MARCH_ENDS_MS
    }
    for meter, (begin, end) in enumerate(spans):
        bill = bills[f"device:{name_of(meter)}"]
        assert bill["import_wh"] == register(meter, end) - register(meter, begin), meter
        assert bill["register_begin_wh"] == register(meter, begin)
        assert bill["register_end_wh"] == register(meter, end)
        assert (bill["open_slots"], bill["missing_days"]) == (0, 0)
        assert bill["is_billing_ready"]
    assert not [one for one in stand(utility) if one.kind == "prolonged_estimation"]
    curve = body(utility, "readiness", "grid:all")
    assert (curve["meters"], curve["ready"]) == (3, 3)


@pytest.mark.clause("749.VIII.6-2d")
def test_customers_are_told_of_their_habits_and_warned_of_their_budget(tmp_path: Path) -> None:
    """250 Wh in every half hour: a base load of 500 W, 12 kWh a day, 372 kWh in a month of 31."""
    utility = Utility(tmp_path, METERS + 1, registry(parent="tba-0", budget={"kwh": 200}))
    days = 16
    utility.at(days * SLOTS)
    marks = np.arange(days * SLOTS + 1)
    values = np.zeros((len(marks), 6))
    values[:, 0], values[:, 3] = 250.0 * marks + (marks % 2), 2300
    put(utility, "em1", np.zeros(len(marks), np.int64), marks, values)
    utility.go(3 * SOME)
    found = utility.body("insight", 0, days - 1)
    assert found["base_load_w"] == pytest.approx(500, abs=5)
    assert found["used_wh"] == pytest.approx(12_000, abs=2)
    assert found["same_weekday_ratio"] == pytest.approx(1, abs=0.001)
    assert sum(found["share_by_rate"].values()) == pytest.approx(1, abs=0.001)
    assert found["shift_saves"] > 0
    (alarm,) = [one for one in stand(utility) if one.kind == "budget"]
    told = json.loads(alarm.evidence)
    assert not told["is_over"]  # 16 x 12 = 192 kWh by now, and 84 more to come
    assert told["used_wh"] == pytest.approx(192_000, abs=5)
    assert told["expected_wh"] == pytest.approx(192_000 + 7 * 12_000, rel=0.001)


def test_an_exchange_within_an_interval_is_billed_by_its_protocol(tmp_path: Path) -> None:
    """Meter 0 goes at 05:10 with 30 Wh more on it, another one comes that shows 7 Wh then."""
    taken_wh, mounted_wh = register(0, 10) + 30, 7
    at = (datetime.fromisoformat(of_local_day(0)) + timedelta(hours=5, minutes=10)).isoformat()
    meters = [
        {"serial": "A-1", "to": at, "last_wh": taken_wh},
        {"serial": "B-2", "from": at, "first_wh": mounted_wh},
    ]
    utility = Utility(tmp_path, METERS + 1, registry(meter=meters))
    utility.at(SLOTS)
    send(utility, range(11), {})
    marks = np.arange(11, SLOTS + 1)
    values = np.zeros((len(marks), 6))
    values[:, 0] = [register(0, m) - taken_wh + mounted_wh for m in marks.tolist()]
    values[:, 2:6] = [230, 2300, 100, 1000]
    put(utility, "em1", np.zeros(len(marks), np.int64), marks, values)
    utility.go(SOME)
    uses = [register(0, m + 1) - register(0, m) for m in range(SLOTS)]
    assert utility.body("intervals", 0)["import_wh"] == uses
    assert utility.body("days", 0)["import_wh"] == sum(uses)
    assert utility.body("days", 0)["is_billing_ready"]


def test_use_behind_a_disconnected_meter_is_alarmed_until_it_is_connected(tmp_path: Path) -> None:
    """V13: switched off from the second day on, to the end of the third; it counts all the time."""
    off = {"value": False, "from": of_local_day(1), "to": of_local_day(3)}
    utility = Utility(tmp_path, METERS + 1, registry(connected=[off]))
    utility.at(2 * SLOTS)
    send(utility, range(2 * SLOTS + 1), {})
    utility.go(SOME)
    (alarm,) = [one for one in stand(utility) if one.kind == "use_while_disconnected"]
    assert (alarm.place, alarm.severity) == (f"device:{name_of(0)}", 3)
    assert (hour(alarm.raised_ms), alarm.cleared_ms) == (24, 0)
    told = json.loads(alarm.evidence)
    used = register(0, 2 * SLOTS) - register(0, SLOTS)
    assert (told["rule"], told["slots"], told["energy_wh"]) == ("V13", SLOTS, used)
    utility.at(4 * SLOTS)
    send(utility, range(2 * SLOTS + 1, 4 * SLOTS + 1), {})
    utility.go(SOME)
    (alarm,) = [one for one in stand(utility) if one.kind == "use_while_disconnected"]
    assert (hour(alarm.raised_ms), hour(alarm.cleared_ms)) == (24, 72)


def test_after_three_days_of_estimates_somebody_is_sent(tmp_path: Path) -> None:
    """V20: meter 2 is silent from 05:00 on; 144 slots later is 05:00 of the fourth day."""
    utility = Utility(tmp_path, METERS + 1, registry())
    utility.at(0)
    told: list[Alarm] = []
    for day in range(4):
        utility.at((day + 1) * SLOTS)
        for mark in range(day * SLOTS, (day + 1) * SLOTS + 1):
            send(utility, [mark], {}, without=2 if mark > 10 else None)
        utility.go(SOME)
        told = [one for one in stand(utility) if one.kind == "prolonged_estimation"]
        assert len(told) == (day == 3)
    (alarm,) = told
    assert (alarm.place, alarm.severity) == (f"device:{name_of(2)}", 1)
    assert (hour(alarm.raised_ms), alarm.cleared_ms) == (5 + 72, 0)
    assert json.loads(alarm.evidence)["rule"] == "V20"
    # its backlog comes: nothing was estimated after all
    send(utility, range(11, 4 * SLOTS + 1), {})
    utility.go(2 * SOME)
    assert not [one for one in stand(utility) if one.kind == "prolonged_estimation"]
