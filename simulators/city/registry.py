"""The registry file of a city, in the gateway's TOML (docs/examples/registry.toml)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from simulators.city.frame import DeviceRow, NodeRow, Tie


def render(nodes: Sequence[NodeRow], devices: Sequence[DeviceRow], org: str) -> str:
    """Return the file."""
    lines = ["# Written by `python -m simulators city`: what the operator believes to be true.", ""]
    for node in nodes:
        lines += ["[[node]]", *_node(node), *_ties("node", node.parents), ""]
    for device in devices:
        lines += ["[[device]]", *_device(device, org), *_ties("device", device.parents), ""]
    return "\n".join(lines)


def _node(node: NodeRow) -> Iterator[str]:
    yield f"id = {json.dumps(node.id)}"
    yield f"kind = {json.dumps(node.kind)}"
    if node.title:
        yield f"title = {json.dumps(node.title, ensure_ascii=False)}"
    if node.road_class:
        yield f"class = {json.dumps(node.road_class)}"
    yield from _facts(node.parents, node.place, node.rating)


def _device(device: DeviceRow, org: str) -> Iterator[str]:
    yield f"id = {json.dumps(device.id)}"
    yield f"org = {json.dumps(org)}"
    yield f"sector = {json.dumps(device.sector)}"
    if device.title:
        yield f"title = {json.dumps(device.title, ensure_ascii=False)}"
    if device.uplink:
        yield f"uplink = {json.dumps(device.uplink)}"
    if device.is_head:
        yield "head = true"
    if device.supply:
        yield f"supply = {json.dumps(device.supply)}"
    if device.is_prosumer:
        yield "prosumer = true"
    if device.serial:
        yield f"meter = {json.dumps(device.serial)}"
    if device.lane is not None:
        number, direction = device.lane
        yield f"lane = {{ number = {number}, direction = {json.dumps(direction)} }}"
    yield from _facts(device.parents, device.place, device.rating)


def _facts(
    parents: Sequence[Tie], place: tuple[float, float] | None, rating: Mapping[str, float]
) -> Iterator[str]:
    if len(parents) == 1 and parents[0].span is None:
        yield f"parent = {json.dumps(parents[0].id)}"
    if place is not None:
        yield f"place = {{ lat = {place[0]}, lon = {place[1]} }}"
    if rating:
        yield "rating = { " + ", ".join(f"{k} = {v}" for k, v in rating.items()) + " }"


def _ties(table: str, parents: Sequence[Tie]) -> Iterator[str]:
    """Yield ties that do not always hold; tables of their own, so they come last."""
    if len(parents) == 1 and parents[0].span is None:
        return
    for tie in parents:
        yield f"[[{table}.parent]]"
        yield f"id = {json.dumps(tie.id)}"
        if tie.span is not None:
            yield f"from = {_moment(tie.span.from_ms)}"
            yield f"to = {_moment(tie.span.to_ms)}"


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
