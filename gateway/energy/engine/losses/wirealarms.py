"""Alarms of meters at the wrong transformer: each stands until registry or wire is mended."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.energy.engine.findings.bodies import encode, number
from gateway.ports import Alarm

KIND = "wrong_transformer"
_SEVERITY = 2
_BY_VOLTAGE = 0.8  # a warning, no proof
_MOST_NATS = 50.0


class Found(NamedTuple):
    """What is known of one meter."""

    meter: int  # row of the names
    best: int  # row of the places: where it hangs
    registered: int
    gain: float  # log likelihood of the energies, nats; 0 where they say nothing
    correlation: float  # of its voltage with the place it follows
    with_registered: float  # and with the one of the registry


class WireAlarms:
    """What was told and has not ended.

    Args:
        told: open alarms.
    """

    def __init__(self, told: Iterable[Alarm]) -> None:
        self._told = {alarm.place: alarm for alarm in told}

    def update(
        self,
        names: Sequence[str],
        places: Sequence[str],
        found: Iterable[Found],
        span: tuple[int, int],
        now_ms: int,
    ) -> list[Alarm]:
        """Return the alarms that are new, go on, or are over.

        Args:
            names: of the meters.
            places: transformers, "transformer:tba-1".
            found: what is known now; meters of which nothing is known stay as they are.
            span: the time that was looked at, ms.
            now_ms: the moment.
        """
        lines = []
        for one in found:
            place = f"device:{names[one.meter]}"
            known = self._told.get(place)
            if one.best != one.registered:
                raised_ms = span[0] if known is None else known.raised_ms
                lines.append(_line(place, raised_ms, one, places, now_ms))
            elif known is not None:
                lines.append(known._replace(cleared_ms=span[1]))
        return lines


def _line(place: str, raised_ms: int, one: Found, places: Sequence[str], now_ms: int) -> Alarm:
    evidence: dict[str, object] = {
        "registered": places[one.registered],
        "seems_at": places[one.best],
        "energy_nats": number(one.gain),
        "voltage_correlation": number(one.correlation),
        "registered_correlation": number(one.with_registered),
    }
    by_energy = 1 - math.exp(-min(one.gain, _MOST_NATS))
    confidence = round(max(by_energy, _BY_VOLTAGE), 4)
    return Alarm(KIND, place, raised_ms, now_ms, 0, _SEVERITY, confidence, encode(evidence))
