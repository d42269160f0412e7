"""Tells the sinks what was found: findings, half hours, and what stands at a moment.

A step collects lines, puts them into the outbox and then moves a durable bookmark: a crash between
the two tells the same lines again, which changes nothing. What is told at a moment is not told
again for a moment that is over.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gateway.errors import JournalFullError
from gateway.journal import JournalReader
from gateway.model import Event, Record
from gateway.ports import Alarm
from gateway.sinks.derived.bookmark import Bookmark, load_bookmark, save_bookmark
from gateway.sinks.derived.halves import HALF_MS
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point, Writer
from gateway.sinks.derived.sent import Sent
from gateway.sinks.derived.series import life_point, points_of
from gateway.sinks.outbox import Outbox, durable_number
from gateway.stats import Stats
from gateway.store.alarms import AlarmReader
from gateway.store.changes import EventReader
from gateway.store.derived import DerivedReader, Told
from gateway.store.files import full_disk_is_ours
from gateway.store.pages import PageDamagedError, decode_page

MINUTE_MS, DAY_MS = 60_000, 86_400_000
_FOUND_AT_ONCE = 400  # findings in a step: a meter's day is up to 48 points, so 20,000 lines
_EVENTS_AT_ONCE = 5_000
_ROLLUPS_AT_ONCE = 64  # pages
_HALF_AFTER_MS = 150_000  # the rollups of its last quarter are there: their grace is a minute
_SETTLE_MS = 60_000  # a half hour that changes is told once a minute at most
_MOST_HALVES_BACK = 48  # after an absence: a day; late data tells the others
_ODD = 256  # codes from here on are nobody's standard: one tag for all of them
FOLLOWED = "_15m"  # rollups that halves are made of


class TellerRooms(NamedTuple):
    """What the teller asks."""

    derived: DerivedReader
    alarms: AlarmReader
    events: EventReader
    position: Callable[[], int]  # last record of the checkpoint
    name_of: Callable[[int], str]  # of a device index; LookupError: not yet known
    places: Places
    halves: Callable[[int], Iterator[Point]]  # of the half hour that begins then
    snapshots: Mapping[int, Sequence[Callable[[int], Iterator[Point]]]]  # by how often, ms
    written: Mapping[int, Callable[[], None]]  # told when the snapshots of so often are durable


class Teller:
    """One per data directory, one thread; ``step`` is called every few seconds.

    Args:
        rooms: whom to ask.
        rollups: folder of the rollups' outbox, which it follows.
        outbox: where lines go.
        folder: of that outbox; the bookmark is in it.
        stats: counts what could not be told.
    """

    def __init__(
        self, rooms: TellerRooms, rollups: Path, outbox: Outbox, folder: Path, stats: Stats
    ) -> None:
        self._rooms, self._rollups, self._outbox = rooms, rollups, outbox
        self._file = folder / "told.json"
        self._stats = stats
        self._writer, self._sent = Writer(), Sent()
        self._mark: Bookmark | None = load_bookmark(self._file)
        self._due: dict[int, int] = {}  # snapshots, by how often
        self._kept_from = 0 if self._mark is None else self._mark.rollups.number

    def keep_from(self) -> int:
        """Return the oldest record of the rollups' outbox that is still needed."""
        return self._kept_from

    def step(self, now_ms: int) -> bool:
        """Tell what is new, a bounded part of it; return whether there is more.

        Raises:
            JournalFullError: the disk is full; nothing is lost, call again later.
        """
        try:
            with full_disk_is_ours():  # reading needs room, too: the index of a log of SQLite's
                return self._step(now_ms)
        except JournalFullError:
            self._sent.forget()
            self._rooms.events.again()
            raise

    def _step(self, now_ms: int) -> bool:
        before = self._mark or self._first(now_ms)
        mark = replace(before, halves=dict(before.halves))
        due = dict(self._due)
        lines, is_more = self._findings(mark, now_ms)
        lines += self._lives(mark, now_ms)
        lines += self._events(mark, now_ms)
        lines += self._half(mark, now_ms)
        lines += self._snapshots(due, now_ms)
        if lines:
            self._outbox.put_lines(lines)
        if mark != self._mark:
            save_bookmark(self._file, mark)
        for every_ms, note_written in self._rooms.written.items():
            if due.get(every_ms) != self._due.get(every_ms):  # they were taken in this step
                note_written()
        self._mark, self._due, self._kept_from = mark, due, mark.rollups.number
        self._stats.count("infragate_derived_told_total", len(lines))
        return is_more or any(due_ms <= now_ms for due_ms in mark.halves.values())

    def _first(self, now_ms: int) -> Bookmark:
        """Begin with what tells of the last day: a new sink gets the rest by ``backfill``."""
        change = self._rooms.derived.number_before(now_ms - DAY_MS)
        half_ms = (now_ms // HALF_MS - 2) * HALF_MS  # the one behind it is the first
        return Bookmark(change, half_ms=half_ms)

    def _findings(self, mark: Bookmark, now_ms: int) -> tuple[list[bytes], bool]:
        found = self._rooms.derived.changed(mark.change, _FOUND_AT_ONCE)
        lines: list[bytes] = []
        for told in found:
            lines += self._lines_of(told, now_ms)
            mark.change = told.change
        return lines, len(found) == _FOUND_AT_ONCE

    def _lines_of(self, told: Told, now_ms: int) -> list[bytes]:
        line = told.line
        points = points_of(told.domain, line, self._rooms.places, now_ms)
        if points is None:
            self._stats.count("infragate_derived_unreadable_total", domain=told.domain)
            return []
        lines = self._written(points)
        if isinstance(line, Alarm) or len(lines) == 1:
            return lines
        return self._sent.changed((told.domain, line.series, line.place, line.from_ms), lines)

    def _lives(self, mark: Bookmark, now_ms: int) -> list[bytes]:
        if self._rooms.alarms.last_change() < mark.alarm:
            mark.alarm = 0  # another file is in its place
        found = self._rooms.alarms.changed_since(mark.alarm, _FOUND_AT_ONCE)
        wanted = [one for one in found if mark.alarm or one.updated_ms >= now_ms - DAY_MS]
        mark.alarm = found[-1].change if found else mark.alarm
        return self._written(life_point(one, self._rooms.places) for one in wanted)

    def _events(self, mark: Bookmark, now_ms: int) -> list[bytes]:
        # before the events: what comes between the two comes once more
        record = max(self._rooms.position(), mark.record)
        events = self._rooms.events.since(mark.record)
        if any(event.record > record for event in events):
            self._rooms.events.again()  # its device may have no name yet: once more
        if mark.record == 0:
            events = [event for event in events if event.received_ms >= now_ms - DAY_MS]
        mark.record = record
        return self._written(event_points(events, self._rooms.name_of, self._rooms.places))

    def _half(self, mark: Bookmark, now_ms: int) -> list[bytes]:
        """Tell the oldest half hour that is due."""
        self._note_rollups(mark, now_ms)
        ended_ms = (now_ms - _HALF_AFTER_MS) // HALF_MS * HALF_MS - HALF_MS
        first_ms = max(mark.half_ms, ended_ms - _MOST_HALVES_BACK * HALF_MS) + HALF_MS
        for start_ms in range(first_ms, ended_ms + 1, HALF_MS):
            mark.halves[start_ms] = now_ms
        mark.half_ms = max(mark.half_ms, ended_ms)
        due = [start_ms for start_ms, due_ms in mark.halves.items() if due_ms <= now_ms]
        if not due:
            return []
        start_ms = min(due)
        del mark.halves[start_ms]
        return self._written(self._rooms.halves(start_ms))

    def _note_rollups(self, mark: Bookmark, now_ms: int) -> None:
        reader = JournalReader(self._rollups, mark.rollups)
        try:
            records, _ = reader.read(_ROLLUPS_AT_ONCE, durable_number(self._rollups))
            mark.rollups = reader.position
        finally:
            reader.close()
        for start_ms in {start for record in records for start in _halves_of(record)}:
            if start_ms <= mark.half_ms:  # else it is due when it is over
                mark.halves.setdefault(start_ms, now_ms + _SETTLE_MS)

    def _snapshots(self, due: dict[int, int], now_ms: int) -> list[bytes]:
        lines: list[bytes] = []
        for every_ms, snapshots in self._rooms.snapshots.items():
            if now_ms >= due.get(every_ms, 0):
                time_ms = now_ms // every_ms * every_ms
                due[every_ms] = time_ms + every_ms
                for snapshot in snapshots:
                    lines += self._written(snapshot(time_ms))
        return lines

    def _written(self, points: Iterable[Point]) -> list[bytes]:
        before = self._writer.unwritable
        lines = self._writer.lines(points)
        unwritable = self._writer.unwritable - before
        self._stats.count("infragate_derived_unwritable_total", unwritable)
        return lines


def _halves_of(record: Record) -> set[int]:
    """Return the begins of the half hours that a page of rollups touches."""
    profile = record.topic.decode("utf-8", "replace")
    if not profile.endswith(FOLLOWED):
        return set()
    try:
        times: list[int] = decode_page(record.payload, profile).time_ms.tolist()
    except PageDamagedError:
        return set()  # the drains count it
    return {time_ms // HALF_MS * HALF_MS for time_ms in times}


def event_points(
    events: Iterable[Event], name_of: Callable[[int], str], places: Places
) -> Iterator[Point]:
    """Yield what devices said on lane ``e``, at the time they say it was."""
    for event in events:
        if event.kind != "event":
            continue
        try:
            name = name_of(event.device_index)
        except LookupError:
            continue  # its checkpoint is still to come, and the event comes again with it
        tags = places.device(name, event.time_ms)
        tags["event"] = str(event.code) if 0 <= event.code < _ODD else "other"
        yield Point("device_event", tags, {"code": float(event.code)}, event.time_ms)
