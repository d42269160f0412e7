"""The engine of energy on a real store: results, late data, midnight, death, outages."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.energy.edits import FILE_NAME, EditBook, EditLine, append
from gateway.energy.engine.days.pieces import PATIENCE_MS, SETTLE_MS, Piece, Pieces
from gateway.energy.engine.findings.bodies import is_continued
from gateway.energy.engine.kept import from_bytes
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from gateway.store import Merger
from tests.unit.energy.desk import FIRST_REGISTER, GASP, RETURNED, SLOTS, Utility, register, use
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

ALL = SETTLE_MS // 1000 + 8  # seconds in which everything that came is worked out
TRANSFORMERS = 2
SERIES = ("intervals", "days", "determinants")


@pytest.fixture
def utility(tmp_path: Path) -> Utility:
    return Utility(tmp_path)


def grid(meters: int) -> Registry:
    """Return two transformers on one feeder, with meters in turn."""
    nodes = [
        {"id": "sub-1", "kind": "substation"},
        {"id": "fdr-1", "kind": "feeder", "parent": "sub-1"},
        *(
            {"id": f"tba-{k}", "kind": "transformer", "parent": "fdr-1"}
            for k in range(TRANSFORMERS)
        ),
    ]
    devices = [
        {"id": f"m-{k:03d}", "org": "evn", "sector": "energy", "parent": f"tba-{k % TRANSFORMERS}"}
        for k in range(meters)
    ]
    return Registry(RegistryFile.model_validate({"node": nodes, "device": devices}))


def test_a_day_becomes_intervals_and_determinants_that_agree_with_the_registers(
    utility: Utility,
) -> None:
    utility.at(SLOTS)
    utility.send(range(SLOTS + 1))
    utility.go(ALL)
    for meter in range(3):
        body = utility.body("intervals", meter)
        assert body["import_wh"] == [use(meter, m) for m in range(SLOTS)]
        assert body["method"] == [["measured", SLOTS]]
        assert (body["register_begin_wh"], body["open_slots"]) == (FIRST_REGISTER, 0)
        day = utility.body("days", meter)
        total = register(meter, SLOTS) - FIRST_REGISTER
        assert day["import_wh"] == sum(day["by_rate_wh"].values()) == total
        assert day["is_billing_ready"]
    assert not utility.lines("lineage")  # what was measured at once has no history
    assert not utility.alarms()


@pytest.mark.clause("749.VIII.6-2a")
def test_a_slot_is_told_within_seconds_of_its_reading_and_none_before(utility: Utility) -> None:
    utility.at(0)
    utility.send([0])
    utility.go(ALL)
    utility.at(1)
    utility.go(ALL)
    assert not utility.lines("intervals")
    utility.send([1])
    utility.go(ALL)
    assert utility.body("intervals", 0)["import_wh"] == [use(0, 0)]


def test_a_gap_is_estimated_and_late_readings_take_its_place(utility: Utility) -> None:
    utility.at(SLOTS)
    utility.send([m for m in range(SLOTS + 1) if m not in {20, 21}])
    utility.go(ALL)
    body = utility.body("intervals", 1)
    used = register(1, 22) - register(1, 19)
    assert sum(body["import_wh"][19:22]) == pytest.approx(used, abs=0.01)
    assert body["method"] == [["measured", 19], ["flat_scaled", 3], ["measured", 26]]
    assert utility.lineage(1, 20) == [(None, "flat_scaled")]
    utility.send([20, 21], [1], late=True)
    utility.go(ALL)
    assert utility.body("intervals", 1)["import_wh"] == [use(1, m) for m in range(SLOTS)]
    assert utility.lineage(1, 19) == [(None, "flat_scaled"), ("flat_scaled", "backlog")]
    assert utility.lineage(1, 20)[-1] == ("flat_scaled", "backlog")
    assert utility.lineage(0, 20) == [(None, "flat_scaled")]  # a neighbour's readings are its own


def test_an_estimate_that_stays_is_told_once_however_many_decimals_it_has(
    utility: Utility,
) -> None:
    """Seven slots of meter 1 share 1,618 Wh: 231.142857… each, of which three decimals are told."""
    utility.at(10)
    utility.send([0, 1, 2, 9, 10])
    utility.go(ALL)
    for mark in (11, 12):
        utility.at(mark)
        utility.send([mark])
        utility.go(ALL)
    assert utility.body("intervals", 1)["import_wh"][2:9] == [231.143] * 7
    assert utility.lineage(1, 2) == [(None, "flat_scaled")]


def test_a_gap_over_midnight_is_closed_by_the_register_at_its_end(utility: Utility) -> None:
    gap = set(range(SLOTS - 5, SLOTS + 6))
    for mark in range(2 * SLOTS):
        if mark % 8 == 0:
            utility.at(mark + 7)
            utility.send([m for m in range(mark, mark + 8) if m not in gap], [0])
            utility.send(range(mark, mark + 8), [1, 2])
            utility.go(ALL)
    utility.go(3 * ALL)
    first, second = (utility.body("intervals", 0, day)["import_wh"] for day in (0, 1))
    at_gap = register(0, SLOTS + 6) - register(0, SLOTS - 6)
    assert sum(first[-6:]) + sum(second[:6]) == pytest.approx(at_gap, abs=0.05)
    assert utility.body("intervals", 0, 0)["open_slots"] == 0
    utility.send(sorted(gap), [0], late=True)
    utility.go(3 * ALL)
    assert utility.body("intervals", 0)["import_wh"] == [use(0, m) for m in range(SLOTS)]
    assert utility.body("days", 0)["is_billing_ready"]


@given(st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_neither_order_nor_deaths_nor_merges_change_what_stands_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    marks = [m for m in range(2 * SLOTS + 1) if m not in {30, 31, 47, 48, 49}]
    whole = Utility(tmp_path_factory.mktemp("whole"))
    whole.at(2 * SLOTS)
    whole.send(marks)
    whole.go(4 * ALL)
    torn = Utility(tmp_path_factory.mktemp("torn"))
    torn.at(2 * SLOTS)
    parts = parted(data.draw(st.permutations(marks)), data.draw(st.integers(2, 5)))
    for part in parts:
        torn.send(sorted(part))
        torn.go(data.draw(st.integers(1, ALL)), lives=data.draw(st.booleans()))
        if data.draw(st.booleans()):
            Merger(torn.folder).merge_once(torn.now_ms)
    torn.start()
    torn.go(6 * ALL)
    for series in SERIES:
        mine = [grades_aside(line.body) for line in torn.lines(series)]
        assert mine == [grades_aside(line.body) for line in whole.lines(series)], series


def parted(marks: Sequence[int], parts: int) -> list[Sequence[int]]:
    return [marks[k::parts] for k in range(parts)]


def grades_aside(body: str) -> object:
    """Return a body without what tells that a reading came late."""
    values = json.loads(body)
    for name in ("quality", "quality_slots", "method", "reasons"):
        values.pop(name, None)
    return values


def test_a_first_start_on_a_full_store_finds_what_was_found_live(
    utility: Utility, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mark in range(2 * SLOTS + 1):
        utility.at(mark)
        utility.send([mark])
        utility.go(1)
    utility.go(3 * ALL)
    monkeypatch.setattr("gateway.store.changes.MOST_ROWS", 10)
    late = Utility(tmp_path_factory.mktemp("late"))
    late.at(2 * SLOTS)
    late.send(range(2 * SLOTS + 1))
    late.go(4 * ALL)
    for series in SERIES:
        live = [grades_aside(line.body) for line in utility.lines(series)]
        assert [grades_aside(line.body) for line in late.lines(series)] == live
    assert not late.alarms()


def test_off_the_marks_nothing_is_made_up(utility: Utility) -> None:
    utility.at(4)
    utility.send(range(5))
    utility.now_ms += 600_000
    utility.go(ALL)
    before = utility.lines("intervals")
    utility.go(ALL)
    assert utility.lines("intervals") == before
    assert len(before) == 3


# -- what people say --


@pytest.mark.clause("1437.II.2.d.iv")
def test_a_person_corrects_a_slot_and_the_story_is_told(utility: Utility) -> None:
    utility.at(SLOTS)
    utility.send(range(SLOTS + 1))
    utility.go(ALL)
    slot_ms = MONDAY_MS + 9 * HALF_HOUR_MS
    said = EditLine("m-001", slot_ms, 77.0, "an", utility.now_ms, "wrong multiplier")
    append(utility.folder, said)
    utility.go(3, lives=True)
    body = utility.body("intervals", 1)
    assert body["import_wh"][9] == 77
    assert body["method"][1] == ["edited", 1]
    assert utility.lineage(1, 9) == [("measured", "edited")]
    assert utility.body("intervals", 0)["method"] == [["measured", SLOTS]]
    append(utility.folder, EditLine("m-001", slot_ms + HALF_HOUR_MS, None, "bo", 1, "looked at it"))
    utility.go(3)
    assert utility.body("intervals", 1)["quality"][1:3] == [["edited", 1], ["verified", 1]]


def test_edits_behind_a_torn_line_hold(tmp_path: Path) -> None:
    line = EditLine("m-1", 5, 1.5, "an", 6, "why")
    append(tmp_path, line)
    with (tmp_path / FILE_NAME).open("ab") as out:
        out.write(b'{"device":"m-2","slot_')
    book = EditBook(tmp_path)
    assert [one for _, one in book.news()] == [line]
    append(tmp_path, line)
    assert [one for _, one in book.news()] == [line]
    assert book.of(["m-0", "m-1"], 5, 6) == [(1, line), (1, line)]
    assert not book.of(["m-1"], 6, 7)
    assert not book.news()


# -- outages --


def lit(tmp_path: Path, meters: int = 8) -> Utility:
    """Return a grid in which everything is as it should be."""
    utility = Utility(tmp_path, meters, grid(meters))
    for mark in range(4):
        utility.at(mark)
        utility.send([mark])
        utility.go(1)
    return utility


@pytest.mark.parametrize("whole_gateway", [True, False])
def test_a_gateway_that_was_off_accuses_nobody(tmp_path: Path, *, whole_gateway: bool) -> None:
    utility = lit(tmp_path)
    utility.go(31)  # what the outage watch knows is written each 30 s
    utility.now_ms += 6 * 3_600_000
    utility.start(utility.now_ms if whole_gateway else 0)
    utility.go(60)
    # where others listened, and only this process was away, silence is silence
    assert bool(utility.alarms()) is not whole_gateway
    utility.start()  # dies alone soon after: it still knows
    utility.go(31)
    assert bool(utility.alarms()) is not whole_gateway


def test_gasps_of_a_transformers_meters_are_one_alarm_until_power_returns(tmp_path: Path) -> None:
    utility = lit(tmp_path)
    dark_ms = utility.now_ms + 60_000
    dark = [0, 2, 4, 6]  # of tba-0
    utility.now_ms = dark_ms + 500
    utility.say(dark, GASP, dark_ms)
    utility.go(40)
    (alarm,) = utility.alarms()
    assert (alarm.kind, alarm.place) == ("transformer_outage", "transformer:tba-0")
    assert (alarm.raised_ms, alarm.cleared_ms) == (dark_ms, 0)
    assert alarm.found_ms - dark_ms < 60_000  # issue D: p95 of the alarm
    assert json.loads(alarm.evidence)["devices"] == len(dark)
    assert [json.loads(one.body)["is_open"] for one in utility.lines("interruptions")] == [True] * 4
    utility.now_ms = dark_ms + 600_000
    utility.start()  # a death in the middle
    utility.go(2)
    utility.say(dark, RETURNED, dark_ms + 600_000)
    utility.go(40)
    (alarm,) = utility.alarms()
    assert alarm.cleared_ms == dark_ms + 600_000
    assert {json.loads(one.body)["minutes"] for one in utility.lines("interruptions")} == {10}


@pytest.mark.parametrize(("lasts_s", "severity"), [(300, 1), (301, 3)])
def test_an_outage_of_five_minutes_is_momentary(
    tmp_path: Path, lasts_s: int, severity: int
) -> None:
    """39/2015/TT-BCT counts interruptions of over five minutes; shorter ones are MAIFI's."""
    utility = lit(tmp_path)
    dark_ms = utility.now_ms
    utility.say([0, 2, 4, 6], GASP, dark_ms)
    utility.go(40)
    assert [alarm.severity for alarm in utility.alarms()] == [3]  # while it lasts, nobody knows
    utility.now_ms = dark_ms + lasts_s * 1000
    utility.say([0, 2, 4, 6], RETURNED, utility.now_ms)
    utility.go(40)
    (alarm,) = utility.alarms()
    assert alarm.severity == severity
    assert ("is_momentary" in json.loads(alarm.evidence)) is (severity == 1)


