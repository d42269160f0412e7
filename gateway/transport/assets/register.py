"""Roadside equipment: where it is in its life, how well it has served, what is to be done.

The registry's dated facts say what stands where and since when; the health room says what failed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from gateway.registry import Device
from gateway.transport.assets.policy import AssetPolicy

_MS_PER_H = 3_600_000
_MS_PER_DAY = 86_400_000


class Stage(StrEnum):
    """Where in its life a piece of equipment is."""

    PLANNED = "planned"
    COMMISSIONING = "commissioning"  # marked as pilot: its data counts for nothing yet
    IN_SERVICE = "in_service"
    FAILED = "failed"  # in service, and at fault
    RETIRED = "retired"


class Trouble(NamedTuple):
    """Something that was wrong with an asset."""

    asset: str
    fault: str  # name of ``health.Fault`` in lower case
    cause: str  # power, comms, device; "" unknown or beside the point
    since_ms: int
    cleared_ms: int  # 0 while it lasts


class Service(NamedTuple):
    """How an asset has served in a period."""

    asset: str
    service_s: float  # in which it should have served
    down_s: float
    failures: int  # that began in the period
    availability: float | None  # None where it was not in service
    mtbf_h: float | None  # up time for each failure
    mttr_h: float | None  # of the failures that are over


class WorkItem(NamedTuple):
    """One visit: what hangs on one cabinet and has lost the same is one."""

    place: str  # a cabinet, or the asset itself
    assets: tuple[str, ...]
    action: str
    since_ms: int
    priority: float  # orders the list, the most urgent first


def stage(device: Device, now_ms: int, troubles: Iterable[Trouble] = ()) -> Stage:
    """Return where a device is in its life: its ties to nodes are dated."""
    ties = device.parent
    if ties and all(tie.from_ms > now_ms for tie in ties):
        return Stage.PLANNED
    if ties and all(tie.to_ms <= now_ms for tie in ties):
        return Stage.RETIRED
    if device.pilot:
        return Stage.COMMISSIONING
    is_down = any(
        one.asset == device.id and one.since_ms <= now_ms and not 0 < one.cleared_ms <= now_ms
        for one in troubles
    )
    return Stage.FAILED if is_down else Stage.IN_SERVICE


def in_service(device: Device, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """Return the spans of a period in which a device should have served."""
    if device.pilot:
        return []
    if not device.parent:
        return [(from_ms, to_ms)]
    spans = [(max(tie.from_ms, from_ms), min(tie.to_ms, to_ms)) for tie in device.parent]
    return joined([span for span in spans if span[0] < span[1]], 0)


def service(
    device: Device,
    troubles: Iterable[Trouble],
    from_ms: int,
    to_ms: int,
    policy: AssetPolicy,
) -> Service:
    """Return how a device has served; a trouble that lasts counts up to the end of the period."""
    should = in_service(device, from_ms, to_ms)
    mine = [
        (one.since_ms, one.cleared_ms or to_ms)
        for one in troubles
        if one.asset == device.id and one.since_ms < to_ms and (one.cleared_ms or to_ms) > from_ms
    ]
    failures = joined(mine, policy.min_gap_s * 1000)
    service_ms = sum(end - begin for begin, end in should)
    down_ms = sum(_overlap(one, other) for one in failures for other in should)
    began = sum(from_ms <= begin < to_ms for begin, _ in failures)
    over = [end - begin for begin, end in failures if end < to_ms]
    return Service(
        device.id,
        service_ms / 1000,
        down_ms / 1000,
        began,
        1 - down_ms / service_ms if service_ms else None,
        (service_ms - down_ms) / began / _MS_PER_H if began else None,
        sum(over) / len(over) / _MS_PER_H if over else None,
    )


def work_list(
    troubles: Sequence[Trouble],
    cabinet_of: Mapping[str, str],
    vehicles_day: Mapping[str, float],
    now_ms: int,
    policy: AssetPolicy,
) -> list[WorkItem]:
    """Return what is to be done, the most urgent first.

    Args:
        troubles: of all assets; those that are over ask for nothing.
        cabinet_of: asset → what feeds it; may be empty.
        vehicles_day: asset → vehicles that pass it a day, as far as that is known.
        now_ms: for how long each has waited.
        policy: actions and weights.
    """
    groups: defaultdict[tuple[str, str], list[tuple[Trouble, float]]] = defaultdict(list)
    for one in troubles:
        action = policy.of(one.fault, one.cause)
        if one.cleared_ms or action is None:
            continue
        # power and links are gone for a cabinet, a loop is broken for itself
        is_shared = one.cause in {"power", "comms"}
        place = cabinet_of.get(one.asset, one.asset) if is_shared else one.asset
        busy = 1 + vehicles_day.get(one.asset, 0.0) / policy.importance_veh_day
        waited = 1 + (now_ms - one.since_ms) / _MS_PER_DAY / policy.urgent_after_days
        urgency = action.weight * busy * min(waited, policy.most_age_factor)
        groups[place, action.action].append((one, urgency))
    items = [_item(place, action, found) for (place, action), found in groups.items()]
    return sorted(items, key=lambda item: (-item.priority, item.since_ms, item.place))


def joined(spans: Iterable[tuple[int, int]], gap_ms: int) -> list[tuple[int, int]]:
    """Return spans that overlap, or are no further apart than ``gap_ms``, as one."""
    result: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if result and begin - result[-1][1] <= gap_ms:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return result


def _item(place: str, action: str, found: Sequence[tuple[Trouble, float]]) -> WorkItem:
    by_asset: dict[str, float] = {}
    for one, urgency in found:
        by_asset[one.asset] = max(urgency, by_asset.get(one.asset, 0.0))
    since_ms = min(one.since_ms for one, _ in found)
    return WorkItem(
        place, tuple(sorted(by_asset)), action, since_ms, round(sum(by_asset.values()), 4)
    )


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))
