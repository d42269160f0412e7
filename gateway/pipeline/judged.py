"""The fate of every row of a run, and from it that of every message."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gateway.ledger import Ledger, Mark
from gateway.model import NO_SEQ, BoolArray, DecodedBatch, Event, IntArray
from gateway.pipeline.accounts import Fate
from gateway.screen import Refusal, Screen

NO_FATE = -1  # counted before: a row or message that comes again beside what was refused of it

Rows = Mapping[int, frozenset[int] | None]
"""Records put back from quarantine: which of their rows are wanted, None = all."""


class Judged:
    """The batches of a run with a fate for each row; rows of one record lie together."""

    def __init__(self, batches: Sequence[DecodedBatch]) -> None:
        self.batches = batches
        self.fates: list[IntArray] = []
        self._refusals: list[dict[int, Refusal]] = []

    @classmethod
    def of(
        cls,
        batches: Sequence[DecodedBatch],
        screen: Screen,
        ledger: Ledger,
        marks: Sequence[Mark],
        again: Rows,
    ) -> "Judged":
        """Pass batches through screen and ledger."""
        judged = cls(batches)
        wanted = judged._wanted(again)
        asked, mistimed, places = [], [], []
        for batch, (is_skipped, is_forced) in zip(batches, wanted, strict=True):
            verdict = screen.check(batch)
            fates = np.where(verdict.is_refused, int(Fate.QUARANTINED), int(Fate.STORED))
            fates[is_skipped] = NO_FATE
            judged.fates.append(fates)
            judged._refusals.append({refusal.row: refusal for refusal in verdict.refusals})
            if is_forced.any():
                ledger.believe(batch.take(is_forced & ~verdict.is_mistimed))
            # a refused row without number has no identity that could be remembered
            is_asked = (batch.readings.seq != NO_SEQ) | ~verdict.is_refused
            is_asked &= ~(is_skipped | is_forced)
            if is_asked.all():
                asked.append(batch)
                mistimed.append(verdict.is_mistimed)
                places.append(np.arange(len(fates)))
            else:
                places.append(np.flatnonzero(is_asked))
                asked.append(batch.take(places[-1]))
                mistimed.append(verdict.is_mistimed[places[-1]])
        answers = ledger.screen(asked, mistimed, marks)
        for batch, fates, place, answer in zip(batches, judged.fates, places, answers, strict=True):
            fates[place[~answer.is_fresh]] = Fate.DUPLICATE
            batch.readings.reasons[place] |= answer.reasons
        return judged

    def stored(self) -> Iterator[DecodedBatch]:
        """Yield the rows that go on to validation."""
        for batch, fates in zip(self.batches, self.fates, strict=True):
            is_stored = fates == Fate.STORED
            if is_stored.all():
                yield batch
            elif is_stored.any():
                yield batch.take(is_stored)

    def devices_of(self, fate: Fate) -> Iterator[IntArray]:
        """Yield the devices of all rows with a fate."""
        for batch, fates in zip(self.batches, self.fates, strict=True):
            yield batch.readings.device_index[fates == fate]

    def refusals_of(self, number: int) -> tuple[list[Refusal], int]:
        """Return what was refused of a message, by row of the message, and how many rows it has."""
        refused: list[Refusal] = []
        size = 0
        for place, start, end in self._parts_of(number):
            for row in range(start, end):
                if self.fates[place][row] == Fate.QUARANTINED:
                    refusal = self._refusals[place][row]
                    refused.append(refusal._replace(row=size + row - start))
            size += end - start
        return refused, size

    def _wanted(self, again: Rows) -> list[tuple[BoolArray, BoolArray]]:
        """Return which rows are not to come again, and which the ledger must not refuse."""
        masks = [
            (np.zeros(len(batch.boot), np.bool_), np.zeros(len(batch.boot), np.bool_))
            for batch in self.batches
        ]
        for number, rows in again.items():
            if rows is None:
                continue
            size = 0
            for place, start, end in self._parts_of(number):
                is_named = np.array([size + row - start in rows for row in range(start, end)])
                is_skipped, is_forced = masks[place]
                is_skipped[start:end] = ~is_named
                has_number = self.batches[place].readings.seq[start:end] != NO_SEQ
                is_forced[start:end] = is_named & has_number
                size += end - start
        return masks

    def _parts_of(self, number: int) -> Iterator[tuple[int, int, int]]:
        for place, batch in enumerate(self.batches):
            record = batch.readings.record
            start = int(np.searchsorted(record, number))
            end = int(np.searchsorted(record, number, side="right"))
            if end > start:
                yield place, start, end


class Messages:
    """The messages of a run: whose they are, and what their rows make of them."""

    def __init__(self, numbers: Sequence[int], judged: Judged, events: Sequence[Event]) -> None:
        self._numbers = np.array(numbers, np.int64)
        self.device = np.full(len(numbers), -1, np.int64)
        self.has_event = np.zeros(len(numbers), np.bool_)
        self.has_rows = np.zeros(len(numbers), np.bool_)
        self.rows = np.zeros((len(numbers), len(Fate)), np.int64)
        records = np.array([event.record for event in events], np.int64)
        devices = np.array([event.device_index for event in events], np.int64)
        self.has_event[self._own(records, devices)] = True
        for batch, fates in zip(judged.batches, judged.fates, strict=True):
            place = self._own(batch.readings.record, batch.readings.device_index)
            self.has_rows[place] = True
            for fate in Fate:
                self.rows[:, fate] += np.bincount(place[fates == fate], minlength=len(numbers))

    def is_empty(self) -> BoolArray:
        """Return which messages brought nothing at all."""
        return ~(self.has_rows | self.has_event)

    def fates(self) -> IntArray:
        """Return the fate of each message: stored if anything of it is, then quarantined."""
        is_stored = (self.rows[:, Fate.STORED] > 0) | self.has_event
        is_quarantined = self.rows[:, Fate.QUARANTINED] > 0
        rest = np.where(is_quarantined, int(Fate.QUARANTINED), int(Fate.DUPLICATE))
        return np.where(is_stored, int(Fate.STORED), rest)

    def _own(self, records: IntArray, devices: IntArray) -> IntArray:
        place = np.searchsorted(self._numbers, records)
        # backwards, so that a message with several devices counts for the first of them
        self.device[place[::-1]] = devices[::-1]
        return place
