"""The numbers behind an alarm, put in order: facts, weights, suspects, who is concerned."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.board.looks.alarms import AlarmLine

# what has a table or a line of its own
_TABLES = frozenset({"suspects", "names", "facts", "nats", "withdrawn", "queue_stations"})
MOST_NAMES = 2000  # of a feeder; a table pages through them


class Weight(NamedTuple):
    """A kind of fact that speaks for or against an alarm."""

    name: str
    times: int | None
    nats: float


class Suspect(NamedTuple):
    """A meter that may hide energy."""

    device: str
    share: float | None  # of its use
    sigmas: float | None
    hidden_wh: float | None
    reasons: Sequence[str]


class Evidence(NamedTuple):
    """Everything an alarm knows."""

    facts: Sequence[tuple[str, Any]]  # name with its unit, value
    weights: Sequence[Weight]
    suspects: Sequence[Suspect]
    devices: Sequence[str]
    stations: Sequence[str]


def evidence_of(alarm: AlarmLine) -> Evidence:
    """Return the evidence of an alarm, whatever kind it is."""
    told = alarm.evidence
    facts = [
        (name, value)
        for name, value in told.items()
        if name not in _TABLES and value is not None and not isinstance(value, dict)
    ]
    names = [str(one) for one in told.get("names") or () if isinstance(one, str)]
    if not names and alarm.place.startswith("device:"):
        names = [alarm.place.removeprefix("device:")]
    return Evidence(
        facts,
        _weights(told),
        [_suspect(one) for one in told.get("suspects") or () if isinstance(one, dict)],
        names[:MOST_NAMES],
        [
            str(one)
            for one in (told.get("after_station"), *(told.get("queue_stations") or ()))
            if one
        ],
    )


def _weights(told: Mapping[str, Any]) -> list[Weight]:
    found = [
        Weight(name, int(pair[0]), float(pair[1]))
        for name, pair in (told.get("facts") or {}).items()
        if isinstance(pair, list) and len(pair) == 2  # noqa: PLR2004  # times and nats
    ]
    found += [Weight(name, None, float(nats)) for name, nats in (told.get("nats") or {}).items()]
    return sorted(found, key=lambda one: -abs(one.nats))


def _suspect(one: Mapping[str, Any]) -> Suspect:
    return Suspect(
        str(one.get("device")),
        *(one.get("share"), one.get("confidence_sigmas"), one.get("hidden_wh")),
        [str(reason) for reason in one.get("reasons") or ()],
    )
