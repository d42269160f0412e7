"""The registry of the road is one that the gateway reads, and says where each detector stands."""

from pathlib import Path

from gateway.registry import NodeKind, Registry
from simulators.city.grid.world import Grid
from simulators.city.registry import render
from simulators.road.world import Road


def test_the_gateway_reads_the_road_registry(tmp_path: Path) -> None:
    road = Road(1, 60)
    file = tmp_path / "registry.toml"
    file.write_text(render(road.nodes(), road.devices(), "city"), "utf-8")
    registry = Registry.load(file)
    stations = [node.id for node in registry.nodes(NodeKind.STATION)]
    assert len(stations) == len(road.layout.stations)
    standing = registry.at("loop-ex-01-02-1", 0)
    kinds = [node.id for node in standing.parents]
    assert kinds == ["st-ex-01-02", "ex-01-02", "ex-01"]
    assert standing.lane is not None
    assert (standing.lane.number, standing.lane.direction) == (3, "out")  # kerb: far from median
    first, second = (registry.at(f"loop-ur-01-0{k}-1", 0).place for k in (1, 2))
    assert first is not None
    assert second is not None
    assert first != second
    for corridor in ("ex-01", "na-01", "ur-01", "gate"):
        assert corridor in {node.id for node in registry.nodes(NodeKind.CORRIDOR)}


def test_devices_at_the_road_name_their_cabinet_and_its_modem(tmp_path: Path) -> None:
    grid = Grid(1, 60, 8)
    road = Road(1, 60, grid)
    file = tmp_path / "registry.toml"
    nodes, devices = [*grid.nodes(), *road.nodes()], [*grid.devices(), *road.devices()]
    file.write_text(render(nodes, devices, "city"), "utf-8")
    registry = Registry.load(file)  # refuses a supply or an uplink that does not exist
    loops = [row for row in road.devices() if row.profile == "tl1"]
    for number, loop in enumerate(loops):  # eight in a cabinet
        standing = registry.at(loop.id, 0)
        assert standing.uplink == f"modem-{number // 8 + 1:04d}"
        assert standing.supply[0].id == f"cabinet-{number // 8 + 1:04d}"
    meter = registry.at("cab-0001", 0)
    assert [node.id for node in meter.parents[:2]] == ["cabinet-0001", grid.feeds(0)]