def test_an_alarm_told_before_a_death_stays_one_line(tmp_path: Path) -> None:
    utility = lit(tmp_path)
    dark_ms = utility.now_ms
    utility.say([1, 3, 5, 7], GASP, dark_ms)
    for _ in range(45):
        utility.go(1, lives=True)
    (alarm,) = utility.alarms()
    assert (alarm.place, alarm.raised_ms) == ("transformer:tba-1", dark_ms)


def test_both_transformers_are_a_feeder_and_the_lesser_alarm_says_so(tmp_path: Path) -> None:
    utility = lit(tmp_path)
    dark_ms = utility.now_ms
    utility.say([0, 2, 4, 6], GASP, dark_ms)
    utility.go(35)
    utility.say([1, 3, 5, 7], GASP, dark_ms + 20_000)  # told by a slow link
    utility.go(35)
    open_now = [a for a in utility.alarms() if not a.cleared_ms]
    assert [a.kind for a in open_now] == ["feeder_outage"]
    (before,) = [a for a in utility.alarms() if a.cleared_ms]
    assert "withdrawn" in before.evidence


def test_without_a_registry_a_gasp_is_of_its_device(utility: Utility) -> None:
    utility.at(0)
    utility.send([0])
    utility.go(1)
    utility.say([1], GASP, utility.now_ms)
    utility.go(40)
    (alarm,) = utility.alarms()
    assert (alarm.kind, alarm.place) == ("service_outage", "device:m-001")


