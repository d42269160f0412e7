"""What the energy side hears of a city: its tree, and when each row came."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy.outage import Role, Topology
from gateway.model import BoolArray, IntArray
from simulators.city.frame import Absence, DeviceRow, NodeRow, Readings

BACK_MS = 20_000  # a connection is open again, and what was kept is sent
_POWER = 2  # column of em1, W


class Heard(NamedTuple):
    """Rows of all devices, by the time at which they came."""

    came_ms: IntArray
    device: IntArray  # number among all devices
    time_ms: IntArray
    power_w: np.ndarray[tuple[int], np.dtype[np.float64]]  # of meters, NaN of others


def grid_of(nodes: Sequence[NodeRow], devices: Sequence[DeviceRow]) -> Topology:
    """Return the energy tree; devices of the road are rows that nobody watches."""
    above = {node.id: node.parents[0].id if node.parents else "" for node in nodes}
    of_kind = {
        kind: [node.id for node in nodes if node.kind == kind]
        for kind in ("transformer", "feeder", "substation")
    }
    place = {name: k for names in of_kind.values() for k, name in enumerate(names)}
    uplinks = sorted({row.uplink for row in devices} - {""})
    roles = [Role.INSTRUMENT if row.profile in {"dtm", "pq3"} else Role.CUSTOMER for row in devices]
    parent = [row.parents[0].id if row.parents else "" for row in devices]
    cabinets = {node.id for node in nodes if node.kind == "cabinet"}
    parent = [above[name] if name in cabinets else name for name in parent]
    return Topology(
        np.arange(len(devices)),
        np.array([int(role) for role in roles]),
        np.array([place[p] if p in of_kind["transformer"] else -1 for p in parent]),
        np.array([uplinks.index(row.uplink) if row.uplink else -1 for row in devices]),
        np.array([row.interval_ms or 60_000 for row in devices], np.int64),
        np.array([row.profile in {"em1", "em3"} for row in devices], np.bool_),
        np.array([place[above[name]] for name in of_kind["transformer"]]),
        np.array([place[above[name]] for name in of_kind["feeder"]]),
    )


def heard_of(
    readings: Sequence[Readings], number: dict[str, int], absences: Sequence[Absence]
) -> Heard:
    """Return when each row came: at once, or after its device was cut off."""
    device, time_ms, power = [], [], []
    for batch in readings:
        known = np.array([number[name] for name in batch.names], np.int64)
        device.append(known[batch.device])
        time_ms.append(batch.at_ms)
        is_meter = batch.profile == "em1"
        unknown = np.full(len(batch.at_ms), np.nan)
        power.append(batch.values[:, _POWER].astype(np.float64) if is_meter else unknown)
    rows, times, watts = (np.concatenate(one) for one in (device, time_ms, power))
    came = times.copy()
    for absence in absences:
        if absence.reason == "cut off":
            mine: BoolArray = (rows == number[absence.device]) & (times >= absence.span.from_ms)
            mine &= times < absence.span.to_ms
            came[mine] = absence.span.to_ms + BACK_MS
    return Heard(came, rows, times, watts)
