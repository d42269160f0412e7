"""What is to be called out now: each alarm that lasts, minute by minute, by kind and place.

Whether an alarm lasts is a point of its own time, and no correction of the point at which the alarm
began: VictoriaMetrics may keep the value that was corrected (docs/sinks.md), and to a rule the next
alarm at that place would be the old one that never ended. What is but a moment (a wrong-way driver)
stands for five minutes, or no rule would ever see it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.ports import Alarm
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point
from gateway.store.alarms import AlarmFilter, AlarmReader, KeptAlarm, State
from gateway.store.derived import AlarmQuery, DerivedReader

_MOST_ALARMS = 100_000  # open at once; a storm of more tells its size by that
_DAY_MS = 86_400_000
_FOREVER_MS = 1 << 53
_MOMENT_MS = 300_000  # several evaluations of a rule, and what a first answer to it takes

Key = tuple[str, str, str]  # domain, kind, place


class Lasting(NamedTuple):
    """An alarm that lasts."""

    domain: str
    kind: str
    place: str
    severity: int
    confidence: float

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.domain, self.kind, self.place


class Standing:
    """Asks what lasts, and remembers what is still to be told as over.

    That is more than what lasted the minute before: at a full disk minutes are lost, and of their
    lines nobody knows which will go later. Only ``written`` says that what is over was told.

    Args:
        derived: findings.
        places: tags.
        domains: sectors that are worked on.
        kept: alarms with their life; None where nobody keeps them.
    """

    def __init__(
        self,
        derived: DerivedReader,
        places: Places,
        domains: tuple[str, ...],
        kept: AlarmReader | None,
    ) -> None:
        self._derived, self._places, self._kept = derived, places, kept
        self._domains = domains
        # lasts for all a database may know; None: at our start nobody knows
        self._told: set[Key] | None = None
        self._now: set[Key] = set()  # of the moment that was asked of last

    @property
    def has_lives(self) -> bool:
        """Return whether somebody keeps alarms, those of the gateway itself among them."""
        return self._kept is not None and self._kept.last_change() > 0

    def lasting(self) -> list[Lasting]:
        """Return what lasts, without what a maintenance window keeps quiet."""
        if self._kept is not None and self.has_lives:
            return [_of_kept(one) for one in self._kept.open(_MOST_ALARMS) if not one.suppressed]
        query = AlarmQuery(0, _FOREVER_MS, None, is_open=True)
        return [
            _of_finding(domain, told.alarm)
            for domain in self._domains
            for told in self._derived.alarms(domain, query, _MOST_ALARMS)
        ]

    def points(self, time_ms: int) -> Iterator[Point]:
        """Yield what lasts, and once more what lasted before and is over.

        Until ``written`` is called (the disk was full) what is over is said again, at any moment.
        """
        worst: dict[Key, Lasting] = {}
        for one in (*self.lasting(), *self._moments(time_ms)):
            known = worst.get(one.key)
            if known is None or known.severity < one.severity:
                worst[one.key] = one
        told = self._told if self._told is not None else self._lately_over(time_ms)
        self._now = set(worst)
        self._told = told | self._now
        for one in worst.values():
            fields = {"severity": float(one.severity), "confidence": float(one.confidence)}
            yield self._point(one.key, {"lasts": 1.0, **fields}, time_ms)
        for key in sorted(self._told - self._now):
            yield self._point(key, {"lasts": 0.0}, time_ms)

    def written(self) -> None:
        """Take note that all points of the last moment are durable: those of the end, too."""
        self._told = self._now

    def _point(self, key: Key, fields: dict[str, float | None], time_ms: int) -> Point:
        domain, kind, place = key
        tags = {"domain": domain, "kind": kind, **self._places.place(place, time_ms)}
        return Point("alarm_standing", tags, fields, time_ms)

    def _moments(self, time_ms: int) -> list[Lasting]:
        """Return what was over as soon as it had begun, a few minutes ago."""
        found = self._over_since(time_ms - _MOMENT_MS)
        return [one for one, is_moment in found if is_moment]

    def _lately_over(self, time_ms: int) -> set[Key]:
        """Return what may have ended while nobody told."""
        return {one.key for one, _ in self._over_since(time_ms - _DAY_MS)}

    def _over_since(self, since_ms: int) -> list[tuple[Lasting, bool]]:
        """Return what ended since then, and whether it had lasted at all."""
        if self._kept is not None and self.has_lives:
            asked = AlarmFilter(since_ms, state=State.CLEARED, is_suppressed=False)
            return [
                (_of_kept(one), one.cleared_ms == one.last_raised_ms)
                for one in self._kept.list(asked, _MOST_ALARMS)
            ]
        query = AlarmQuery(since_ms, _FOREVER_MS)
        return [
            (_of_finding(domain, one), one.cleared_ms == one.raised_ms)
            for domain in self._domains
            for one in (told.alarm for told in self._derived.alarms(domain, query, _MOST_ALARMS))
            if one.cleared_ms
        ]


def _of_kept(one: KeptAlarm) -> Lasting:
    return Lasting(one.domain, one.kind, one.place, one.severity, one.confidence)


def _of_finding(domain: str, one: Alarm) -> Lasting:
    return Lasting(domain, one.kind, one.place, one.severity, one.confidence)