def test_slots_without_power_are_known_as_such(tmp_path: Path) -> None:
    utility = lit(tmp_path)
    begin_ms, end_ms = (MONDAY_MS + m * HALF_HOUR_MS + 60_000 for m in (3, 8))
    utility.say([0, 2, 4, 6], GASP, begin_ms)
    utility.go(60)
    utility.now_ms = end_ms
    utility.say([0, 2, 4, 6], RETURNED, end_ms)
    utility.send(range(4, 9), [1, 3, 5, 7])
    utility.go(ALL)
    utility.at(12)
    utility.send(range(9, 13))
    utility.go(3 * ALL)
    body = utility.body("intervals", 0)
    # the register tells that something was used in the slots at the edges, nothing in between
    assert body["import_wh"][4:8] == [0] * 4
    assert sum(body["import_wh"][3:9]) == pytest.approx(register(0, 9) - register(0, 3), abs=0.01)


# -- what it remembers --


def test_the_queue_does_the_oldest_day_first_and_spares_dear_groups() -> None:
    pieces = Pieces()
    pieces.add([Piece(5, "em1", 0), Piece(4, "em1", 1)], 0)
    assert pieces.next(SETTLE_MS - 1) is None
    assert pieces.next(SETTLE_MS) == Piece(4, "em1", 1)
    assert pieces.next(SETTLE_MS, {("em1", 1)}) == Piece(5, "em1", 0)
    pieces.done(Piece(5, "em1", 0), 2000)
    assert not pieces.add([Piece(4, "em1", 1)], 9000)
    pieces.add([Piece(5, "em1", 0)], 10_000)
    assert dict(pieces.waiting()) == {Piece(4, "em1", 1): SETTLE_MS, Piece(5, "em1", 0): 50_000}


