"""The energy tree of a simulated city, as the outage watch wants it."""

from collections.abc import Sequence

import numpy as np

from gateway.energy.outage import Role, Topology
from simulators.city.frame import DeviceRow, NodeRow


def topology_of(nodes: Sequence[NodeRow], devices: Sequence[DeviceRow]) -> Topology:
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
