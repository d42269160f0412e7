"""The teller: everything found reaches the outbox, whatever happens in between."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.config import Settings
from gateway.errors import JournalFullError
from gateway.journal import Journal, JournalReader
from gateway.model import Position
from gateway.ports import Alarm, Findings, Result
from gateway.roles.files import load_all_profiles
from gateway.roles.telling import build_teller
from gateway.sinks.derived import Teller
from gateway.sinks.feed import unpack_lines
from gateway.sinks.outbox import Outbox, durable_number
from gateway.stats import Stats
from gateway.store import Merger, Roller
from gateway.store.alarms import KeptAlarm
from gateway.store.alarmstore import AlarmStep, AlarmStore
from gateway.store.derived import DerivedStore
from tests.support import stores
from tests.support.derived import documented

NOW = stores.NOW_MS  # 22:30:00, which ends a half hour
DAY_MS = 86_400_000
ROLLUPS, DERIVED = "outbox-rollups", "outbox-derived"


class House:
    """A data directory with readings and findings, and a teller that may be killed."""

    def __init__(self, folder: Path, registry: str = "") -> None:
        self.folder = folder
        stores.fill(folder)
        content: dict[str, object] = {"gateway": {"data_dir": str(folder)}}
        if registry:
            (folder / "registry.toml").write_text(registry, "utf-8")
            content["registry"] = {"file": str(folder / "registry.toml")}
        self.settings = Settings.model_validate(content)
        self.derived = DerivedStore(folder)
        self.rollups = Outbox.open(folder / ROLLUPS, lambda: NOW)
        self.now_ms = NOW + 1000
        self.stats = Stats()
        self.teller = self.start()

    def start(self) -> Teller:
        profiles = load_all_profiles(self.settings)
        folders = (self.folder / ROLLUPS, self.folder / DERIVED)
        self.teller = build_teller(
            self.settings, profiles, folders, self.stats, lambda: self.now_ms
        )
        return self.teller

    def kill(self) -> None:
        """Leave as SIGKILL would: nothing is closed, but the lock of the outbox falls."""
        self.teller._outbox._journal.close()
        self.start()

    def roll(self) -> None:
        roller = Roller(self.folder, load_all_profiles(self.settings), self.rollups.put_once)
        merger = Merger(self.folder, roller.look_at)
        for later_ms in (0, 20_000, 100_000):
            while merger.merge_once(NOW + later_ms) | roller.roll_once(NOW + later_ms):
                pass
        roller.close()

    def find(self, *results: Result, alarms: tuple[Alarm, ...] = ()) -> None:
        self.derived.commit("energy", Findings(alarms, results), 1)

    def tell(self) -> None:
        while self.teller.step(self.now_ms):
            pass

    def lines(self, measurement: str = "") -> list[str]:
        return [line for line in told(self.folder / DERIVED) if line.startswith(measurement)]


def told(outbox: Path) -> Iterator[str]:
    reader = JournalReader(outbox, Position())
    while records := reader.read(100, durable_number(outbox))[0]:
        for record in records:
            yield from (line.decode() for line in unpack_lines(record).lines)
    reader.close()


def meter_day(slots: int, wh: int = 100, device: str = "meter-1") -> Result:
    body = {
        "interval_s": 1800,
        "import_wh": [wh] * slots,
        "quality": [["valid", slots]],
        "method": [["measured", slots]],
    }
    return Result("intervals", f"device:{device}", NOW - DAY_MS, NOW, json.dumps(body))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_is_found_is_told_once_and_what_changes_of_it_again(house: House) -> None:
    house.find(meter_day(3))
    house.tell()
    house.tell()
    assert len(house.lines("meter_interval")) == 3
    house.find(meter_day(4))  # a slot more
    house.tell()
    assert len(house.lines("meter_interval")) == 4
    house.find(meter_day(4, wh=90))  # the whole day is corrected
    house.tell()
    assert [line.split(" ")[1] for line in house.lines("meter_interval")[4:]] == [
        "import_wh=90.0,quality=1.0,method=0.0"
    ] * 4


def test_a_kill_between_outbox_and_bookmark_tells_again_and_loses_nothing(house: House) -> None:
    house.tell()
    bookmark = (house.folder / DERIVED / "told.json").read_bytes()
    house.find(meter_day(3), alarms=(Alarm("loss", "feeder:f-2", NOW, NOW, 0, 3, 0.5, "{}"),))
    house.tell()
    (house.folder / DERIVED / "told.json").write_bytes(bookmark)
    house.kill()
    house.tell()
    lines = house.lines("meter_interval")
    assert (len(lines), len(set(lines))) == (6, 3)
    assert len(set(house.lines("alarm_event"))) == 1


def test_while_the_disk_is_full_nothing_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalFullError("no room")

    house.find(meter_day(3))
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "_make_room", full)
        with pytest.raises(JournalFullError):
            house.teller.step(house.now_ms)
        house.find(meter_day(2, device="quiet-1"))
        with pytest.raises(JournalFullError):
            house.teller.step(house.now_ms)
    assert house.lines() == []
    house.tell()
    assert len(house.lines("meter_interval")) == 5
    # the meter's last gasp and its code 40; a state is no event
    assert [line.split(" ")[0].rsplit(",", 2)[1] for line in house.lines("device_event")] == [
        "event=99",
        "event=40",
    ]


def test_a_new_outbox_begins_with_the_last_day(house: House) -> None:
    old = meter_day(3)._replace(from_ms=NOW - 9 * DAY_MS, to_ms=NOW - 8 * DAY_MS)
    house.find(old)
    house.find(meter_day(1))
    house.tell()
    assert len(house.lines("meter_interval")) == 1


def test_half_hours_are_told_when_over_and_again_when_a_rollup_of_them_changes(
    house: House,
) -> None:
    house.roll()
    house.now_ms = NOW + 200_000
    house.tell()
    house.now_ms += 61_000
    house.tell()
    newest = {
        line.split("sector=")[1].split(" ")[0]: line.split(" ")[1]
        for line in house.lines("area_quality")
        if line.endswith(f" {NOW - 1_800_000}")
    }
    # lane-1 sends each 30 s: 60 rows in a half hour
    assert newest["transport"] == (
        "devices=1.0,expected=60.0,received=60.0,completeness=1.0,good=1.0,complete_devices=1.0"
    )
    # meter-1 sends each minute where one row is due, twice-1 three rows where one is due and
    # three of a lane where 60 are: (1 + 1 + 3) of 62. Of meter-1's first 15 rows one is suspect
    # and one failed, and so not usable: (14 × 13/15 + 15 + 6) of 35 are good
    assert newest["energy"] == (
        "devices=3.0,expected=62.0,received=35.0,completeness=0.080645,good=0.946667,"
        "complete_devices=0.666667"
    )
    # without a registry there is no node whose voltages they could be
    assert house.lines("grid_voltage") == []


PAIR = """
[[node]]
id = "f-2"
kind = "feeder"

