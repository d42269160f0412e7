"""Days in hand: kept up reading by reading, they hold what the store would give."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.energy.engine.days.pieces import GROUP, SETTLE_MS, Piece
from gateway.energy.engine.days.sheets import KEPT_MS, Days, Sheets
from gateway.energy.placing import Sheet, Span, place
from gateway.energy.series import Window
from gateway.model import Quality, ReadingBatch, Reason
from gateway.store import Merger
from tests.unit.energy.desk import DAY_MS, POLICIES, PROFILES, SLOTS, Utility, register
from tests.unit.energy.rig import CALENDAR, HALF_HOUR_MS, MONDAY_MS

ALL = SETTLE_MS // 1000 + 8
EM1 = PROFILES["em1"]
SERIES = ("intervals", "days", "determinants", "lineage", "insight")
METERS, MARKS = 3, 6
_WHEN = re.compile('"when":"[^"]*"')  # who is always new forgets how long a day has waited


def readings(rows: list[tuple[int, int, float, Quality, int]]) -> ReadingBatch:
    """Return em1 readings of (device, mark, register, quality, record)."""
    device, mark, shown, quality, record = (np.array(column) for column in zip(*rows, strict=True))
    values = np.full((len(rows), len(EM1.columns)), np.nan)
    values[:, 0] = shown
    time_ms = MONDAY_MS + mark.astype(np.int64) * HALF_HOUR_MS
    zero = np.zeros(len(rows), np.int64)
    return ReadingBatch(
        "em1", device, zero, zero - 1, time_ms, time_ms, values, zero, quality.astype(np.int64),
        zero, record,
    )  # fmt: skip


def same(one: Window, other: Window) -> bool:
    columns = ("import_wh", "power_w", "quality", "reasons", "status", "device_index")
    pairs = ((getattr(one, name), getattr(other, name)) for name in columns)
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


@given(st.data())
def test_in_whichever_order_and_however_often_readings_come_the_same_stands(
    data: st.DataObject,
) -> None:
    grades = st.sampled_from([Quality.VALID, Quality.SUSPECT, Quality.EDITED, Quality.VERIFIED])
    places = st.tuples(st.integers(0, METERS - 1), st.integers(-1, MARKS + 1))
    drawn = data.draw(st.lists(st.tuples(places, st.integers(0, 2), grades), min_size=1))
    rows = [(*place, 1000.0 + value, grade, k) for k, (place, value, grade) in enumerate(drawn)]
    span, all_meters = Span(MONDAY_MS, HALF_HOUR_MS, MARKS), np.arange(METERS + 1)
    at_once = place(span, all_meters, [(EM1, readings(rows))]).window
    torn = Sheet(span)
    again = data.draw(st.lists(st.sampled_from(rows)))
    order = data.draw(st.permutations([*rows, *again]))
    parts = data.draw(st.integers(1, 4))
    for part in filter(None, (order[k::parts] for k in range(parts))):
        torn.add(EM1, readings(part))
    assert same(torn.window(all_meters), at_once)
    some = torn.window(np.array([2, 0]), 1, 3)
    assert (some.start_ms, some.slots) == (MONDAY_MS + HALF_HOUR_MS, 3)
    assert same(some, at_once.take(np.array([2, 0])).part(1, 5))


def test_of_several_readings_of_a_time_the_one_is_placed_that_the_store_shows() -> None:
    """The best grade, of equal ones the first received, of edits the last."""
    said = [
        (0, 0, 1000, Quality.VALID, 5), (0, 0, 1001, Quality.VALID, 4),
        (0, 0, 1002, Quality.SUSPECT, 3), (1, 0, 1003, Quality.EDITED, 6),
        (1, 0, 1004, Quality.EDITED, 7), (1, 0, 1005, Quality.VALID, 8),
        (2, 0, 1006, Quality.VALID, 1), (2, 0, 1006, Quality.VALID, 2),
    ]  # fmt: skip
    for turn in (1, -1):
        sheet = Sheet(Span(MONDAY_MS, HALF_HOUR_MS, 1))
        counts = [sheet.add(EM1, readings([one])) for one in said[::turn]]
        window = sheet.window(np.arange(3))
        assert window.import_wh[:, 0].tolist() == [1001, 1004, 1006]
        conflict = int(Reason.CONFLICT)
        assert window.reasons[:, 0].tolist() == [conflict, conflict, 0]
        assert sum(count.duplicates for count in counts) == 1
        assert sum(count.conflicts for count in counts) == 4


def correct(
    utility: Utility, meter: int, mark: int, *, by_wh: int, quality: Quality = Quality.VERIFIED
) -> None:
    """Send another reading of a time that is taken."""
    row = (meter, mark, register(meter, mark) + by_wh, quality)
    (record,) = utility.next_records(1).tolist()
    batch = readings([(*row, record)])
    batch.values[:, 2:6] = [230, 2300, 100, 1000]
    utility.put(batch)


def live(utility: Utility, *, always_new: bool) -> None:
    """Two days with gaps, late readings, corrections, a merge and a death."""
    gaps = {0: {5, 6, 20}, 1: {47, 48, 49}, 2: set()}
    for mark in range(2 * SLOTS + 1):
        meters = [meter for meter in gaps if mark not in gaps[meter]]
        utility.at(mark)
        utility.send([mark], meters)
        if mark == 9:
            utility.send([5], [0], late=True)
        if mark == 12:
            correct(utility, 2, 10, by_wh=3)
            correct(utility, 2, 11, by_wh=5, quality=Quality.SUSPECT)
        if mark == 60:
            utility.send([47, 48, 49], [1], late=True)
            correct(utility, 0, 30, by_wh=-2)  # of the day before
            Merger(utility.folder).merge_once(utility.now_ms)
        if mark in {8, 12, 30, 60, 2 * SLOTS}:
            if mark == 30 and not always_new:
                utility.start()
            utility.go(ALL, lives=always_new)
    utility.now_ms = MONDAY_MS + 2 * DAY_MS + 2 * HALF_HOUR_MS
    utility.go(ALL, lives=always_new)


def test_what_is_kept_up_is_what_a_process_finds_that_reads_all_from_the_store(
    tmp_path: Path,
) -> None:
    kept_up, reading = Utility(tmp_path / "one"), Utility(tmp_path / "other")
    live(kept_up, always_new=False)
    live(reading, always_new=True)
    for series in SERIES:
        mine, theirs = (
            [line._replace(body=_WHEN.sub("", line.body)) for line in one.lines(series)]
            for one in (kept_up, reading)
        )
        assert mine, series
        assert mine == theirs, series
    # the correction of a verified reading moved use between two slots, the suspect one nothing
    first = kept_up.body("intervals", 2)
    plain = [register(2, m + 1) - register(2, m) for m in range(SLOTS)]
    assert [k for k in range(SLOTS) if first["import_wh"][k] != plain[k]] == [9, 10]
    assert first["import_wh"][9] == plain[9] + 3
    assert ("flat_scaled", "backlog") in kept_up.lineage(0, 4)
    assert kept_up.alarms() == reading.alarms()


class Shelf:
    """A store of em1 readings that counts how often it is read."""

    def __init__(self) -> None:
        self.rows: list[ReadingBatch] = []
        self.reads = 0

    def rows_of(
        self, profile: str, devices: tuple[int, int], from_ms: int, to_ms: int
    ) -> Iterator[ReadingBatch]:
        self.reads += 1
        for batch in self.rows if profile == "em1" else ():
            mine = (batch.device_index >= devices[0]) & (batch.device_index <= devices[1])
            yield batch.take(mine & (batch.time_ms >= from_ms) & (batch.time_ms < to_ms))


PIECE = Piece(int(CALENDAR.day(np.array([MONDAY_MS]))[0]), "em1", 0)
NIGHT_MS = MONDAY_MS + DAY_MS


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def sheets(shelf: Shelf) -> Sheets:
    return Sheets(shelf, PROFILES.__getitem__, POLICIES)


def shown(sheet: Sheet, device: int) -> list[float]:
    values = sheet.window(np.array([device]), 0, 3).import_wh[0]
    return [value for value in values.tolist() if not np.isnan(value)]


def test_a_day_that_goes_on_is_read_once(shelf: Shelf, sheets: Sheets) -> None:
    shelf.rows.append(readings([(7, 0, 1000, Quality.VALID, 1)]))
    assert shown(sheets.of(PIECE, MONDAY_MS), 7) == [1000]
    sheets.take(readings([(7, 1, 1010, Quality.VALID, 2), (8, 1, 50, Quality.VALID, 3)]))
    sheets.take(readings([(700, 1, 9, Quality.VALID, 4)]))  # of another group
    sheet = sheets.of(PIECE, MONDAY_MS)
    assert (shown(sheet, 7), shown(sheet, 8), shown(sheet, 700)) == ([1000, 1010], [50], [])
    assert sheet.seen(1).tolist() == [7]
    assert shelf.reads == 1
    sheets.forget()
    assert shown(sheets.of(PIECE, MONDAY_MS), 7) == [1000]  # the store has no more
    assert shelf.reads == 2


def test_a_day_is_let_go_after_its_end(shelf: Shelf, sheets: Sheets) -> None:
    for now_ms in (NIGHT_MS, NIGHT_MS + KEPT_MS - 1, NIGHT_MS + KEPT_MS, NIGHT_MS + KEPT_MS):
        sheets.of(PIECE, now_ms)
    assert shelf.reads == 3  # the last two times anew


def test_of_a_fleet_beyond_the_bound_days_are_read_each_time(
    shelf: Shelf, sheets: Sheets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.energy.engine.days.sheets.MOST_CELLS", 3 * (SLOTS + 1))
    shelf.rows.append(readings([(7, 0, 1, Quality.VALID, 1), (500, 0, 2, Quality.VALID, 2)]))
    other = PIECE._replace(group=1)
    for _ in range(3):
        assert shown(sheets.of(PIECE, MONDAY_MS), 7) == [1]
        assert shown(sheets.of(other, MONDAY_MS), 500) == [2]
    assert shelf.reads == 1 + 3


def test_a_day_that_grows_beyond_the_bound_is_let_go(
    shelf: Shelf, sheets: Sheets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.energy.engine.days.sheets.MOST_CELLS", 3 * (SLOTS + 1))
    sheets.of(PIECE, MONDAY_MS)
    for device in range(4):
        sheets.take(readings([(device, 0, 1, Quality.VALID, device)]))
        shelf.rows.append(readings([(device, 0, 1, Quality.VALID, device)]))
    for _ in range(3):
        assert shown(sheets.of(PIECE, MONDAY_MS), 3) == [1]
    assert shelf.reads == 1 + 2


def test_more_news_than_a_day_has_room_for_is_put_there_at_once(
    shelf: Shelf, sheets: Sheets
) -> None:
    sheets.of(PIECE, MONDAY_MS)
    again = readings([(7, 0, 1, Quality.VALID, k) for k in range(GROUP + 1)])
    sheets.take(again)
    assert sheets._held[PIECE[1:]][0].news == []
    shelf.rows.append(again)
    assert shown(sheets.of(PIECE, MONDAY_MS), 7) == [1]
    assert shelf.reads == 1


def test_a_gap_over_midnight_is_kept_up_for_the_meters_that_have_it(
    shelf: Shelf, sheets: Sheets
) -> None:
    days, meters = Days(PIECE.day - 2, PIECE.day + 1), np.array([7, 9])
    shelf.rows.append(readings([(7, -96, 1, Quality.VALID, 1), (8, -96, 2, Quality.VALID, 2)]))
    sheets.of(PIECE, MONDAY_MS, days, meters)
    sheet = sheets.of(PIECE, MONDAY_MS, days, meters)
    assert (shown(sheet, 7), shown(sheet, 8)) == ([1], [])
    assert sheets.of(PIECE, MONDAY_MS, Days(PIECE.day - 1, PIECE.day + 1), meters[:1]) is sheet
    assert shelf.reads == 1
    sheets.take(readings([(9, -95, 5, Quality.VALID, 3), (8, -95, 6, Quality.VALID, 4)]))
    sheet = sheets.of(PIECE, MONDAY_MS, days, meters)
    assert (shown(sheet, 9), shown(sheet, 8)) == ([5], [])
    sheets.of(PIECE, MONDAY_MS, days, np.array([7, 8]))
    assert shelf.reads == 2
