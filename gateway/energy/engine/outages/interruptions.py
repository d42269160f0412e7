"""Whose power was gone from when to when: lines that outlive the horizon of the outage watch."""

from collections.abc import Iterable, Sequence

from gateway.energy.engine.findings.bodies import encode
from gateway.energy.engine.findings.recall import RecallsResults
from gateway.energy.engine.findings.series import DOMAIN, INTERRUPTIONS
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.outage import Interruption
from gateway.ports import Result

_MOST_LINES = 100_000
_WITHDRAWN = "withdrawn"
Key = tuple[str, int]  # place, begin


class Interruptions:
    """What was told of customers, and what has changed since."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._told: dict[Key, Result] = {}
        self._since_ms = 0

    def recall(self, derived: RecallsResults, asked: Result) -> None:
        """Take over what an earlier life told since a moment."""
        lines = derived.results(DOMAIN, asked._replace(series=INTERRUPTIONS), _MOST_LINES)
        self._told = {(one.place, one.from_ms): one for one in lines if _WITHDRAWN not in one.body}
        self._since_ms = asked.from_ms

    def update(
        self, found: Iterable[Interruption], now_ms: int
    ) -> tuple[list[Result], list[tuple[int, int, int]]]:
        """Return the lines that are new, changed or taken back; device, begin and end of each."""
        stand: dict[Key, tuple[Result, int]] = {}
        for one in found:
            watched = self._roster.watched[one.row]
            line = line_of(watched.name, one.begin_ms, one.end_ms, now_ms)
            stand[line.place, line.from_ms] = line, watched.device_index
        changed = [
            (line, index) for key, (line, index) in stand.items() if self._told.get(key) != line
        ]
        lines = [line for line, _ in changed]
        touched = [
            (index, line.from_ms, now_ms if is_open(line) else line.to_ms)
            for line, index in changed
        ]
        horizon_ms = min((line.from_ms for line, _ in stand.values()), default=now_ms)
        gone = (self._told[key] for key in self._told.keys() - stand.keys())
        # what the watch has let go of is over; what began later than that it takes back
        untold = [one for one in gone if one.from_ms >= min(horizon_ms, now_ms) or is_open(one)]
        body = encode({_WITHDRAWN: True})
        lines += [one._replace(to_ms=one.from_ms, body=body) for one in untold]
        touched += self._spans(untold, now_ms)
        self._told = {key: line for key, (line, _) in stand.items()}
        return lines, touched

    def _spans(self, lines: Sequence[Result], now_ms: int) -> list[tuple[int, int, int]]:
        """Return device, begin and end of lines; one that lasts, up to now."""
        watched = self._roster.watched if lines else ()
        index_of = {f"device:{one.name}": one.device_index for one in watched}
        return [
            (index_of[one.place], one.from_ms, now_ms if is_open(one) else one.to_ms)
            for one in lines
            if one.place in index_of
        ]


def line_of(name: str, begin_ms: int, end_ms: int, now_ms: int) -> Result:
    """Return an interruption; one that ends after now lasts, and has no length yet."""
    if end_ms > now_ms:
        body: dict[str, object] = {"is_open": True}
        return Result(INTERRUPTIONS, f"device:{name}", begin_ms, begin_ms, encode(body))
    body = {"is_open": False, "minutes": round((end_ms - begin_ms) / 60_000, 2)}
    return Result(INTERRUPTIONS, f"device:{name}", begin_ms, end_ms, encode(body))


def is_open(line: Result) -> bool:
    """Return whether an interruption lasts."""
    return line.to_ms <= line.from_ms
