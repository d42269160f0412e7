"""Rollups against what plain loops over the readings give, whatever order they came in."""

import math
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from typing_extensions import override

from gateway.errors import JournalFullError
from gateway.model import QUALITY_RANK, Quality, ReadingBatch
from gateway.profiles import Kind, Profile, load_profiles
from gateway.store import Merger, Roller, Store, StoreReader
from gateway.store.rolled import QUARTER_MS, SPANS_MS, shown_profile
from gateway.store.rollup import UNUSABLE
from tests.conftest import SOAK
from tests.store_tools import DAY0_MS, DAY_MS, FOREVER, Row, checkpoint_at, shown
from tests.store_tools import batch_of as plain_batch_of

PROFILES = load_profiles()
EM1 = PROFILES["em1"]
ROLLOVER = 1_000_000_000.0  # of both registers of em1
Values = dict[str, float | None]
Rollups = dict[tuple[int, int], Values]  # by device and start


def batch_of(rows: Iterable[Row]) -> ReadingBatch:
    """Return readings of em1; a value below zero is a null register."""
    batch = plain_batch_of(rows)
    for place in (0, 1):
        batch.values[batch.values[:, 0] < 0, place] = math.nan
    batch.values[:, 1] = batch.values[:, 0]
    batch.values[batch.values[:, 2] % 5 == 0, 2] = math.nan
    return batch


def grown(before: float, after: float) -> float:
    step = after - before
    if step >= 0:
        return step
    is_rollover = before >= 0.9 * ROLLOVER and after <= 0.1 * ROLLOVER
    return step + ROLLOVER if is_rollover else 0.0


def expected(rows: Iterable[Row], span: str) -> Rollups:
    """What must be shown of readings, by plain loops."""
    wanted: Rollups = {}
    previous: dict[int, float] = {}
    step = SPANS_MS[span]
    sums: dict[tuple[int, int], list[Row]] = {}
    for row in shown(rows):
        key = row.device, row.time_ms // step * step
        sums.setdefault(key, []).append(row)
        ending = row.device, (row.time_ms - 1) // step * step
        if row.quality in UNUSABLE:
            continue
        value = row.value
        if value < 0:
            continue
        line = wanted.setdefault(ending, {"n": 0})
        line["last"] = value
        if row.device in previous:
            line["increase"] = (line.get("increase") or 0.0) + grown(previous[row.device], value)
        previous[row.device] = value
    for key, readings in sums.items():
        usable = [row for row in readings if row.quality not in UNUSABLE]
        power = [row.value + 2 for row in usable if (row.value + 2) % 5]
        good = sum(row.quality in {1, 2, 3, 7} for row in readings)
        wanted.setdefault(key, {}).update(
            n=len(usable),
            good=good / len(readings),
            worst=max(QUALITY_RANK[row.quality] for row in readings),
            mean=sum(power) / len(power) if power else None,
            min=min(power, default=None),
            max=max(power, default=None),
        )
    return wanted


def found(reader: StoreReader, span: str) -> Rollups:
    names = {column.name: place for place, column in enumerate(shown_profile(EM1, span).columns)}
    rollups: Rollups = {}
    batch, after = reader.rollups("em1", span, None, 0, FOREVER, 10**6)
    assert after is None
    assert batch.values.shape[1] == len(names)
    for place, values in enumerate(batch.values.tolist()):
        line = {
            short: values[names[name]]
            for short, name in (
                ("n", "n"), ("good", "good"), ("mean", "p_mean"), ("min", "p_min"),
                ("max", "p_max"), ("last", "ea_imp_last"), ("increase", "ea_exp_increase"),
            )
        }  # fmt: skip
        key = int(batch.device_index[place]), int(batch.time_ms[place])
        assert key not in rollups
        rollups[key] = {k: v for k, v in line.items() if not math.isnan(v)}
        if line["n"] or not math.isnan(line["good"]):
            rollups[key]["worst"] = int(QUALITY_RANK[batch.quality[place]])
    return rollups


def clean(rollups: Rollups) -> Rollups:
    return {
        key: {name: value for name, value in line.items() if value is not None}
        for key, line in rollups.items()
    }


