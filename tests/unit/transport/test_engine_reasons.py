"""Why detectors are silent, asked of a real store and of what energy has found in it."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gateway.model import Event, Position, Quality, ReadingBatch, Reason
from gateway.ports import Alarm, Checkpoint, DeviceRow, Findings, LatestRow, Totals
from gateway.profiles import load_profiles
from gateway.registry import Registry
from gateway.store import Store, StoreReader
from gateway.store.derived import DerivedReader, DerivedStore
from gateway.transport.engine.house import House
from gateway.transport.engine.reasons import KIND, MOST_ASKED, Reasons
from gateway.transport.roads import Lane, road_of
from tests.unit.transport.desk import Highway, name_of
from tests.unit.transport.health_rig import HALF_MIN_MS, POLICY, at_hour

PROFILES = load_profiles()
SINCE_MS = at_hour(10)
NOW_MS = SINCE_MS + 300_000
LOOPS = [f"loop-{n}" for n in range(8)]  # four at each cabinet
METERS = {"cab-0001": 8, "cab-0002": 9}
REGISTRY = """
[[node]]
id = "ss-1"
kind = "substation"
[[node]]
id = "f-1"
kind = "feeder"
parent = "ss-1"
[[node]]
id = "tba-1"
kind = "transformer"
parent = "f-1"
[[node]]
id = "tba-2"
kind = "transformer"
parent = "f-1"
[[node]]
id = "modem-1"
kind = "concentrator"
[[node]]
id = "modem-2"
kind = "concentrator"
[[node]]
id = "ql-1"
kind = "corridor"
[[node]]
id = "ql-1-a"
kind = "section"
class = "national"
parent = "ql-1"
[[node]]
id = "st-1"
kind = "station"
parent = "ql-1-a"
"""


def _registry_text() -> str:
    lines = [REGISTRY]
    lines += [
        f'[[node]]\nid = "cabinet-{number}"\nkind = "cabinet"\nparent = "tba-{number}"\n'
        f'[[device]]\nid = "cab-000{number}"\norg = "vn"\nsector = "energy"\n'
        f'parent = "cabinet-{number}"'
        for number in (1, 2)
    ]
    for at, name in enumerate(LOOPS):
        number = at // 4 + 1
        lines.append(
            f'[[device]]\nid = "{name}"\norg = "vn"\nsector = "transport"\nparent = "st-1"\n'
            f'supply = "cabinet-{number}"\nuplink = "modem-{number}"\n'
            f"lane = {{ number = {at + 1} }}"
        )
    return "\n".join(lines)


class Site:
    """A store in which all loops spoke up to ``SINCE_MS``, and then only those that go on."""

    def __init__(self, folder: Path, silent: Sequence[int]) -> None:
        self.folder = folder
        file = folder / "registry.toml"
        file.write_text(_registry_text())
        registry = Registry.load(file)
        self._store, self._derived = Store.open(folder), DerivedStore(folder)
        self._record = 0
        newest = {k: SINCE_MS if k in silent else NOW_MS for k in range(len(LOOPS))}
        names = [*enumerate(LOOPS), *((index, name) for name, index in METERS.items())]
        rows = [
            DeviceRow(k, "vn", "energy" if k >= len(LOOPS) else "transport", name, 1, 0)
            for k, name in names
        ]
        latest = [_latest(k, "tl1", at_ms, 10) for k, at_ms in newest.items()]
        latest += [_latest(k, "em1", SINCE_MS - 60_000, 6) for k in METERS.values()]
        self._keep(rows, latest)
        reader = StoreReader(folder, PROFILES)
        self.reasons = Reasons(House(reader, DerivedReader(folder), PROFILES, registry))
        lanes = [Lane(k, name) for k, name in enumerate(LOOPS)]
        self.reasons.adopt(road_of(lanes, registry, NOW_MS), NOW_MS)
        self.alarms = [_silence(LOOPS[k]) for k in silent]

    def read(self, device: int, profile: str, time_ms: int, power_w: float, reasons: int) -> None:
        """Store a reading."""
        columns = len(PROFILES[profile].columns)
        values = np.zeros((1, columns))
        values[0, 2] = power_w
        self._record += 1
        one = np.array([device]), np.zeros(1, np.int64), np.array([self._record])
        times = np.array([time_ms]), np.array([time_ms])
        marks = np.zeros(1, np.int64), np.array([int(Quality.VALID)]), np.array([reasons])
        batch = ReadingBatch(profile, *one, *times, values, *marks, np.array([self._record]))
        self._store.write([batch], [])
        self._keep()

    def gasp(self, device: int) -> None:
        """Store a last word."""
        self._record += 1
        event = Event(SINCE_MS + 500, SINCE_MS + 900, device, "event", 99, "{}", self._record)
        self._store.write([], [event])
        self._keep()

    def outage(self, kind: str, place: str, evidence: str = "{}") -> None:
        """Let the energy side have found an outage."""
        alarm = Alarm(kind, place, SINCE_MS + 200, NOW_MS, 0, 4, 1.0, evidence)
        self._derived.commit("energy", Findings([alarm]), self._record)

    def causes(self, now_ms: int = NOW_MS) -> list[str]:
        """Return what each silence is put down to."""
        told = self.reasons.weigh(self.alarms, POLICY, now_ms)
        assert [one.place for one in told] == [one.place for one in self.alarms]
        return [json.loads(one.evidence)["cause"] for one in told]

    def _keep(self, rows: Sequence[DeviceRow] = (), latest: Sequence[LatestRow] = ()) -> None:
        done = self._record
        totals = Totals(done, done, 0, 0, done, 0, 0)
        place = Position(done + 1)
        self._store.checkpoint(Checkpoint(place, totals, list(rows), [], list(latest), []))


def _latest(device: int, profile: str, time_ms: int, columns: int) -> LatestRow:
    values = b"\0" * 8 * columns
    return LatestRow(device, profile, time_ms, time_ms, 0, 0, 0, 1, 0, values, b"")


def _silence(name: str, cleared_ms: int = 0) -> Alarm:
    found_ms = SINCE_MS + 4 * HALF_MIN_MS
    evidence = '{"value":1.0}'
    return Alarm(KIND, f"device:{name}", SINCE_MS, found_ms, cleared_ms, 2, 1.0, evidence)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("service_outage", "device:cab-0001"),
        ("transformer_outage", "transformer:tba-1"),
        ("feeder_outage", "feeder:f-1"),
        ("substation_outage", "substation:ss-1"),
    ],
)
def test_an_outage_above_the_cabinet_is_power(tmp_path: Path, kind: str, place: str) -> None:
    site = Site(tmp_path, [0, 1, 2, 3])
    site.outage(kind, place)
    assert site.causes() == ["power"] * 4


def test_an_outage_elsewhere_is_none_here(tmp_path: Path) -> None:
    site = Site(tmp_path, [0, 1, 2, 3])
    site.outage("transformer_outage", "transformer:tba-2")
    site.outage("feeder_outage", "feeder:f-1", '{"withdrawn":"later facts say that it was not"}')
    assert site.causes() == ["comms"] * 4


def test_the_last_word_of_the_cabinets_meter_is_power(tmp_path: Path) -> None:
    site = Site(tmp_path, [4, 5, 6, 7])
    site.gasp(METERS["cab-0002"])
    assert site.causes() == ["power"] * 4


def test_a_cabinet_that_draws_power_has_lost_its_link(tmp_path: Path) -> None:
    site = Site(tmp_path, [0, 1, 2, 3])
    site.read(METERS["cab-0001"], "em1", SINCE_MS + 120_000, 180.0, 0)
    assert site.causes() == ["comms"] * 4
    (first, *_) = site.reasons.weigh(site.alarms, POLICY, NOW_MS)
    # comms 0.5 + 3, power 3 - 4; what was known before stays
    evidence = json.loads(first.evidence)
    assert evidence["value"] == 1.0
    assert evidence["nats"] == {"power": -1.0, "comms": 3.5, "device": 0.5}


def test_a_cabinet_that_draws_nothing_has_tripped(tmp_path: Path) -> None:
    site = Site(tmp_path, [0, 1, 2, 3])
    site.read(METERS["cab-0001"], "em1", SINCE_MS + 120_000, 0.0, 0)
    assert site.causes() == ["power"] * 4


def test_a_loop_among_speaking_ones_is_broken_until_its_rows_come(tmp_path: Path) -> None:
    site = Site(tmp_path, [2])
    assert site.causes() == ["device"]
    # back after half an hour, with what it had measured
    site.alarms = [_silence(LOOPS[2], SINCE_MS + 1_800_000)]
    assert site.causes(SINCE_MS + 1_860_000) == ["device"]
    site.read(2, "tl1", SINCE_MS + 600_000, 0.0, int(Reason.LATE))
    assert site.causes(SINCE_MS + 1_870_000) == ["comms"]


def test_what_is_known_already_is_not_told_again(tmp_path: Path) -> None:
    site = Site(tmp_path, [0, 1])
    site.alarms = site.reasons.weigh(site.alarms, POLICY, NOW_MS)
    assert site.alarms
    assert not site.reasons.weigh(site.alarms, POLICY, NOW_MS + 30_000)
    long_over = [_silence(LOOPS[0], SINCE_MS + 60_000)]
    assert not site.reasons.weigh(long_over, POLICY, SINCE_MS + 2 * 3_600_000)


def test_many_silences_have_their_turns(tmp_path: Path) -> None:
    site = Site(tmp_path, [0])
    many = [_silence(LOOPS[0])._replace(raised_ms=SINCE_MS + k) for k in range(MOST_ASKED + 10)]
    first = site.reasons.weigh(many, POLICY, NOW_MS)
    second = site.reasons.weigh(many, POLICY, NOW_MS + 30_000)
    assert len(first) == len(second) == MOST_ASKED
    assert {one.raised_ms for one in [*first, *second]} == {one.raised_ms for one in many}


@pytest.mark.clause("749.IV.3-1")
def test_the_engine_says_why_and_what_is_to_be_done(tmp_path: Path) -> None:
    road = Highway(tmp_path)
    road.drive(range(3))
    spoken = [lane for lane in range(road.lanes) if lane != 3]
    road.drive(range(3, 10), spoken)
    (alarm,) = road.alarms(KIND)
    assert alarm.place == f"device:{name_of(3)}"
    assert not alarm.cleared_ms
    # no cabinet and no uplink in this registry: power 0, comms 0.5, device 0.5
    evidence = json.loads(alarm.evidence)
    assert evidence["cause"] == "unknown"
    assert evidence["nats"] == {"power": 0.0, "comms": 0.5, "device": 0.5}
    road.start()  # the register is renewed with every hour, and with every life
    road.drive(range(10, 12), spoken)
    served = road.body("assets", f"device:{name_of(3)}")
    assert served["stage"] == "failed"
    assert served["failures"] == 1
    assert road.body("assets", f"device:{name_of(2)}")["stage"] == "in_service"
    work = road.body("work", "site:all")
    assert [item["assets"] for item in work["items"]] == [[name_of(3)]]
    assert work["items"][0]["action"] == "find out why it is silent"
