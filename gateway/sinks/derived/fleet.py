"""The fleet at a moment, and where everything is."""

from collections.abc import Iterator, Sequence

import numpy as np

from gateway.registry import Registry
from gateway.registry.entries import Place
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point
from gateway.views.fleet import Device, DeviceState, Fleet

_MEDIAN, _TAIL = 50, 95


def fleet_points(fleet: Fleet, places: Places, time_ms: int) -> Iterator[Point]:
    """Yield how many devices of each sector and area are alive, and how old their word is."""
    groups: dict[tuple[str, str], list[Device]] = {}
    for device in fleet.devices:
        area = places.area_of_device(device.name, time_ms)
        groups.setdefault((device.row.sector, area), []).append(device)
    for (sector, area), devices in groups.items():
        fields = _fields(devices, fleet.now_ms)
        yield Point("fleet_state", {"sector": sector, "area": area}, fields, time_ms)


def _fields(devices: Sequence[Device], now_ms: int) -> dict[str, float | None]:
    states = [device.state for device in devices]
    fields: dict[str, float | None] = {
        "devices": float(len(devices)),
        **{str(state): float(states.count(state)) for state in DeviceState},
        "alive_share": states.count(DeviceState.ALIVE) / len(states),
        "urgent": float(sum(device.is_urgent for device in devices)),
    }
    ages = [now_ms - one.last_seen_ms for one in devices if one.last_seen_ms]
    newest = [one.latest[0] for one in devices if one.latest]
    delays = [row.received_ms - row.time_ms for row in newest]
    for name, values in (("age", ages), ("delay", delays)):
        if values:
            median, tail = np.percentile(np.array(values) / 1000, (_MEDIAN, _TAIL)).tolist()
            fields |= {f"{name}_p50_s": median, f"{name}_p95_s": tail}
    return fields


def site_points(registry: Registry | None, places: Places, time_ms: int) -> Iterator[Point]:
    """Yield where the nodes and devices of the registry are, and what they can carry."""
    if registry is None:
        return
    for number, node in enumerate(registry.nodes()):
        parent = next(iter(registry.above(node.id, time_ms)), None)
        rating = registry.rating(node.id, time_ms)
        tags = places.node(node.kind.value, node.id, time_ms)
        tags |= {"parent": parent.id if parent else "", "title": node.title}
        kva = rating.kva if rating is not None else None
        fields = _where(registry.place(node.id, time_ms), number)
        yield Point("site_info", tags, fields | {"rating_va": kva and 1000 * kva}, time_ms)
    for number, device in enumerate(registry.devices()):
        standing = registry.at(device.id, time_ms)
        tags = places.place(f"device:{device.id}", time_ms)
        tags["parent"] = standing.parents[0].id if standing.parents else ""
        tags |= {"sector": device.sector, "org": device.org, "title": device.title}
        yield Point("site_info", tags, _where(standing.place, number), time_ms)


def _where(place: Place | None, number: int) -> dict[str, float | None]:
    where = {} if place is None else {"lat": place.lat, "lon": place.lon}
    return {"number": float(number), **where}
