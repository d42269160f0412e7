"""Who may be behind a loss: meters that count at the place, and what else speaks against them."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gateway.energy import loss
from gateway.energy.engine.days.halfhours import placed
from gateway.energy.engine.findings.bodies import number
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.grid.metering import metering
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.losses.books import Models, joined
from gateway.energy.engine.policies import EnergyPolicies
from gateway.model import BoolArray, Event, FloatArray, IntArray

_FOREVER_MS = 1 << 53
_PAGE, _MOST_PAGES = 10_000, 20  # of events; a storm brings no more in the days of a loss


class Remembering(Protocol):
    """``store.StoreReader``."""

    def events(
        self,
        from_ms: int,
        to_ms: int,
        device_index: int | None = None,
        kind: str | None = None,
        limit: int = ...,
        after: str | None = None,
    ) -> tuple[list[Event], str | None]:
        """Return events by time."""


class Books(NamedTuple):
    """What is known of all places."""

    places: Sequence[str]
    days: dict[int, loss.Balance]
    models: Models


class Suspecting:
    """Ranks suspects.

    Args:
        recall: what days left behind.
        events: what meters said of themselves.
        roster: which meter hangs where.
        policies: the calendar.
    """

    def __init__(
        self, recall: RecallsMemos, events: Remembering, roster: Roster, policies: EnergyPolicies
    ) -> None:
        self._recall, self._events = recall, events
        self._roster, self._policies = roster, policies

    def behind(
        self, books: Books, policy: loss.LossPolicy
    ) -> Callable[[int, int], dict[str, object]]:
        """Return who gives the evidence of a loss: of a row of places, and the day it began."""

        def evidence(node: int, since: int) -> dict[str, object]:
            return self._evidence(node, since, books, policy)

        return evidence

    def _evidence(
        self, node: int, since: int, books: Books, policy: loss.LossPolicy
    ) -> dict[str, object]:
        days, models = books.days, books.models
        # the day on which it began was partly honest
        after = [d for d in sorted(days) if d > since][: policy.suspect_days]
        stop = int(models.stop_day[node])
        before = [d for d in sorted(days) if d < stop][-policy.suspect_days :]
        if not after or not before:
            return {}
        start_ms = self._policies.calendar.start_ms
        standing, place = metering(self._roster, start_ms(after[-1])), books.places[node]
        meters = standing.below(place)
        usual = [placed(self._recall, self._roster, d, meters).energy_wh for d in before]
        whole = joined([days[d] for d in after])
        residual = (whole.loss_wh - models.model.technical_wh(whole.in_wh))[node]
        heads = self._shown(after, standing.heads(place))
        head = loss.Metered(
            heads.energy_wh.sum(axis=0, keepdims=True),
            np.asarray(heads.is_measured.all(axis=0, keepdims=True)),
        )
        begin_ms = start_ms(since - policy.corroboration.tamper_days_before)
        # the registry does not say who may feed in: nobody is suspected of it
        signs = loss.Signs(self._tampered(meters, begin_ms, policy), np.ones(len(meters), np.bool_))
        shown = self._shown(after, meters)
        found = loss.suspects(residual, head, shown, _mean(usual), signs, policy)
        return told(found, [self._roster.name(index) for index in meters.tolist()])

    def _shown(self, days: Sequence[int], meters: IntArray) -> loss.Metered:
        """Return what meters (ascending) showed on some days, side by side."""
        parts = [placed(self._recall, self._roster, day, meters) for day in days]
        return loss.Metered(*(np.concatenate(one, axis=1) for one in zip(*parts, strict=True)))

    def _tampered(self, meters: IntArray, from_ms: int, policy: loss.LossPolicy) -> BoolArray:
        """Return which meters said that somebody was at them since the days of the loss."""
        row_of = {index: row for row, index in enumerate(meters.tolist())}
        told = [
            (row_of[event.device_index], event.code)
            for event in self._events_since(from_ms)
            if event.device_index in row_of
        ]
        rows, codes = np.array(told, np.int64).reshape(-1, 2).T
        return loss.tampered(rows, codes, len(meters), policy)

    def _events_since(self, from_ms: int) -> Iterator[Event]:
        after: str | None = None
        for _ in range(_MOST_PAGES):
            events, after = self._events.events(
                from_ms, _FOREVER_MS, kind="event", limit=_PAGE, after=after
            )
            yield from events
            if after is None:
                return


def _mean(days: Sequence[FloatArray]) -> FloatArray:
    """Return the mean of days by slot, of what is known; zero where nothing is."""
    whole = np.stack(days)
    known = np.isfinite(whole)
    count = known.sum(axis=0)
    total = np.where(known, whole, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.zeros_like(total), where=count > 0))


def told(found: loss.Suspicion, names: Sequence[str]) -> dict[str, object]:
    """Return suspects as evidence."""
    return {
        "missing_wh": number(found.missing_wh),
        "unmetered_wh": number(found.unmetered_wh),
        "suspects": [
            {
                "device": names[one.meter],
                "share": number(one.share),
                "confidence_sigmas": number(one.confidence),
                "hidden_wh": number(one.hidden_wh),
                "reasons": list(one.reasons),
            }
            for one in found.suspects
        ],
    }
