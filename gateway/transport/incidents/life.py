"""The life of an incident: from the first sign to the end of its queue, and of its waves.

One queue is one incident. Its head is where the incident is; everything slow behind it, and the
waves that run back through it while it dissolves, are its own and raise nothing.
"""

from enum import IntFlag
from typing import NamedTuple

from gateway.transport.series import NOWHERE

NOT_YET = -1


class Sign(IntFlag):
    """What speaks for an incident."""

    STORAGE = 1  # vehicles stay between two stations
    SLOW = 2  # traffic is slow, and the next station is not
    CALIFORNIA = 4
    LANE = 8  # a lane is empty, and the others carry its traffic


class Candidate(NamedTuple):
    """A sign of one interval."""

    station: int  # the last before the incident, or the one with the closed lane
    sign: Sign
    since: int  # interval in which it began
    lane: int  # row of the closed lane, NOT_YET otherwise
    vehicles: float  # stored


class Incident(NamedTuple):
    """One incident; intervals are numbered from the begin of the watch."""

    number: int
    station: int  # the last before it
    began: int
    found: int
    cleared: int  # interval after its last sign, NOT_YET while it lasts
    first: Sign  # signs of the interval that found it
    signs: Sign  # and all up to now
    lane: int  # row of the closed lane, NOT_YET otherwise
    most_vehicles: float  # stored between two stations
    reached: tuple[int, ...]  # stations that its queue reached, the nearest first
    spilled: int  # interval in which it reached the second of them, NOT_YET before
    calm: int  # intervals without a sign
    held_until: int  # its waves are its own up to here


class Scene(NamedTuple):
    """What an interval shows; lists by station."""

    now: int
    is_slow: list[bool]
    upstream: list[int]
    downstream: list[int]
    candidates: list[Candidate]
    stored: dict[int, float]  # station → vehicles between it and the next, where they still are


class Rules(NamedTuple):
    """In intervals."""

    clear_slots: int
    hold_slots: int


def advance(open_ones: list[Incident], scene: Scene, rules: Rules, number: int) -> list[Incident]:
    """Go on by one interval; return all that are open or held, new ones last, from ``number``."""
    lasting = [_go_on(one, scene, rules) for one in open_ones if one.held_until >= scene.now]
    # of two signs of one interval the one further downstream is the head
    for sign in sorted(scene.candidates, key=lambda candidate: candidate.station, reverse=True):
        mine = next((k for k, one in enumerate(lasting) if _is_of(sign, one, scene)), None)
        if mine is None:
            new = _begin(number, sign, scene.now)
            number += 1
            lasting.append(_go_on(new, scene, rules))
        elif lasting[mine].cleared == NOT_YET:
            lasting[mine] = _joined(lasting[mine], sign, scene.now)
    return lasting


def _begin(number: int, sign: Candidate, now: int) -> Incident:
    return Incident(
        *(number, sign.station, sign.since, now, NOT_YET),
        *(sign.sign, sign.sign, sign.lane, sign.vehicles),
        *((), NOT_YET, 0, now),
    )


def _joined(one: Incident, sign: Candidate, now: int) -> Incident:
    """Add a sign; what it is and when it began is settled with the interval that found it."""
    if one.found == now:
        one = one._replace(first=one.first | sign.sign, began=min(one.began, sign.since))
    return one._replace(
        signs=one.signs | sign.sign,
        lane=sign.lane if one.lane == NOT_YET else one.lane,
        most_vehicles=max(one.most_vehicles, sign.vehicles),
    )


def _go_on(one: Incident, scene: Scene, rules: Rules) -> Incident:
    """Let the queue grow or shrink; end the incident when nothing is left of it."""
    reached = list(one.reached) or ([one.station] if scene.is_slow[one.station] else [])
    tail = reached[-1] if reached else one.station
    before = scene.upstream[tail]
    while before != NOWHERE and scene.is_slow[before]:
        reached.append(before)
        before = scene.upstream[before]
    spilled = scene.now if one.spilled == NOT_YET and len(reached) > 1 else one.spilled
    one = one._replace(reached=tuple(reached), spilled=spilled)
    active = any(scene.is_slow[station] for station in reached)
    active |= one.station in scene.stored or any(
        sign.station == one.station for sign in scene.candidates
    )
    hold = scene.now + rules.hold_slots
    if one.cleared != NOT_YET:
        return one._replace(held_until=hold if active else one.held_until)
    calm = 0 if active else one.calm + 1
    over = calm >= rules.clear_slots
    return one._replace(
        calm=calm,
        cleared=scene.now - calm + 1 if over else NOT_YET,
        held_until=hold,
    )


def _is_of(sign: Candidate, one: Incident, scene: Scene) -> bool:
    """Return whether a sign belongs to an incident: at its head, in its queue, or next to them.

    Vehicles stored before a station to which the queue comes are those of the queue.
    """
    near = {one.station, scene.upstream[one.station], scene.downstream[one.station], *one.reached}
    near |= {scene.upstream[station] for station in one.reached}
    is_before = sign.sign == Sign.STORAGE and scene.downstream[sign.station] in near
    return sign.station in near or is_before