[[device]]
id = "meter-1"
org = "evn"
sector = "energy"
parent = "f-2"

[[device]]
id = "twice-1"
org = "evn"
sector = "energy"
"""


@pytest.mark.parametrize(
    ("other", "sends", "customers"),
    [
        ('parent = "f-2"\n', "em1", 2),
        ('check_of = "meter-1"\n', "em1", 1),
        ('parent = "f-2"\nhead = true\n', "em1", 1),
        ('parent = "f-2"\n', "dtm", 1),
    ],
)
def test_a_check_meter_or_one_of_the_grid_is_nobodys_connection_nor_bill(
    tmp_path: Path, other: str, sends: str, customers: int
) -> None:
    house = House(tmp_path, PAIR + other)
    with closing(sqlite3.connect(house.folder / "state.sqlite")) as state, state:
        state.execute(
            "UPDATE latest SET profile = ? WHERE device_index = ? AND profile = 'em1'",
            (sends, stores.TWICE),
        )
    bill = json.dumps({"open_slots": 0, "held_slots": 0})
    span = (NOW - DAY_MS - 1, NOW - 1)
    house.find(*(Result("days", f"device:{k}", *span, bill) for k in ("meter-1", "twice-1")))
    house.roll()
    for later_ms in (200_000, 1_801_000):  # bills are counted by the hour
        house.now_ms = NOW + later_ms
        house.tell()
    for name, field in (
        ("grid_outage", "customers"),
        ("billing_ready", "meters"),
        ("grid_voltage", "meters"),
    ):
        line = house.lines(f"{name},area=f-2")[0]
        of_feeder = next(part for part in re.split("[ ,]", line) if part.startswith(f"{field}="))
        assert of_feeder == f"{field}={customers}.0", name


def test_what_a_device_did_not_send_before_it_was_heard_is_not_missing(house: House) -> None:
    """Of the first half hour of twice-1 only its 3 of 60 rows of a lane are expected, 1 + 1 + 3."""
    with closing(sqlite3.connect(house.folder / "state.sqlite")) as state, state:
        first_ms = (NOW - 90_000, "twice-1")
        state.execute("UPDATE device SET first_seen_ms = ? WHERE device = ?", first_ms)
    house.roll()
    house.now_ms = NOW + 200_000
    house.tell()
    (line,) = house.lines("area_quality,area=none,sector=energy")
    assert line.split(" ")[1].startswith("devices=3.0,expected=5.0,received=35.0,completeness=1.0,")


def test_an_alarms_life_and_the_gateways_own_alarms_are_told(house: House) -> None:
    at = (NOW - 9000, NOW - 8000, NOW - 7000, 0, NOW - 9000)  # raised, found, updated, –, raised
    own = KeptAlarm("a1", "gateway", "sink_down", "sink:db", "evn", "", 3, 1.0, *at, 1, "{}",
                    "", 0, "", "", 7)  # fmt: skip
    seen = own._replace(id="a2", domain="energy", kind="loss", place="feeder:f-2", severity=2)
    seen = seen._replace(ack_ms=NOW - 6500, ack_who="an", times=2, change=8)
    quiet = seen._replace(id="a3", place="feeder:f-3", suppressed="w1", change=9)
    AlarmStore(house.folder).commit(AlarmStep([own, seen, quiet], change=9))
    house.tell()
    own_line, seen_line, quiet_line = house.lines("alarm_life")
    assert own_line == (
        "alarm_life,area=none,domain=gateway,kind=sink_down,level=sink,place=db severity=3.0,"
        f"times=1.0,cleared=0.0,acknowledged=0.0,suppressed=0.0 {NOW - 9000}"
    )
    assert "times=2.0,cleared=0.0,acknowledged=1.0,suppressed=0.0,acknowledged_after_s=1.5" in (
        seen_line
    )
    assert "suppressed=1.0" in quiet_line
    # of each domain what is to be called out: not what a maintenance window keeps quiet
    assert sorted(line.split(" ")[:2] for line in house.lines("alarm_open")) == [
        [
            "alarm_open,area=none,domain=energy",
            "note=0.0,warning=1.0,serious=0.0,critical=0.0,open=1.0",
        ],
        [
            "alarm_open,area=none,domain=gateway",
            "note=0.0,warning=0.0,serious=1.0,critical=0.0,open=1.0",
        ],
        [
            "alarm_open,area=none,domain=transport",
            "note=0.0,warning=0.0,serious=0.0,critical=0.0,open=0.0",
        ],
    ]
    house.tell()
    assert len(house.lines("alarm_life")) == 3


def test_an_alarm_stands_minute_by_minute_and_once_more_as_over(house: House) -> None:
    """So a rule sees the next one at its place as another one, whatever a database corrects."""
    begin_ms = NOW // 60_000 * 60_000
    first = Alarm("incident", "section:s-1", begin_ms, begin_ms, 0, 3, 0.95, "{}")
    stands = "alarm_standing,area=none,domain=energy,kind=incident,level=section,place=s-1 "
    steps = {
        0: first,
        1: None,
        2: first._replace(cleared_ms=begin_ms + 90_000),
        3: None,
        4: first._replace(raised_ms=begin_ms + 200_000, found_ms=begin_ms + 210_000),
    }
    for minute, alarm in steps.items():
        house.find(alarms=(alarm,) if alarm else ())
        house.now_ms = begin_ms + minute * 60_000 + 1000
        house.tell()
    lasts = "lasts=1.0,severity=3.0,confidence=0.95"
    assert house.lines("alarm_standing") == [
        f"{stands}{fields} {begin_ms + minute * 60_000}"
        for minute, fields in ((0, lasts), (1, lasts), (2, "lasts=0.0"), (4, lasts))
    ]


@pytest.mark.parametrize(("place", "call"), [(Outbox, "_make_room"), (Journal, "commit")])
@pytest.mark.parametrize("begun", [0, 1, 2])
def test_what_ends_while_the_disk_is_full_is_over_when_there_is_room(
    house: House, monkeypatch: pytest.MonkeyPatch, place: type, call: str, begun: int
) -> None:
    """The disk is full in minutes 1 to 3; lines whose commit failed may still go later."""

    def full(*_: object) -> None:
        raise JournalFullError("no room")

    begin_ms = NOW // 60_000 * 60_000
    alarm = Alarm("incident", "section:s-1", begin_ms, begin_ms, 0, 3, 0.95, "{}")
    for minute in range(7):
        if minute == begun:
            house.find(alarms=(alarm,))
        if minute == begun + 1:
            house.find(alarms=(alarm._replace(cleared_ms=begin_ms + minute * 60_000),))
        house.now_ms = begin_ms + minute * 60_000 + 1000
        if not 1 <= minute <= 3:
            house.tell()
            continue
        with monkeypatch.context() as patch:
            patch.setattr(place, call, full)
            with pytest.raises(JournalFullError):
                house.teller.step(house.now_ms)
    said = [line.split(" ") for line in house.lines("alarm_standing")]
    assert said[-1][1:] == ["lasts=0.0", str(begin_ms + 4 * 60_000)]
    assert [one[1] for one in said if int(one[2]) > begin_ms + 3 * 60_000] == ["lasts=0.0"]


def test_what_ended_while_nobody_told_is_over_at_the_next_start(house: House) -> None:
    alarm = Alarm("incident", "section:s-1", NOW - 5000, NOW - 4000, 0, 3, 0.95, "{}")
    house.find(alarms=(alarm,))
    house.tell()
    house.find(alarms=(alarm._replace(cleared_ms=NOW + 10_000),))
    house.kill()
    house.now_ms += 60_000
    house.tell()
    said = [line.split(" ")[1] for line in house.lines("alarm_standing")]
    assert said == ["lasts=1.0,severity=3.0,confidence=0.95", "lasts=0.0"]


def test_a_moment_stands_for_five_minutes(house: House) -> None:
    at_ms = NOW // 60_000 * 60_000
    house.find(alarms=(Alarm("wrong_way", "station:s-1", at_ms, at_ms, at_ms, 4, 0.95, "{}"),))
    for minute in range(8):
        house.now_ms = at_ms + minute * 60_000 + 1000
        house.tell()
    said = [line.split(" ")[1].split(",")[0] for line in house.lines("alarm_standing")]
    # from the minute in which it was to the fifth after it, and once as over
    assert said == ["lasts=1.0"] * 6 + ["lasts=0.0"]


def test_what_maintenance_keeps_quiet_does_not_stand(house: House) -> None:
    at = (NOW - 9000, NOW - 8000, NOW - 7000, 0, NOW - 9000)
    own = KeptAlarm("a1", "gateway", "sink_down", "sink:db", "evn", "", 3, 1.0, *at, 1, "{}",
                    "", 0, "", "", 7)  # fmt: skip
    quiet = own._replace(id="a2", place="sink:b", suppressed="w1", change=8)
    AlarmStore(house.folder).commit(AlarmStep([own, quiet], change=8))
    house.tell()
    assert [line.split("place=")[1].split(" ")[0] for line in house.lines("alarm_standing")] == [
        "db"
    ]


def test_every_line_is_in_the_table_of_the_document(house: House) -> None:
    house.find(meter_day(3), alarms=(Alarm("loss", "feeder:f-2", NOW, NOW, 0, 3, 0.5, "{}"),))
    house.roll()
    house.now_ms = NOW + 200_000
    house.tell()
    table = documented()
    assert len(table) > 35
    seen = set()
    for line in house.lines():
        head, fields, _ = re.split(r"(?<!\\) ", line)
        name, *tags = head.split(",")
        seen.add(name)
        if name == "gateway_self":  # its own table is that of the metrics
            continue
        known = table[name]
        assert {tag.split("=")[0] for tag in tags} <= known
        assert {field.split("=")[0] for field in fields.split(",")} <= known
    assert seen >= {
        *("meter_interval", "alarm_event", "alarm_open", "alarm_standing", "device_event"),
        "fleet_state",
        *("area_quality", "grid_outage", "detector_state", "gateway_self", "gateway_disk"),
    }