def test_what_keeps_coming_is_worked_out_together_and_yet_in_half_a_minute() -> None:
    pieces, one = Pieces(), Piece(5, "em1", 0)
    for now_ms in range(0, 12_000, 1000):  # an interval's readings, a second apart
        pieces.add([one], now_ms)
        assert pieces.next(now_ms) is None
    assert pieces.next(11_000 + SETTLE_MS) == one
    pieces.done(one, 0)
    pieces.add([one], HALF_HOUR_MS)  # what waits for time to pass does not wait when there is news
    pieces.add([one], 12_000)
    assert pieces.soon(12_000) == [one]
    pieces.done(one, 0)
    due = []
    for now_ms in range(20_000, 120_000, 1000):  # somebody sends every second
        pieces.add([one], now_ms)
        if pieces.next(now_ms) == one:
            pieces.done(one, 0)
            due.append(now_ms)
    assert due == [20_000 + PATIENCE_MS, 81_000, 112_000]


@pytest.mark.parametrize("state", [b"", b"nonsense", b"\x91\x01"])
def test_a_state_of_another_kind_is_a_first_start(state: bytes) -> None:
    assert from_bytes(state) is None


@pytest.mark.parametrize(
    ("new", "goes_on"),
    [
        ("5,null,7,8|unknown 1,measured 3", True),
        ("5,null,7|unknown 1,measured 2", True),
        ("5,null,7,8,9|unknown 1,measured 3,backlog 1", True),
        ("5,null,7,8|unknown 1,measured 2,like_day 1", False),  # an estimate has a story
        ("5,null,71,8|unknown 1,measured 3", False),
        ("5,null,7.5,8|unknown 1,measured 3", False),
        ("5,null|unknown 1,measured 1", False),
        ("5,null,7|measured 3", False),
        ("5,null,7|unknown 1,measured 1,edited 1", False),
    ],
)
def test_only_what_is_more_than_new_measured_slots_is_looked_at_for_lineage(
    new: str, *, goes_on: bool
) -> None:
    assert is_continued(_body("5,null,7|unknown 1,measured 2"), _body(new)) is goes_on


def _body(short: str) -> str:
    values, runs = short.split("|")
    of_method = ",".join(f'["{run.split()[0]}",{run.split()[1]}]' for run in runs.split(","))
    return (
        f'{{"interval_s":1800,"import_wh":[{values}],"quality":[["valid",1]],'
        f'"method":[{of_method}],"open_slots":0}}'
    )
