"""What is new in the store: facts for the outage watch, and days that must be worked out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import told
from gateway.energy.engine.days.pieces import GROUP, Piece, Pieces, of_mains
from gateway.energy.engine.days.recorders import is_recorder
from gateway.energy.engine.days.sheets import Sheets
from gateway.energy.engine.grid.roster import SECTOR, Roster, is_billed, is_told
from gateway.energy.engine.house import House
from gateway.energy.engine.outages.hearing import facts_of_events, facts_of_readings
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.outage import Facts
from gateway.model import Event, ReadingBatch
from gateway.ports import Changes

CATCH_UP_MS = 6 * 3_600_000  # of readings in a step, where too much came at once
LAST_GASP = 99
_EVERYBODY = (0, 1 << 53)


class Unmet(NamedTuple):
    """What is visible already of devices that the next checkpoint will name: a second's worth."""

    readings: Sequence[ReadingBatch] = ()
    events: Sequence[Event] = ()

    @property
    def is_any(self) -> bool:
        """Return whether anything waits."""
        return bool(self.readings or self.events)


class News:
    """Takes in what the analyst hands over.

    Args:
        house: the store.
        policies: of the calendar and of the watch.
        roster: who is known; it learns.
        pieces: the queue; it grows.
        newest_ms: time of the newest reading of each device; it is kept up.
        sheets: the days in hand; they are kept up.
    """

    def __init__(
        self,
        house: House,
        policies: EnergyPolicies,
        roster: Roster,
        pieces: Pieces,
        newest_ms: dict[int, int],
        sheets: Sheets,
    ) -> None:
        self._house, self._policies, self._roster = house, policies, roster
        self._pieces, self._newest_ms, self._sheets = pieces, newest_ms, sheets
        energy = [one for one in house.profiles.values() if one.sector == SECTOR]
        self.meters = {one.name for one in energy if is_billed(one)}
        self.worked = self.meters | {one.name for one in energy if is_recorder(one)}
        # a file speaks of days that are over: no sign of life, and its lack is no silence
        self._told = {one.name for one in energy if is_told(one)}
        self._heard = {one.name for one in energy if one.shape == "series"} - self._told
        # what detectors at a cabinet send shows that it has power
        series = {one.name for one in house.profiles.values() if one.shape == "series"}
        self._signs_of_life = series - self._told
        self._top = -1  # highest device index that the store has told a name of
        self._unmet = Unmet()
        self._strangers: set[int] = set()
        self.to_read: list[tuple[int, int]] = []  # times, for the watch; oldest first

    @property
    def is_behind(self) -> bool:
        """Return whether something of what came is not taken in yet."""
        return bool(self.to_read) or self._unmet.is_any

    def take_in(self, changes: Changes, now_ms: int) -> tuple[list[Facts], bool]:
        """Note which days are touched; return the facts for the watch, and if its tree is new."""
        is_new = self._meet(changes, now_ms)
        ours = [b for b in (*self._unmet.readings, *(changes.readings or ())) if self._is_ours(b)]
        readings, events, self._unmet = _parted(
            ours, [*self._unmet.events, *changes.events], self._top
        )
        for batch in readings:
            is_new |= self._roster.sends(batch.device_index, batch.profile)
        for event in events:
            if event.code == LAST_GASP and event.device_index in self._roster.row_of:
                is_new |= self._roster.has_gasped(event.device_index)
        facts = [facts_of_events(events, self._roster)] if events else []
        if changes.readings is None:
            self._sheets.forget()
            self._take_spans(changes.spans, now_ms)
        for batch in readings:
            self._take_batch(batch, now_ms)
            if batch.profile not in self._told:
                facts.append(self._facts(batch))
        return facts + self._catch_up(), is_new

    def _is_ours(self, batch: ReadingBatch) -> bool:
        return batch.profile in self._listened() | self._told

    def _listened(self) -> set[str]:
        return self._signs_of_life if self._roster.has_cabinets else self._heard

    def _meet(self, changes: Changes, now_ms: int) -> bool:
        """Learn who there is; return whether anything is new."""
        house, is_new = self._house, False
        seen = [event.device_index for event in changes.events]
        seen += [int(batch.device_index.max(initial=-1)) for batch in changes.readings or ()]
        is_due = max(seen, default=-1) > self._top or self._sees_strangers(changes)
        if self._unmet.is_any or changes.readings is None or is_due:
            rows = house.reader.devices()
            is_new = self._roster.take(rows, now_ms)
            self._top = max((row.device_index for row in rows), default=-1)
        if changes.readings is None:
            for row in house.reader.latest():
                if row.profile in self._listened() | self._told:
                    is_new |= self._roster.sends(np.array([row.device_index]), row.profile)
                    self._hear(row.device_index, row.time_ms)
        return is_new

    def _sees_strangers(self, changes: Changes) -> bool:
        """Return whether a known device, not of energy so far, sends a register for once."""
        senders = {
            index
            for batch in changes.readings or ()
            if batch.profile in self.meters
            for index in np.unique(batch.device_index).tolist()
        }
        strangers = senders - self._roster.row_of.keys() - self._strangers
        self._strangers |= strangers  # looked up once: a registry may want it to stay as it is
        return bool(strangers)

    def _take_spans(self, spans: Mapping[str, Sequence[tuple[int, int]]], now_ms: int) -> None:
        """Note all meters for all days of the spans; read the newest time again for the watch."""
        calendar = self._policies.calendar
        horizon_ms = self._policies.outage_at(now_ms).horizon_h * 3_600_000
        everybody = np.array(self._roster.order(), np.int64)
        top = int(everybody.max(initial=-1))
        for profile in self.worked & spans.keys():
            groups = range(top // GROUP + 1)
            for low_ms, high_ms in spans[profile]:
                size = self._policies.vee_at(low_ms).interval_size
                back_ms = size.longest_ms if profile in self._told else 1
                edges = calendar.day(np.array([low_ms - back_ms, high_ms]))
                days = range(int(edges[0]), int(edges[1]) + 1)
                pieces = [Piece(day, profile, group) for day in days for group in groups]
                self._pieces.add(pieces, now_ms, at_once=True)
                for day in days:
                    mains = of_mains(self._roster, everybody, np.full(len(everybody), day))
                    self._pieces.add(mains, now_ms, at_once=True)
        begins = range(now_ms - horizon_ms, now_ms, CATCH_UP_MS)
        self.to_read = [(at, min(at + CATCH_UP_MS, now_ms + 1)) for at in begins]

    def _take_batch(self, batch: ReadingBatch, now_ms: int) -> None:
        if batch.profile not in self.worked:
            return
        self._sheets.take(batch)
        calendar = self._policies.calendar
        group = batch.device_index // GROUP
        # a reading at midnight ends one day and begins the next, and one soon behind midnight may
        # bridge it; an interval lies before its time
        bridge_ms = self._policies.vee_at(now_ms).interval_size.bridge_ms
        times_ms = batch.time_ms - max(bridge_ms, 1), batch.time_ms
        if batch.profile in self._told:
            begins_ms = told.begins_ms(self._house.profiles[batch.profile], batch)
            times_ms = begins_ms, batch.time_ms - 1
        for time_ms in times_ms:
            places = np.unique(np.stack([calendar.day(time_ms), group]), axis=1)
            touched = [Piece(day, batch.profile, of) for day, of in places.T.tolist()]
            self._pieces.add(touched, now_ms)
            mains = of_mains(self._roster, batch.device_index, calendar.day(time_ms))
            self._pieces.add(mains, now_ms)
        order = np.argsort(batch.time_ms, kind="stable")
        newest = zip(batch.device_index[order].tolist(), batch.time_ms[order].tolist(), strict=True)
        for index, time_ms in dict(newest).items():
            self._hear(index, time_ms)

    def _hear(self, device_index: int, time_ms: int) -> None:
        heard_ms = self._newest_ms
        heard_ms[device_index] = max(heard_ms.get(device_index, 0), time_ms)

    def _catch_up(self) -> list[Facts]:
        if not self.to_read:
            return []
        span = self.to_read.pop(0)
        rows_of = self._house.reader.rows_of
        return [
            self._facts(page)
            for profile in sorted(self._listened())
            for page in rows_of(profile, _EVERYBODY, *span)
            if len(page)
        ]

    def _facts(self, batch: ReadingBatch) -> Facts:
        nominal_v = self._policies.vee_at(int(batch.time_ms[0])).meter.nominal_v
        profile = self._house.profiles[batch.profile]
        return facts_of_readings(batch, profile, self._roster, nominal_v)


def _parted(
    readings: Sequence[ReadingBatch], events: Sequence[Event], top: int
) -> tuple[list[ReadingBatch], list[Event], Unmet]:
    """Return what is of devices with a name, and what must wait for the next checkpoint."""
    met = [batch.take(batch.device_index <= top) for batch in readings]
    unmet = [batch.take(batch.device_index > top) for batch in readings]
    return (
        [batch for batch in met if len(batch)],
        [event for event in events if event.device_index <= top],
        Unmet(
            [batch for batch in unmet if len(batch)],
            [event for event in events if event.device_index > top],
        ),
    )
