"""Alarms as they were told: what is found again is the same line, what is not is withdrawn."""

from collections.abc import Iterable

import msgspec

from gateway.ports import Alarm

DOMAIN = "transport"
ALARMS_MS = 48 * 3_600_000  # what was over before is not found again

Key = tuple[str, str, int]  # kind, place, raised
WITHDRAWN = "withdrawn"


class AlarmBook:
    """Alarms of intervals, which may be worked out again.

    Args:
        told: what an earlier life told: those open, and those found of late.
    """

    def __init__(self, told: Iterable[Alarm] = ()) -> None:
        self._told: dict[Key, Alarm] = {_key(one): one for one in told}
        self._doubted: dict[Key, Alarm] = {}
        self._reopened: set[Key] = set()
        self._until_ms = 0

    def doubt(self, from_ms: int, until_ms: int) -> None:
        """Intervals from a moment on are worked out again: what was found since may be no more."""
        for key, one in self._told.items():
            if one.found_ms > from_ms:
                self._doubted.setdefault(key, one)
            elif one.cleared_ms > from_ms:  # that it is over was found since
                self._told[key] = one._replace(cleared_ms=0)
                self._reopened.add(key)
        self._until_ms = max(self._until_ms, until_ms)

    def tell(self, found: Iterable[Alarm], end_ms: int) -> list[Alarm]:
        """Return what is new or has changed by an interval that ends then."""
        fresh = []
        for one in found:
            key = _key(one)
            before = self._told.get(key)
            kept = one if before is None else one._replace(found_ms=before.found_ms)
            if kept != before or key in self._reopened:
                fresh.append(kept)
            self._told[key] = kept
            self._doubted.pop(key, None)
            self._reopened.discard(key)
        if end_ms >= self._until_ms and (self._doubted or self._reopened):
            fresh += self._settle()
        return fresh

    def open(self) -> list[Alarm]:
        """Return those that last."""
        return [one for one in self._told.values() if not one.cleared_ms]

    def lasting(self, from_ms: int, to_ms: int) -> list[Alarm]:
        """Return those that lasted some time between two moments."""
        return [
            one
            for one in self._told.values()
            if one.raised_ms < to_ms and (not one.cleared_ms or one.cleared_ms > from_ms)
        ]

    def forget(self, before_ms: int) -> None:
        """Drop those that were over before a moment."""
        gone = [key for key, one in self._told.items() if 0 < one.cleared_ms < before_ms]
        for key in gone:
            del self._told[key]

    def _settle(self) -> list[Alarm]:
        """Return what is no more after all, and what is not over after all."""
        withdrawn = [self._told[key] for key in self._reopened]
        self._reopened = set()
        for key, one in self._doubted.items():
            evidence = msgspec.json.decode(one.evidence) | {WITHDRAWN: True}
            ended = one._replace(
                cleared_ms=one.cleared_ms or one.found_ms,
                evidence=msgspec.json.encode(evidence).decode(),
            )
            del self._told[key]
            withdrawn.append(ended)
        self._doubted = {}
        return withdrawn


def _key(alarm: Alarm) -> Key:
    return alarm.kind, alarm.place, alarm.raised_ms
