"""How each point of the map is: the worst that is said of it."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.board.looks.alarms import SEVERITY_TONES, AlarmLine
from gateway.board.looks.sites import Sites
from gateway.views.fleet import DeviceState, Fleet

# worst first; "quiet": nothing is said, which is well
TONES = ("worst", "bad", "warn", "note", "quiet")
# Levels of service as the board colours them: E is at capacity, F beyond it (HCM).
LEVEL_TONES = {"E": "warn", "F": "bad"}
MOSTLY = 0.5  # of the devices of a point: fewer are no state of the point


class Mark(NamedTuple):
    """One point."""

    tone: str
    alarms: int
    lost: int
    devices: int
    level: str  # of service, "" where none is known


def marks_of(
    sites: Sites,
    alarms: Iterable[AlarmLine],
    fleet: Fleet,
    levels: Mapping[str, str],
    slow: Container[str] = (),
) -> Sequence[Mark]:
    """Return a mark for each point.

    Args:
        sites: the points.
        alarms: those that last; what a maintenance window keeps quiet has no colour.
        fleet: devices, some of which are lost.
        levels: of service, by place.
        slow: places where traffic has just become slow.
    """
    count = len(sites.points)
    tone, told, lost, devices = ["quiet"] * count, [0] * count, [0] * count, [0] * count
    for alarm in (one for one in alarms if not one.is_suppressed):
        for point in sites.covers.get(alarm.place.replace("uplink:", "concentrator:"), ()):
            told[point] += 1
            tone[point] = _worse(tone[point], SEVERITY_TONES.get(alarm.severity, "warn"))
    for device in fleet.devices:
        for point in sites.covers.get(f"device:{device.name}", ()):
            devices[point] += 1
            lost[point] += device.state is DeviceState.LOST
    found = []
    for point, site in enumerate(sites.points):
        level = levels.get(site.place, "")
        worst = _worse(tone[point], LEVEL_TONES.get(level, "quiet"))
        if site.place in slow:
            worst = _worse(worst, "bad")
        if devices[point] and lost[point] > MOSTLY * devices[point]:
            worst = _worse(worst, "warn")
        found.append(Mark(worst, told[point], lost[point], devices[point], level))
    return found


def _worse(one: str, other: str) -> str:
    return one if TONES.index(one) <= TONES.index(other) else other
