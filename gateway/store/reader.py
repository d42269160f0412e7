"""The web process's side of the store: read only, beside a writer and a merger at work."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gateway.model import Event, Position, ReadingBatch
from gateway.ports import CountRow, DeviceRow, LatestRow, MemoryRow, StreamRow, Totals
from gateway.profiles import Profile
from gateway.store import state
from gateway.store.days import DAY_MS, DayFiles
from gateway.store.files import connect
from gateway.store.pages import PageDamagedError, concat, decode_page, empty
from gateway.store.rolled import ROLLUP, SPANS_MS, Layout, name_of
from gateway.store.select import Query, format_after, parse_key, select

_PAGES = """SELECT data FROM page WHERE profile = ?
AND device_lo <= ? AND device_hi >= ? AND t_lo < ? AND t_hi >= ?"""
_EVENTS = """SELECT id, time_ms, received_ms, device_index, kind, code, detail, record FROM event
WHERE time_ms >= ?1 AND time_ms < ?2 AND (time_ms, id) > (?3, ?4)
AND (?5 IS NULL OR device_index = ?5) AND (?6 IS NULL OR kind = ?6)
ORDER BY time_ms, id LIMIT ?7"""
_ANY_DEVICE = (-(2**63), 2**63 - 1)
_NOTHING_YET = state.Meta(0, Position(), Totals(0, 0, 0, 0, 0, 0, 0))
# A month of one device asks for 31 files; more only makes old months quicker to open again.
_OPEN_DAYS = 64

Answer = TypeVar("Answer")


class StoreReader:
    """Answers from what is committed. Threads may share one; their queries take turns."""

    def __init__(self, data_dir: Path, profiles: Mapping[str, Profile]) -> None:
        self._data_dir = data_dir
        self._profiles = profiles
        self._days = DayFiles(data_dir, is_writer=False, bound=_OPEN_DAYS)
        self._state: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self.damaged_pages = 0  # met so far; their readings are missing from the answers

    def devices(self) -> list[DeviceRow]:
        """Return all devices in the order of their index."""
        return self._of_state(state.load_devices) or []

    def device(self, name: str) -> DeviceRow | None:
        """Return the device of that name; of several organisations the one first enrolled."""
        rows = self._of_state(lambda file: state.load_devices(file, name))
        return rows[0] if rows else None

    def streams(self, device_index: int | None = None) -> list[StreamRow]:
        """Return what the ledger knows of every log of a device, or of all."""
        return self._of_state(lambda file: state.load_streams(file, device_index)) or []

    def counts(self) -> list[CountRow]:
        """Return the accounts of every device."""
        return self._of_state(state.load_counts) or []

    def count(self, device_index: int) -> CountRow | None:
        """Return the accounts of one device, None where it has sent nothing."""
        rows = self._of_state(lambda file: state.load_counts(file, device_index))
        return rows[0] if rows else None

    def memories(self) -> list[MemoryRow]:
        """Return what decoders knew at the last checkpoint."""
        return self._of_state(state.load_memories) or []

    def accounting(self, durable: int = 0) -> Totals:
        """Return the accounts of the gateway at the last checkpoint.

        Where ``durable``, the last record of the journal, is known, what came since is pending.
        """
        meta = self._of_state(state.load_meta) or _NOTHING_YET
        requeued = meta.position.number - 1 - meta.totals.decided_messages
        received = max(meta.totals.received_messages, durable - requeued)
        return meta.totals._replace(received_messages=received)

    def position(self) -> Position:
        """Return the cursor of the last checkpoint."""
        return (self._of_state(state.load_meta) or _NOTHING_YET).position

    def latest(
        self, profile: str | None = None, device_index: int | None = None
    ) -> list[LatestRow]:
        """Return the newest good reading of every device and profile, or of some."""
        return self._of_state(lambda file: state.load_latest(file, profile, device_index)) or []

    def changed_since(self, token: int) -> tuple[list[LatestRow], int]:
        """Return newest readings written after ``token``, and the next token; begin with 0."""
        return self._of_state(lambda file: state.load_changed(file, token)) or ([], token)

    def readings(  # noqa: PLR0913  # the question an API user asks, word for word
        self,
        profile: str,
        device_index: int | None,
        from_ms: int,
        to_ms: int,
        limit: int,
        after: str | None = None,
        *,
        lineage: bool = False,
    ) -> tuple[ReadingBatch, str | None]:
        """Return readings in [from_ms, to_ms), sorted by (time, device, sequence number).

        Args:
            profile: a known profile.
            device_index: of one device, None = of all.
            from_ms: first time.
            to_ms: end, not included.
            limit: at most so many readings.
            after: what the call before returned, to go on behind its last reading.
            lineage: also readings that a better one of the same device and time hides.

        Raises:
            KeyError: no such profile.
            ValueError: ``after`` is not from this method.
        """
        known = self._profiles[profile]
        query = Query(known.shape, lineage, parse_key(after, 5), device_index, from_ms, to_ms)
        return self._select(profile, len(known.columns), query, limit)

    def rows_of(
        self, profile: str, devices: tuple[int, int], from_ms: int, to_ms: int
    ) -> Iterator[ReadingBatch]:
        """Yield all rows of devices ``first`` to ``last`` in [from_ms, to_ms), page by page.

        In no order, and with those that a better one hides: for whoever chooses himself.
        """
        first, last = devices
        place = (profile, last, first, to_ms, from_ms)
        for day in self._days.days(from_ms // DAY_MS, (to_ms - 1) // DAY_MS):
            for (data,) in self._stream_of_day(day, place):
                try:
                    page = decode_page(data, profile)
                except PageDamagedError:
                    self.damaged_pages += 1
                    continue
                mask = (page.device_index >= first) & (page.device_index <= last)
                yield page.take(mask & (page.time_ms >= from_ms) & (page.time_ms < to_ms))

    def rollups(  # noqa: PLR0913, PLR0917  # as ``readings``
        self,
        profile: str,
        span: str,
        device_index: int | None,
        from_ms: int,
        to_ms: int,
        limit: int,
        after: str | None = None,
    ) -> tuple[ReadingBatch, str | None]:
        """Return rollups of buckets that begin in [from_ms, to_ms), sorted by (time, device).

        Args:
            profile: a known profile, that of the readings.
            span: ``15m`` or ``1d``.
            device_index: as in ``readings``, like all that follow.
            from_ms: first time.
            to_ms: end, not included.
            limit: at most so many.
            after: what the call before returned.

        Returns:
            A batch with the columns of ``shown_profile(profile, span)``.

        Raises:
            KeyError: no such profile or span.
            ValueError: ``after`` is not from this method.
        """
        layout = Layout(self._profiles[profile])
        if span not in SPANS_MS:
            raise KeyError(span)
        query = Query(
            ROLLUP,
            lineage=False,
            after=parse_key(after, 5),
            device_index=device_index,
            from_ms=from_ms,
            to_ms=to_ms,
        )
        stored, following = self._select(name_of(profile, span), layout.width, query, limit)
        return layout.shown(stored), following

    def days(self, from_ms: int, to_ms: int) -> list[int]:
        """Return the UTC days in [from_ms, to_ms) of which there is anything, by number."""
        return self._days.days(from_ms // DAY_MS, (to_ms - 1) // DAY_MS)

    def events(
        self,
        from_ms: int,
        to_ms: int,
        device_index: int | None = None,
        kind: str | None = None,
        limit: int = 1000,
        after: str | None = None,
    ) -> tuple[list[Event], str | None]:
        """Return events in [from_ms, to_ms), sorted by time; ``after`` as in ``readings``."""
        time_ms, number = parse_key(after, 2) or (from_ms, -1)
        place = (max(from_ms, time_ms), to_ms, time_ms, number, device_index, kind)
        found: list[tuple[Any, ...]] = []
        for day in self._days.days(place[0] // DAY_MS, (to_ms - 1) // DAY_MS):
            found += self._of_day(day, _EVENTS, (*place, limit + 1 - len(found)))
            if len(found) > limit:
                break
        events = [Event(*row[1:]) for row in found[:limit]]
        if len(found) <= limit:
            return events, None
        return events, f"{found[limit - 1][1]}.{found[limit - 1][0]}"

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            self._days.close()
            if self._state is not None:
                self._state.close()

    def _select(
        self, profile: str, width: int, query: Query, limit: int
    ) -> tuple[ReadingBatch, str | None]:
        if query.after:
            query = query._replace(from_ms=max(query.from_ms, query.after[0]))
        parts = [empty(profile, width)]
        missing = limit + 1  # one more tells whether there is a next page
        for day in self._days.days(query.from_ms // DAY_MS, (query.to_ms - 1) // DAY_MS):
            shown = select(self._pages(day, profile, query), query, missing)
            if shown is not None:
                parts.append(shown)
                missing -= len(shown)
            if missing <= 0:
                break
        batch = concat(parts)
        if len(batch) <= limit:
            return batch, None
        batch = batch.take(np.arange(limit))
        return batch, format_after(batch)

    def _pages(self, day: int, profile: str, query: Query) -> Iterator[ReadingBatch]:
        first, last = (
            _ANY_DEVICE if query.device_index is None else (query.device_index, query.device_index)
        )
        place = (profile, last, first, query.to_ms, query.from_ms)
        if query.device_index is None:
            pages = self._stream_of_day(day, place)
        else:
            pages = iter(self._of_day(day, _PAGES, place))
        for (data,) in pages:
            try:
                yield decode_page(data, profile)
            except PageDamagedError:
                self.damaged_pages += 1

    def _stream_of_day(self, day: int, place: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """Yield the pages of all devices one by one, at one moment of the day.

        A closed day is sorted by device, so any hour of all devices is in all of its pages:
        100 MB for 10,000 meters with a reading a minute. On a connection of its own, which
        keeps nobody waiting.
        """
        try:
            connection = connect(self._days.path(day), is_writer=False)
        except sqlite3.OperationalError:  # deleted since it was listed
            return
        with closing(connection):
            yield from connection.execute(_PAGES, place)

    def _of_day(self, day: int, sql: str, place: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._lock:
            connection = self._days.get(day)
            return [] if connection is None else connection.execute(sql, place).fetchall()

    def _of_state(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer | None:
        with self._lock:
            if self._state is None:
                try:
                    self._state = state.open_state(self._data_dir, is_writer=False)
                except FileNotFoundError:  # the web process may be up before the first start
                    return None
            return question(self._state)
