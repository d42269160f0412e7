"""SAIDI, SAIFI, CAIDI and MAIFI of months: of the whole grid and of every place in it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy.engine.findings.bodies import encode, number
from gateway.energy.engine.findings.recall import RecallsResults
from gateway.energy.engine.findings.series import DOMAIN, INTERRUPTIONS
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.outages.interruptions import is_open
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.outage import NEVER_MS, Interruption, OutagePolicy, Reliability, reliability
from gateway.model import BoolArray, IntArray
from gateway.ports import Result

RELIABILITY = "reliability"
WHOLE = "grid:all"
_PAGE = 10_000


class Month(NamedTuple):
    """A calendar month."""

    begin_ms: int
    end_ms: int


class Indices:
    """Makes the lines of a month anew from the interruptions that are told.

    Args:
        recall: the interruptions.
        roster: who is a customer of which place.
        policies: how long momentary is.
    """

    def __init__(self, recall: RecallsResults, roster: Roster, policies: EnergyPolicies) -> None:
        self._recall, self._roster, self._policies = recall, roster, policies

    def lines(self, month: Month, now_ms: int) -> Iterator[Result]:
        """Yield a line for each place that has customers; the grid is that of the month's end."""
        at_ms = min(month.end_ms - 1, now_ms)
        is_customer = self._roster.is_customer(at_ms) & self._roster.is_heard()
        policy = self._policies.outage_at(month.begin_ms)
        told = list(self._interruptions(month))
        rows = np.array([one.row for one in told], np.int64)
        for place, node in self._places(at_ms, is_customer):
            customers = int(node.sum())
            if not customers:
                continue
            here = [told[k] for k in np.flatnonzero(node[rows]).tolist()] if told else []
            found = reliability(here, customers, (month.begin_ms, month.end_ms), now_ms, policy)
            yield Result(RELIABILITY, place, month.begin_ms, month.end_ms, _body(found, policy))

    def _places(self, at_ms: int, is_customer: BoolArray) -> Iterator[tuple[str, BoolArray]]:
        """Yield places, and which rows are their customers."""
        yield WHOLE, is_customer
        at = self._roster.places(at_ms)
        levels: tuple[tuple[str, Sequence[str], IntArray], ...] = (
            ("substation", self._roster.substations.names, at.substation),
            ("feeder", self._roster.feeders.names, at.feeder),
            ("transformer", self._roster.transformers.names, at.transformer),
        )
        for level, names, node in levels:
            for number_of, name in enumerate(names):
                yield f"{level}:{name}", is_customer & (node == number_of)

    def _interruptions(self, month: Month) -> Iterator[Interruption]:
        asked = Result(INTERRUPTIONS, "", month.begin_ms, month.end_ms, "")
        rows = {one.name: row for row, one in enumerate(self._roster.watched)}
        after = (-1, "")
        while page := self._recall.results(DOMAIN, asked, _PAGE, after):
            for one in page:
                row = rows.get(one.place.removeprefix("device:"))
                if row is not None and "withdrawn" not in one.body:
                    end_ms = NEVER_MS if is_open(one) else one.to_ms
                    yield Interruption(row, one.from_ms, end_ms)
            after = (page[-1].from_ms, page[-1].place)
            if len(page) < _PAGE:
                return


def _body(found: Reliability, policy: OutagePolicy) -> str:
    body: dict[str, object] = {
        "customers": found.customers,
        "sustained": found.sustained,
        "momentary": found.momentary,
        "customer_minutes": number(found.minutes),
        "momentary_up_to_s": policy.momentary_max_s,
    }
    for name in ("saidi_min", "saifi", "caidi_min", "maifi"):
        value: float | None = getattr(found, name)
        body[name] = None if value is None else round(value, 6)
    return encode(body)
