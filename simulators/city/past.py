"""What the nodes of a city recorded before anybody listened to them.

A node without a gateway goes on measuring, as often as its profile says, and keeps what its flash
holds: days of half-hour registers, a working day of a lane's 30 s. The city of the same seed is
stepped through that time; what stands in its registers then is what the live city goes on from.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from simulators.city.city import Size, worlds_of
from simulators.city.frame import NULL, Carried, Readings, Step, World
from simulators.city.grid.world import SLOT_MS, Grid
from simulators.device import KEPT_READINGS, Reading, tail_of
from simulators.road.traffic import WINDOW_MS

# Part of the flash stays free: a demo reads every 5 s, and a gateway that is not there for the
# first 8 minutes should find all of the past.
_SHARE = 0.9
# As much of 30 s as that part holds; a day of 40 lanes would cost 5 s of CPU, and be forgotten.
_ROAD_MS = int(KEPT_READINGS * _SHARE) * WINDOW_MS
# Of single vehicles: hours of a toll lane, the last one or two of a radar.
_MOST_EVENTS = 3 * KEPT_READINGS
_STEP_MS = 6 * 3_600_000  # of the grid: few and large steps cost a fifth of many small ones
_ROAD_STEP_MS = 1_800_000
SEAM_MS = WINDOW_MS  # the past ends on a whole window of the lanes

_Row = tuple[int, list[int], int]  # time, values, status


class Past(NamedTuple):
    """What is in the flash of each node, numbered from 1, and what stands in the devices."""

    readings: Mapping[str, list[Reading]]
    carried: Carried


def seam_ms(start_ms: int) -> int:
    """Return where the past of a run that starts then ends, and the live city begins."""
    return start_ms - start_ms % SEAM_MS


def record(size: Size, days: float, end_ms: int, is_wanted: Callable[[], bool]) -> Past:
    """Let that many days pass up to ``end_ms``, in which nothing goes wrong.

    Args:
        size: of the live city; devices read at the intervals of their profiles.
        days: how far back.
        end_ms: from ``seam_ms``.
        is_wanted: asked every few hours of the city; where not, the past is cut short.
    """
    flash: dict[str, deque[_Row]] = {}
    carried: dict[str, list[float]] = {}
    for world in worlds_of(replace(size, interval_ms=None)):
        intervals = {row.id: row.interval_ms for row in world.devices()}
        for step in _steps(world, end_ms - round(days * 86_400_000), end_ms):
            for batch in step.readings:
                _enter(batch, flash, intervals)
            if not is_wanted():
                break
        carried |= {name: list(values) for name, values in world.carried().items()}
    readings = {
        name: [
            Reading(seq, time_ms, tail_of([None if v == NULL else v for v in values], status))
            for seq, (time_ms, values, status) in enumerate(rows, 1)
        ]
        for name, rows in flash.items()
    }
    return Past(readings, carried)


def _steps(world: World, from_ms: int, end_ms: int) -> Iterator[Step]:
    """Step a world as far back as its nodes remember, and to the very end."""
    is_grid = isinstance(world, Grid)
    long_ms = _STEP_MS if is_grid else _ROAD_STEP_MS
    now_ms = from_ms if is_grid else max(from_ms, end_ms - _ROAD_MS)
    now_ms -= now_ms % SLOT_MS if is_grid else now_ms % SEAM_MS
    whole_ms = end_ms - end_ms % world.slot_ms
    while now_ms < whole_ms:
        until_ms = min(now_ms - now_ms % long_ms + long_ms, whole_ms)
        yield world.step(now_ms, until_ms)
        now_ms = until_ms
    if now_ms < end_ms:  # the grid's slots are longer than the lanes' windows
        world.slot_ms = SEAM_MS
        yield world.step(now_ms, end_ms)


def _enter(batch: Readings, flash: dict[str, deque[_Row]], intervals_ms: Mapping[str, int]) -> None:
    rows = (batch.device, batch.time_ms, batch.values, batch.status)
    for device, *row in zip(*(np.asarray(column).tolist() for column in rows), strict=True):
        name = batch.names[device]
        if name not in flash:
            most = int(KEPT_READINGS * _SHARE) if intervals_ms[name] else _MOST_EVENTS
            flash[name] = deque(maxlen=most)
        flash[name].append((row[0], row[1], row[2]))
