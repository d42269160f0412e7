"""The cells against SUMO, vehicle by vehicle, on one corridor; skipped where SUMO is not."""

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support import corridor
from tests.support.corridor import (
    FREE_M_S,
    FROM_S,
    INFLOW_H,
    QUEUED_BELOW_M_S,
    ROAD_M,
    SLOW_M_S,
    SLOW_ROAD_M,
    STANDSTILL_M,
    TIME_GAP_S,
    UNTIL_S,
    VEHICLE_M,
    Findings,
)

_NODES = f"""<nodes>
  <node id="a" x="0" y="0"/><node id="b" x="{ROAD_M}" y="0"/>
  <node id="c" x="{ROAD_M + SLOW_ROAD_M}" y="0"/><node id="d" x="{ROAD_M + 1000}" y="0"/>
</nodes>"""
_EDGES = f"""<edges>
  <edge id="road" from="a" to="b" numLanes="1" speed="{FREE_M_S}"/>
  <edge id="slow" from="b" to="c" numLanes="1" speed="{SLOW_M_S}"/>
  <edge id="after" from="c" to="d" numLanes="1" speed="{FREE_M_S}"/>
</edges>"""
STANDING_M_S = 0.1
# Drivers without dawdling: what is compared is the traffic, not the noise.
_TYPE = f"""<vType id="car" length="{VEHICLE_M}" minGap="{STANDSTILL_M}" tau="{TIME_GAP_S}"
    sigma="0" speedDev="0" speedFactor="1"/>"""


def program(name: str) -> str | None:
    """Return where a program of SUMO is: on the path, or in its Python package."""
    found = shutil.which(name)
    spec = importlib.util.find_spec("sumo")
    if found is None and spec is not None and spec.origin is not None:
        candidate = Path(spec.origin).parent / "bin" / name
        found = str(candidate) if candidate.is_file() else None
    return found


SUMO, NETCONVERT = program("sumo"), program("netconvert")
needs_sumo = pytest.mark.skipif(
    SUMO is None or NETCONVERT is None,
    reason="SUMO is not installed (pip install eclipse-sumo, 500 MB on disk)",
)


def trajectories(
    folder: Path, until_s: int, stop: str = ""
) -> Iterator[tuple[float, list[tuple[str, str, float, float]]]]:
    """Run SUMO; yield every 5 s the vehicles: name, edge, place on it, speed."""
    assert SUMO is not None
    assert NETCONVERT is not None
    (folder / "n.xml").write_text(_NODES)
    (folder / "e.xml").write_text(_EDGES)
    (folder / "r.xml").write_text(
        f"""<routes>{_TYPE}<route id="all" edges="road slow after"/>
        <vehicle id="first" type="car" route="all" depart="0" departSpeed="max">{stop}</vehicle>
        <flow id="f" type="car" route="all" begin="2" end="{until_s}" vehsPerHour="{INFLOW_H}"
              departSpeed="max" departPos="base"/></routes>"""
    )
    net = ["-n", "n.xml", "-e", "e.xml", "-o", "net.xml", "--no-turnarounds"]
    subprocess.run([NETCONVERT, *net], cwd=folder, check=True, capture_output=True, timeout=60)
    options = ["-n", "net.xml", "-r", "r.xml", "--end", str(until_s), "--step-length", "0.5"]
    options += ["--fcd-output", "fcd.xml", "--device.fcd.period", "5", "--no-step-log"]
    options += ["--time-to-teleport", "-1", "--seed", "1", "--default.action-step-length", "0.5"]
    subprocess.run([SUMO, *options], cwd=folder, check=True, capture_output=True, timeout=120)
    for _, step in ET.iterparse(folder / "fcd.xml"):
        if step.tag == "timestep":
            there = [
                (v.attrib["id"], v.attrib["lane"][:-2], _number(v, "pos"), _number(v, "speed"))
                for v in step
            ]
            yield float(step.get("time", 0)), there
            step.clear()


def _number(vehicle: ET.Element, name: str) -> float:
    return float(vehicle.attrib[name])


def by_sumo(folder: Path) -> Findings:
    times_s, tails_m = [], []
    gone: dict[str, float] = {}  # who left the slow stretch, and when
    for time_s, there in trajectories(folder, UNTIL_S):
        for name, edge, _, _ in there:
            if edge == "after":
                gone.setdefault(name, time_s)
        queued = [x for _, edge, x, speed in there if edge == "road" and speed < QUEUED_BELOW_M_S]
        if time_s >= FROM_S:
            times_s.append(time_s)
            tails_m.append(min(queued))
    passed = sum(FROM_S <= time_s < UNTIL_S for time_s in gone.values())
    stop = f'<stop lane="road_0" endPos="{ROAD_M - 1}" duration="9999"/>'
    last: list[float] = []
    for _, there in trajectories(folder, 900, stop):
        last = sorted(x for _, edge, x, speed in there if edge == "road" and speed < STANDING_M_S)
    return Findings(
        passed / (UNTIL_S - FROM_S) * 3600,
        corridor.slope(times_s, tails_m),
        (len(last) - 1) / (last[-1] - last[0]) * 1000,
    )


@needs_sumo
def test_capacity_jam_density_and_the_growth_of_a_queue_are_within_5_percent_of_sumo(
    tmp_path: Path,
) -> None:
    cells, sumo = corridor.by_cells(), by_sumo(tmp_path)
    assert cells.capacity_h == pytest.approx(sumo.capacity_h, rel=0.05)
    assert cells.jam_per_km == pytest.approx(sumo.jam_per_km, rel=0.05)
    assert cells.growth_m_s == pytest.approx(sumo.growth_m_s, rel=0.05)