def settle(merger: Merger, roller: Roller, now_ms: int) -> int:
    """Merge and roll until nothing is left; return how many steps of rolling it took."""
    steps = 0
    for late_ms in (0, 20_000):  # late readings are gathered for some seconds
        while merger.merge_once(now_ms + late_ms) | roller.roll_once(now_ms + late_ms):
            steps += 1
    return steps


def rolled(folder: Path, rows: Iterable[Row], now_ms: int = DAY0_MS + 9 * DAY_MS) -> StoreReader:
    """Write readings in one go, roll them up and return a reader."""
    store = Store.open(folder)
    store.write([batch_of(rows)], [])
    store.checkpoint(checkpoint_at(10**6))
    roller = Roller(folder, PROFILES)
    settle(Merger(folder, roller.look_at), roller, now_ms)
    return StoreReader(folder, PROFILES)


def test_rollups_of_a_meter_over_a_rollover_and_a_reset(tmp_path: Path) -> None:
    minutes = [0, 5, 15, 16, 20, 30]
    values = [999_999_990.0, 999_999_998.0, 4.0, 9.0, 2.0, 12.0]
    rows = [
        Row(7, DAY0_MS + minute * 60_000, number + 1, number, Quality.VALID, value)
        for number, (minute, value) in enumerate(zip(minutes, values, strict=True))
    ]
    quarters = found(rolled(tmp_path, rows), "15m")
    # the reading at 00:15 rolled over and ends the first bucket; the one at 00:20 began anew
    assert quarters[7, DAY0_MS]["increase"] == 8.0 + 6.0
    assert quarters[7, DAY0_MS + QUARTER_MS]["increase"] == 5.0 + 10.0
    assert quarters[7, DAY0_MS]["last"] == 4.0


