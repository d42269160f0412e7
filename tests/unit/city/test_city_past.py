"""What nodes recorded before anybody listened: as much as flash holds, and no register jumps."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from simulators.__main__ import main
from simulators.city.begin import PAST_FILE, Begin, begin_of, carried_in, keep_carried, remember
from simulators.city.city import City, Size, parse_ms
from simulators.city.frame import Carried, Span
from simulators.city.nodes import Node, Writers
from simulators.city.past import Past, record, seam_ms
from simulators.device import Reading
from simulators.shelf import Shelf

# 40 s after a window of the lanes, and not on a slot of the grid
START_MS = parse_ms("2026-06-01T12:13:40+07:00")
SEAM_MS = parse_ms("2026-06-01T12:13:30+07:00")
HALF_HOUR_MS, DAY_MS = 1_800_000, 86_400_000
SIZE = Size(seed=3, meters=70, lanes=8, interval_ms=5000)
SLACK_MS = 15_000  # clocks of meters are wrong by up to that much


@pytest.fixture(scope="module")
def past() -> Past:
    assert seam_ms(START_MS) == SEAM_MS
    return record(SIZE, 1.0, SEAM_MS, lambda: True)


def live(carried: Carried, minutes: int = 5) -> tuple[dict[str, list[list[int]]], Carried]:
    """Let the city go on from there; return the rows of each device, and what stands at the end."""
    city = City(SIZE, Span(SEAM_MS, SEAM_MS + minutes * 60_000))
    city.carry(carried)
    rows: dict[str, list[list[int]]] = {}
    for _, step in city.steps(60_000):
        for batch in step.readings:
            for device, values in zip(batch.device.tolist(), batch.values.tolist(), strict=True):
                rows.setdefault(batch.names[device], []).append(values)
    return rows, {name: v for world in city.worlds for name, v in world.carried().items()}


def values_of(reading: Reading) -> list[int | None]:
    row: list[int | None] = json.loads("[" + reading.tail)
    return row[:-1]


def test_every_device_recorded_at_its_own_interval_up_to_the_seam(past: Past) -> None:
    city = City(SIZE, Span(SEAM_MS, SEAM_MS + 60_000))
    usual_ms = {"em1": HALF_HOUR_MS, "em3": HALF_HOUR_MS, "dtm": 900_000, "tl1": 30_000}
    for device in city.devices():
        if (interval_ms := usual_ms.get(device.profile)) is None:
            continue
        readings = past.readings[device.id]
        assert [reading.seq for reading in readings] == [*range(1, len(readings) + 1)]
        times = [reading.time_ms for reading in readings]
        assert set(np.diff(times)) == {interval_ms}
        assert all(time_ms % interval_ms == 0 for time_ms in times)
        assert SEAM_MS - interval_ms - SLACK_MS <= times[-1] <= SEAM_MS + SLACK_MS
        # a day of half hours, of quarters; nine tenths of a flash of 1,000 readings
        assert len(readings) == {HALF_HOUR_MS: 48, 900_000: 96, 30_000: 900}[interval_ms]


def test_no_register_steps_back_or_jumps_at_the_seam(past: Past) -> None:
    rows, _ = live(past.carried)
    city = City(SIZE, Span(SEAM_MS, SEAM_MS + 60_000))
    for device in city.devices():
        if device.profile in {"em1", "em3", "dtm"}:
            before = values_of(past.readings[device.id][-1])
            # import and export, Wh: what stood at the seam lies between the last reading of the
            # past, up to an interval old, and the first one after it
            for column in (0, 1):
                course = [before[column] or 0, *(row[column] for row in rows[device.id])]
                stood = past.carried[device.id][column] // 1_000_000
                assert course == sorted(course)
                assert course[0] <= stood <= course[1]
                # 5 s and a clock 15 s off, of a district of 250 kVA at most
                assert course[1] - stood <= 250_000 * 20 / 3600 + 1
    first = rows["loop-ur-01-01-1"][0]
    # the counter of a lane: what stood there, and those who came in the first 5 s
    assert first[1] == past.carried["loop-ur-01-01-1"][0] + first[0]


def test_energy_over_the_seam_is_exact(past: Past) -> None:
    """What the live city adds to a register does not depend on what stood in it, to the µWh."""
    _, after = live(past.carried)
    _, alone = live({})
    built = {n: v for w in City(SIZE, Span(SEAM_MS, SEAM_MS + 60_000)).worlds
             for n, v in w.carried().items()}  # fmt: skip
    meters = [name for name in after if name.startswith(("em", "dtm", "fh", "cab", "loop"))]
    assert len(meters) > 80
    for name in meters:
        added = np.subtract(alone[name], built[name])[:4]
        assert np.subtract(after[name], past.carried[name])[:4].tolist() == added.tolist()


def test_the_past_is_the_same_again_and_may_be_cut_short(past: Past) -> None:
    again = record(SIZE, 1.0, SEAM_MS, lambda: True)
    assert again == past
    asked: list[int] = []
    cut = record(SIZE, 1.0, SEAM_MS, lambda: len(asked) > 0)
    assert sum(map(len, cut.readings.values())) < sum(map(len, past.readings.values())) / 2


def test_a_node_owes_all_of_its_past_and_goes_on_counting(past: Past) -> None:
    row = next(
        d for d in City(SIZE, Span(SEAM_MS, SEAM_MS + 60_000)).devices() if d.id == "em-00001"
    )
    node = Node("demo", row, Writers(), lambda: START_MS)
    assert json.loads(node.birth(START_MS))["first"] == {"1": 1}  # nothing before that exists
    node.come_up(START_MS)
    node.recall(past.readings["em-00001"])
    assert node.take(START_MS, [1, 0, 230, 2300, 1, 1000], 0).seq == 49
    assert node.live(START_MS) is not None
    assert node.backlog(START_MS) is not None
    assert node.backlog(START_MS) is None  # 48 half hours are one message
    assert len(node.kept) == 49
    assert node.overwritten == 0


def test_a_later_start_knows_when_it_was_and_what_stood_in_registers(tmp_path: Path) -> None:
    def clock() -> int:
        return START_MS

    new = begin_of(tmp_path, clock, 8.0)
    assert new == Begin(START_MS, 8.0, is_new=True)
    assert new.from_ms == SEAM_MS
    remember(tmp_path, new)
    # it was only checked, or killed before anybody recorded anything: it begins now
    later = begin_of(tmp_path, lambda: START_MS + DAY_MS, 8.0)
    assert later == Begin(START_MS + DAY_MS, 8.0, is_new=True)
    keep_carried(tmp_path, {"em-00001": [12_345_678_901, 0]})
    row = City(SIZE, Span(SEAM_MS, SEAM_MS + 60_000)).devices()[0]
    shelf = Shelf(tmp_path)
    shelf.save([(Node("demo", row, Writers(), clock), [])])
    shelf.close()
    for days in (8.0, 0.0, 3.0):  # what was, was
        assert begin_of(tmp_path, lambda: 0, days) == Begin(START_MS, 8.0, is_new=False)
    assert carried_in(tmp_path) == {"em-00001": [12_345_678_901, 0]}
    (tmp_path / PAST_FILE).write_text('{"version": 99, "carried": {}}')
    assert carried_in(tmp_path) is None
    (tmp_path / "start.json").write_text(json.dumps({"start_ms": START_MS}))  # an older one's
    assert begin_of(tmp_path, clock, 8.0) == Begin(START_MS, 0.0, is_new=False)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--past-days", "8"],
        ["--past-days", "8", "--mqtt", "mqtt://127.0.0.1:1", "--pace", "60"],
        ["--past-days", "-1", "--mqtt", "mqtt://127.0.0.1:1"],
    ],
)
def test_a_past_is_only_for_a_city_in_real_time(
    wrong: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["city", "--meters", "10", "--lanes", "0", "--out", str(tmp_path), *wrong])
    assert end.value.code == 2
    assert "--past-days" in capsys.readouterr().err
