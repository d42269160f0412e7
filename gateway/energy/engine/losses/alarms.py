"""Alarms of losses: raised on the day they began, under one name until they are over."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gateway.energy import loss
from gateway.energy.calendar import DAY_MS, Calendar
from gateway.energy.engine.findings.bodies import encode, number
from gateway.ports import Alarm

KIND = "loss"
_SEVERITY = 3


class Case(NamedTuple):
    """The course of all places over days, and who may be behind it."""

    places: Sequence[str]  # "transformer:tba-1", "feeder:f-1" …
    days: Sequence[int]  # local day numbers
    course: loss.Course
    suspects: Callable[[int, int], dict[str, object]]  # row of places, day since


class LossAlarms:
    """What was told of losses and has not ended.

    Args:
        calendar: when local days begin.
        told: open alarms.
    """

    def __init__(self, calendar: Calendar, told: Iterable[Alarm]) -> None:
        self._calendar = calendar
        self._told = {a.place: a for a in told if a.kind == KIND and not a.cleared_ms}

    def update(self, case: Case, now_ms: int) -> list[Alarm]:
        """Return the alarms that are new, go on, or are over."""
        lines = []
        end_ms = self._calendar.start_ms(case.days[-1]) + DAY_MS
        for node, place in enumerate(case.places):
            known = self._told.get(place)
            since = int(case.course.since[node])
            if since >= 0 and (known is not None or case.course.is_alarm[node, -1]):
                day = case.days[since]
                begin_ms = self._calendar.start_ms(day) if known is None else known.raised_ms
                lines.append(self._line(place, begin_ms, node, case, now_ms))
            elif known is not None:
                lines.append(known._replace(cleared_ms=end_ms))
        return lines

    def _line(self, place: str, begin_ms: int, node: int, case: Case, now_ms: int) -> Alarm:
        course = case.course
        level = float(course.level[node, -1])
        evidence = {
            "excess_wh_per_day": number(course.excess_wh[node]),
            "coverage": number(course.coverage[node]),
            "level": number(level),
            **case.suspects(node, case.days[int(course.since[node])]),
        }
        confidence = round(1 - math.exp(-level), 4)
        return Alarm(KIND, place, begin_ms, now_ms, 0, _SEVERITY, confidence, encode(evidence))
