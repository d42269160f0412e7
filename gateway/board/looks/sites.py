"""Where things are, in kilometres from the middle, and what hangs on them: from the registry."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.registry import Registry
from gateway.registry.entries import Node, NodeKind

KM_PER_DEGREE = 111.32
# Above these in a list of kinds: what a point of the map is, seen from what hangs on it.
_DRAWN = (
    NodeKind.SUBSTATION,
    NodeKind.TRANSFORMER,
    NodeKind.STATION,
    NodeKind.CABINET,
    NodeKind.CONCENTRATOR,
    NodeKind.SITE,
)
_JOINED = (NodeKind.FEEDER, NodeKind.CORRIDOR)  # lines join what hangs on them, in their order
MOST_OF_TREE = 400  # transformers of a feeder: the tree takes their square
MOST_SITES = 20_000  # of a page of a browser; 100,000 meters hang on a tenth of that


class Site(NamedTuple):
    """One point of the map."""

    place: str  # "transformer:t-4"
    title: str
    kind: str
    x_km: float  # east
    y_km: float  # north


class Sites(NamedTuple):
    """All points, what belongs together, and which point stands for what."""

    points: Sequence[Site]
    lines: Sequence[tuple[str, Sequence[int]]]  # of a feeder or corridor, its points in order
    covers: Mapping[str, Sequence[int]]  # place, also of devices → points
    titles: Mapping[str, str]  # place → name as people say it


def sites_of(registry: Registry | None, now_ms: int) -> Sites:
    """Return the map of a moment; without a registry there is none."""
    if registry is None:
        return Sites((), (), {}, {})
    nodes = list(registry.nodes())
    titles = {f"{node.kind}:{node.id}": node.title or node.id for node in nodes}
    placed = [
        (node, place)
        for node in nodes
        if node.kind in _DRAWN
        for place in node.place
        if place.holds(now_ms)
    ][:MOST_SITES]
    middle = _middle([(place.lat, place.lon) for _, place in placed])
    points = [
        Site(f"{node.kind}:{node.id}", titles[f"{node.kind}:{node.id}"], str(node.kind), *at)
        for node, place in placed
        for at in [_km(place.lat, place.lon, middle)]
    ]
    covers: dict[str, list[int]] = {}
    above = {node.id: list(_up(registry, node, now_ms)) for node in nodes}
    for index, (node, _) in enumerate(placed):
        for one in (node, *above[node.id]):
            covers.setdefault(f"{one.kind}:{one.id}", []).append(index)
    drawn = _of_lines(nodes, covers, points)
    _cover_devices(registry, now_ms, covers, titles)
    return Sites(points, drawn, covers, titles)


def _cover_devices(
    registry: Registry, now_ms: int, covers: dict[str, list[int]], titles: dict[str, str]
) -> None:
    """Add which point stands for each device: the nearest thing above it, or what supplies it."""
    for device in registry.devices():
        if device.title:
            titles[f"device:{device.id}"] = device.title
        standing = registry.at(device.id, now_ms)
        chain: Iterable[Node] = (*standing.parents, *standing.supply)
        own = next((covers[key] for one in chain if (key := f"{one.kind}:{one.id}") in covers), [])
        if own:
            covers[f"device:{device.id}"] = own[:1]


def _of_lines(
    nodes: Sequence[Node], covers: Mapping[str, Sequence[int]], points: Sequence[Site]
) -> list[tuple[str, Sequence[int]]]:
    """Return feeders and corridors as lines through what hangs on them."""
    wanted = {NodeKind.FEEDER: "transformer", NodeKind.CORRIDOR: "station"}
    lines = []
    for node in nodes:
        if node.kind not in _JOINED:
            continue
        place = f"{node.kind}:{node.id}"
        along = [i for i in covers.get(place, ()) if points[i].kind == wanted[node.kind]]
        is_tree = node.kind is NodeKind.FEEDER and len(along) <= MOST_OF_TREE
        ways = _tree(along, points) if is_tree else [along]
        lines += [(place, way) for way in ways if len(way) > 1]
    return lines


def _tree(along: Sequence[int], points: Sequence[Site]) -> list[Sequence[int]]:
    """Return the shortest tree through points (Prim): of a feeder nobody told us the cables."""

    def apart(one: int, other: int) -> float:
        a, b = points[one], points[other]
        return math.hypot(a.x_km - b.x_km, a.y_km - b.y_km)

    nearest = {one: (apart(along[0], one), along[0]) for one in along[1:]}
    ways: list[Sequence[int]] = []
    while nearest:
        new = min(nearest, key=lambda one: nearest[one])
        ways.append((nearest.pop(new)[1], new))
        nearest = {one: min(told, (apart(new, one), new)) for one, told in nearest.items()}
    return ways


def _up(registry: Registry, node: Node, now_ms: int) -> Iterator[Node]:
    """Yield what is above a node, nearest first; a checked registry has no cycle."""
    link = next((one for one in node.parent if one.holds(now_ms)), None)
    while link is not None:
        parent = registry.node(link.id)
        if parent is None:
            return
        yield parent
        link = next((one for one in parent.parent if one.holds(now_ms)), None)


def _middle(places: Sequence[tuple[float, float]]) -> tuple[float, float]:
    if not places:
        return 0.0, 0.0
    lats, lons = zip(*places, strict=True)
    return (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2


def _km(lat: float, lon: float, middle: tuple[float, float]) -> tuple[float, float]:
    """Return kilometres east and north of the middle; a town is flat."""
    x_km = (lon - middle[1]) * math.cos(math.radians(middle[0])) * KM_PER_DEGREE
    return round(x_km, 4), round((lat - middle[0]) * KM_PER_DEGREE, 4)
