"""From a registry file to the tables of a road."""

from pathlib import Path

import numpy as np
import pytest

from gateway.registry import Registry
from gateway.transport.roads import Lane, road_of
from gateway.transport.series import NOWHERE, RoadClass

FILE = """
node = [
    {id = "c-1", kind = "corridor"},
    {id = "c-2", kind = "corridor"},
    {id = "s-1", kind = "section", parent = "c-1", class = "expressway"},
    {id = "s-2", kind = "section", parent = "c-1", class = "national"},
    {id = "s-9", kind = "section", parent = "c-2", class = "urban"},
    {id = "st-b", kind = "station", parent = "s-2", place = {lat = 21.009, lon = 105.0}},
    {id = "st-a", kind = "station", parent = "s-1", place = {lat = 21.0, lon = 105.0}},
    {id = "st-c", kind = "station", parent = "s-2", place = {lat = 21.018, lon = 105.0}},
    {id = "st-z", kind = "station", parent = "s-9"},
]
device = [
    {id = "loop-a1", org = "vn", sector = "transport", parent = "st-a", lane = {number = 1}},
    {id = "loop-a2", org = "vn", sector = "transport", parent = "st-a", lane = {number = 2}},
    {id = "loop-b1", org = "vn", sector = "transport", parent = "st-b", lane = {number = 1}},
]
"""
LANES = [Lane(8, "loop-b1"), Lane(3, "loop-a2"), Lane(5, "stranger"), Lane(4, "loop-a1")]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    file = tmp_path / "registry.toml"
    file.write_text(FILE)
    return Registry.load(file)


def test_lanes_are_rows_and_stations_stand_in_the_order_of_their_sections(
    registry: Registry,
) -> None:
    road = road_of(LANES, registry, 0)
    assert road.device_index.tolist() == [3, 4, 5, 8]
    assert road.devices == ("loop-a2", "loop-a1", "stranger", "loop-b1")
    assert road.lane.tolist() == [2, 1, 0, 1]
    # within a section the order of the file; who is not in it comes last
    assert road.stations == ("st-a", "st-b", "st-c", "st-z", "stranger")
    assert road.station.tolist() == [0, 0, 4, 1]
    assert road.lanes.tolist() == [2, 1, 0, 0, 1]
    assert road.sections == ("s-1", "s-2", "s-9")
    assert road.section.tolist() == [0, 1, 1, 2, NOWHERE]
    assert road.upstream.tolist() == [NOWHERE, 0, 1, NOWHERE, NOWHERE]
    assert road.downstream.tolist() == [1, 2, NOWHERE, NOWHERE, NOWHERE]
    assert road.corridor.tolist() == [0, 0, 1]
    kinds = [RoadClass.EXPRESSWAY, RoadClass.EXPRESSWAY, RoadClass.UNKNOWN, RoadClass.NATIONAL]
    assert road.class_of_lanes().tolist() == kinds


def test_kilometres_are_the_way_between_the_stations(registry: Registry) -> None:
    road = road_of(LANES, registry, 0)
    # 0.009 degrees of a meridian of 6,371 km: 1.0008 km
    assert road.km[:3] == pytest.approx([0, 1.0008, 2.0015], abs=1e-4)
    assert np.isnan(road.km[3:]).all()


def test_without_a_registry_every_lane_stands_alone() -> None:
    road = road_of(LANES, None, 0)
    assert road.stations == ("loop-a2", "loop-a1", "stranger", "loop-b1")
    assert road.station.tolist() == [0, 1, 2, 3]
    assert road.corridors == ()
    assert (road.downstream == NOWHERE).all()
    assert road.class_of_stations().tolist() == [RoadClass.UNKNOWN] * 4
    assert len(road_of([], None, 0).stations) == 0