def test_a_late_reading_changes_its_bucket_the_next_growth_and_both_days(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    sent: list[ReadingBatch] = []
    roller = Roller(tmp_path, PROFILES, sent.extend)
    merger = Merger(tmp_path, roller.look_at)
    times = [DAY0_MS + 3_600_000, DAY0_MS + DAY_MS + 7_260_000]
    rows = [Row(1, at, 1 + k, k, Quality.VALID, 100.0 * k) for k, at in enumerate(times)]
    store.write([batch_of(rows)], [])
    store.checkpoint(checkpoint_at(3))
    now_ms = DAY0_MS + 3 * DAY_MS
    settle(merger, roller, now_ms)
    assert len(sent) == len({(b.profile, *b.time_ms.tolist()) for b in sent}) == 4
    sent.clear()
    late = Row(1, DAY0_MS + 40_000_000, 3, 9, Quality.VALID, 30.0)
    store.write([batch_of([late])], [])
    store.checkpoint(checkpoint_at(4))
    settle(merger, roller, now_ms + 3_600_000)
    reader = StoreReader(tmp_path, PROFILES)
    for span in SPANS_MS:
        assert found(reader, span) == clean(expected([*rows, late], span))
    # the bucket it is in, that of the reading after it, both days; nothing else, nothing twice
    assert sorted((b.profile, *b.time_ms.tolist()) for b in sent) == [
        ("em1_15m", DAY0_MS + 39_600_000),
        ("em1_15m", times[1] // QUARTER_MS * QUARTER_MS),
        ("em1_1d", DAY0_MS),
        ("em1_1d", DAY0_MS + DAY_MS),
    ]


def test_a_bucket_is_rolled_up_when_it_has_ended_and_not_before(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    roller = Roller(tmp_path, PROFILES)
    merger = Merger(tmp_path, roller.look_at)
    reader = StoreReader(tmp_path, PROFILES)
    store.write([batch_of([Row(1, DAY0_MS + 5, 1), Row(1, DAY0_MS + QUARTER_MS + 5, 2)])], [])
    store.checkpoint(checkpoint_at(3))
    settle(merger, roller, DAY0_MS + QUARTER_MS + 30_000)
    assert found(reader, "15m") == {}
    settle(merger, roller, DAY0_MS + QUARTER_MS + 60_000)
    assert found(reader, "15m").keys() == {(1, DAY0_MS)}
    settle(merger, roller, DAY0_MS + DAY_MS)
    assert len(found(reader, "15m")) == 2
    assert found(reader, "1d") == {}
    settle(merger, roller, DAY0_MS + DAY_MS + 60_000)
    assert found(reader, "1d").keys() == {(1, DAY0_MS)}


def test_what_the_sinks_did_not_get_is_not_done(tmp_path: Path) -> None:
    sent: list[ReadingBatch] = []
    is_full = True

    def send(batches: Sequence[ReadingBatch]) -> None:
        if is_full:
            raise JournalFullError("full")
        sent.extend(batches)

    store = Store.open(tmp_path)
    store.write([batch_of([Row(1, DAY0_MS + 5, 1)])], [])
    store.checkpoint(checkpoint_at(2))
    now_ms = DAY0_MS + 9 * DAY_MS
    roller = Roller(tmp_path, PROFILES, send)
    merger = Merger(tmp_path, roller.look_at)
    while merger.merge_once(now_ms):
        pass
    with pytest.raises(JournalFullError):
        roller.roll_once(now_ms + 20_000)
    reader = StoreReader(tmp_path, PROFILES)
    assert found(reader, "15m") == {}
    is_full = False
    roller = Roller(tmp_path, PROFILES, send)  # a new process knows what is left from the files
    while roller.roll_once(now_ms + 20_000):
        pass
    assert [batch.profile for batch in sent] == ["em1_15m", "em1_1d"]
    assert len(found(reader, "15m")) == 1


def test_retention_takes_the_rollups_of_a_day_with_it(tmp_path: Path) -> None:
    rows = [Row(1, DAY0_MS + 5, 1), Row(1, DAY0_MS + DAY_MS + 5, 2, value=9.0)]
    reader = rolled(tmp_path, rows)
    assert len(found(reader, "1d")) == 2
    file = tmp_path / "store" / "day-20261122.sqlite"
    for name in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        name.unlink(missing_ok=True)
    left = found(reader, "1d")
    # what the meter stood at before is still known
    assert [line["increase"] for line in left.values()] == [8.0]


def test_many_devices_take_steps_of_a_part_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.jobs._STEP_ROWS", 300)
    rows = [
        Row(device, DAY0_MS + minute * 60_000, 1 + minute * 50 + device, minute, 1, 7.0 * minute)
        for minute in range(0, 120, 5)
        for device in range(50)
    ]
    store = Store.open(tmp_path)
    store.write([batch_of(rows)], [])
    store.checkpoint(checkpoint_at(10**6))
    roller = Roller(tmp_path, PROFILES)
    steps = settle(Merger(tmp_path, roller.look_at), roller, DAY0_MS + 9 * DAY_MS)
    assert steps > 8
    for span in SPANS_MS:
        assert found(StoreReader(tmp_path, PROFILES), span) == clean(expected(rows, span))


def test_pages_of_rollups_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    rows = [Row(device, DAY0_MS + 5, 1 + device) for device in range(9)]
    reader = rolled(tmp_path, rows)
    devices: list[int] = []
    after = None
    while True:
        batch, after = reader.rollups("em1", "15m", None, 0, FOREVER, 2, after)
        devices += batch.device_index.tolist()
        if after is None:
            break
        assert len(batch) == 2
    assert devices == list(range(9))
    assert len(reader.rollups("em1", "15m", 3, 0, FOREVER, 9)[0]) == 1
    with pytest.raises(KeyError):
        reader.rollups("em1", "1h", 3, 0, FOREVER, 9)


@pytest.mark.parametrize("profile", list(PROFILES.values()), ids=list(PROFILES))
def test_every_profile_has_rollups_of_each_of_its_columns(profile: Profile, tmp_path: Path) -> None:
    width = len(profile.columns)
    batch = plain_batch_of([Row(1, DAY0_MS + 5, 1), Row(1, DAY0_MS + 9, 2)], profile.name, width)
    batch.values[1] += 10
    store = Store.open(tmp_path)
    store.write([batch], [])
    store.checkpoint(checkpoint_at(3))
    roller = Roller(tmp_path, PROFILES)
    settle(Merger(tmp_path, roller.look_at), roller, DAY0_MS + 9 * DAY_MS)
    shown_columns = shown_profile(profile, "15m").columns
    found_batch, _ = StoreReader(tmp_path, PROFILES).rollups(
        profile.name, "15m", None, 0, FOREVER, 9
    )
    line = dict(zip((c.name for c in shown_columns), found_batch.values[0].tolist(), strict=True))
    for place, column in enumerate(profile.columns):
        first, last = 1.0 + place, 11.0 + place
        want = {
            Kind.REGISTER: {"increase": 10.0, "last": last},
            Kind.GAUGE: {"mean": first + 5, "min": first, "max": last},
            Kind.COUNT: {"sum": first + last},
            Kind.CODE: {"last": last},
        }[column.kind]
        assert {what: line[f"{column.name}_{what}"] for what in want} == want


TIMES = st.one_of(
    st.integers(-3, 200).map(lambda number: number * 300_000),  # a third of them on borders
    st.integers(-DAY_MS, 2 * DAY_MS),
    st.integers(-2, 3).map(lambda day: day * DAY_MS),
)
VALUES = st.one_of(
    st.integers(-2, 50).map(float),
    st.integers(950_000_000, 999_999_999).map(float),
    st.integers(0, 99_000_000).map(float),
)
PLACE = st.tuples(
    st.integers(0, 3),
    TIMES,
    VALUES,
    st.sampled_from([Quality.VALID, Quality.VALID, Quality.RAW, Quality.EDITED, Quality.FAILED]),
)


class RollupMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="rollup-model-"))
        self.runs = 0
        self.folder = self.root / "0"
        self.folder.mkdir()
        self.rows: list[Row] = []
        self.record = self.kept = 1
        self.now_ms = DAY0_MS + 9 * DAY_MS
        self._open()

    def _open(self) -> None:
        self.store = Store.open(self.folder)
        self.reader = StoreReader(self.folder, PROFILES)
        self.roller = Roller(self.folder, PROFILES)
        self.merger = Merger(self.folder, self.roller.look_at)

    @rule(places=st.lists(PLACE, min_size=1, max_size=25))
    def write(self, places: list[tuple[int, int, float, Quality]]) -> None:
        rows = [
            Row(device, DAY0_MS + offset, self.record + number, number, quality, value)
            for number, (device, offset, value, quality) in enumerate(places)
        ]
        self.store.write([batch_of(rows)], [])
        self.rows += rows
        self.record += len(rows)

    @rule(back=st.integers(0, 20))
    def checkpoint(self, back: int) -> None:
        self.kept = max(self.kept, self.record - back)
        self.store.checkpoint(checkpoint_at(self.kept))

    @rule(merges=st.integers(0, 3), rolls=st.integers(0, 4))
    def work(self, merges: int, rolls: int) -> None:
        """Do some of the work, then maybe crash in the middle of the rest."""
        self.now_ms += 11_000
        for _ in range(merges):
            self.merger.merge_once(self.now_ms)
        for _ in range(rolls):
            self.roller.roll_once(self.now_ms)

    @rule()
    def crash(self) -> None:
        self.runs += 1
        copy = self.root / str(self.runs)
        shutil.copytree(self.folder, copy)
        self._close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self._open()
        self.rows = [row for row in self.rows if row.record < self.kept]
        self.record = self.kept

    @rule()
    def rollups_are_what_loops_give(self) -> None:
        self.checkpoint(0)
        self.now_ms += 60_000
        settle(self.merger, self.roller, self.now_ms)
        for span in SPANS_MS:
            assert found(self.reader, span) == clean(expected(self.rows, span)), span

    def _close(self) -> None:
        for part in (self.reader, self.merger, self.roller, self.store):
            part.close()

    @override
    def teardown(self) -> None:
        if hasattr(self, "root"):
            self.rollups_are_what_loops_give()
            self._close()
            shutil.rmtree(self.root)


TestRollupModel = RollupMachine.TestCase
TestRollupModel.settings = settings(
    max_examples=400 if SOAK else 20,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],  # to explain takes minutes of tracing
    suppress_health_check=[HealthCheck.too_slow],
)
