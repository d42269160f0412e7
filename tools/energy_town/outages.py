"""A grid that fails in many ways, and what a gateway hears of it."""

from typing import NamedTuple

import numpy as np

from gateway.energy.outage import FactKind, Facts, Level, Role, Topology

HOUR_MS = 3_600_000
INTERVAL_MS = 1_800_000
FEEDERS, TRANSFORMERS = 4, 8  # of each feeder
_GASPS, _DELIVERED = 0.9, 0.75  # devices that can gasp, gasps that come through
_UNREAD, _LATE = 0.01, 0.03  # readings never taken, gasps that come minutes later
_POWER_DOWN = 128
_KEEPALIVE_MS = 60_000
START_MS = 1_795_305_600_000


class Fault(NamedTuple):
    """One true fault."""

    kind: str  # service | phase | transformer | feeder | device_link | uplink_link
    node: int
    begin_ms: int
    end_ms: int
    rows: frozenset[int]

    @property
    def is_power(self) -> bool:
        """Return whether power was gone."""
        return not self.kind.endswith("link")

    @property
    def level(self) -> Level:
        """Return the level an alarm should have."""
        named = {"service": Level.SERVICE, "feeder": Level.FEEDER, "uplink_link": Level.UPLINK}
        return (
            Level.SERVICE if self.kind == "device_link" else named.get(self.kind, Level.TRANSFORMER)
        )


class Heard(NamedTuple):
    """A fact and when it came."""

    at_ms: int
    row: int
    kind: FactKind
    time_ms: int
    status: int = 0  # AMR status byte of a reading


class Town:
    """A seeded grid: concentrators at half of the transformers, three operators for the rest."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        count = FEEDERS * TRANSFORMERS
        sizes = self.rng.integers(6, 40, count)
        customers = np.repeat(np.arange(count), sizes)
        cabinets = np.repeat(np.arange(0, count, 5), 1)
        at = np.concatenate([customers, np.arange(count), cabinets, np.full(count + 3, -1)])
        role = np.repeat(
            [Role.CUSTOMER, Role.INSTRUMENT, Role.CABINET, Role.UPLINK],
            [customers.size, count, cabinets.size, count + 3],
        )
        operator = count + self.rng.integers(0, 3, at.size)
        has_plc = (np.arange(count) % 2 == 0)[np.maximum(at, 0)] & (role == Role.CUSTOMER)
        uplink = np.where(has_plc, at, operator)
        is_head = role == Role.UPLINK
        uplink[is_head] = np.arange(count + 3)
        interval = np.select([role == Role.CABINET, is_head], [60_000, 300_000], INTERVAL_MS)
        can_gasp = (self.rng.random(at.size) < _GASPS) & (role <= Role.INSTRUMENT)
        self.topology = Topology(
            *(np.arange(at.size), role.astype(np.int64), at, uplink, interval, can_gasp),
            np.arange(count) // TRANSFORMERS,
            np.arange(FEEDERS) // 2,
        )
        self.phase = self.rng.integers(0, 3, at.size)
        self.lag_ms = self.rng.integers(-20_000, 20_000, at.size)  # of its clock

    def faults(self, hours: int, count: int) -> list[Fault]:
        """Draw faults that do not touch each other in time."""
        kinds = ["service", "phase", "transformer", "feeder", "device_link", "uplink_link"]
        space = hours * HOUR_MS // count
        found = []
        for number in range(count):
            begin = START_MS + number * space + int(self.rng.integers(0, space // 3))
            length = int(self.rng.choice([30_000, 180_000, 1_200_000, 3_000_000]))
            kind = str(self.rng.choice(kinds))
            found.append(self._fault(kind, begin, begin + min(length, space // 2)))
        return found

    def _fault(self, kind: str, begin: int, end: int) -> Fault:
        topology, rng = self.topology, self.rng
        customer = topology.role == Role.CUSTOMER
        if kind in {"service", "device_link"}:
            node = int(rng.choice(np.flatnonzero(customer)))
            return Fault(kind, node, begin, end, frozenset({node}))
        if kind == "uplink_link":
            node = int(rng.choice(np.unique(topology.uplink[customer])))
            own = (topology.uplink == node) & (topology.role != Role.UPLINK)
            return Fault(kind, node, begin, end, frozenset(np.flatnonzero(own).tolist()))
        at = int(rng.integers(0, len(topology.feeder_of)))
        if kind == "feeder":
            at = int(rng.integers(0, FEEDERS))
            own = (topology.transformer >= 0) & (topology.feeder_of[topology.transformer] == at)
        else:
            own = topology.transformer == at
        if kind == "phase":
            own &= ((self.phase == rng.integers(0, 3)) & customer) | (
                topology.role == Role.INSTRUMENT
            )
            if np.count_nonzero(own) < 3:  # noqa: PLR2004  # one customer is a service outage
                own = (topology.transformer == at) & customer
                kind = "transformer"
        return Fault(kind, at, begin, end, frozenset(np.flatnonzero(own).tolist()))

    def heard(self, faults: list[Fault], hours: int) -> list[Heard]:
        """Return all facts in the order of their arrival."""
        heard: list[Heard] = []
        for row in range(len(self.topology.role)):
            own = [fault for fault in faults if row in fault.rows]
            heard += self._of_device(row, own, START_MS + hours * HOUR_MS)
        return sorted(heard)

    def _of_device(self, row: int, faults: list[Fault], until_ms: int) -> list[Heard]:
        interval = int(self.topology.interval_ms[row])
        heard: list[Heard] = []
        for time_ms in range(START_MS - 2 * interval, until_ms, interval):
            at = time_ms - int(self.lag_ms[row]) + int(self.rng.integers(0, 5000))
            out = next((f for f in faults if f.begin_ms <= at < f.end_ms), None)
            if out and self._lives(row, out):
                out = None
            if out is None and self.rng.random() > _UNREAD:
                dark = [f for f in faults if f.is_power and not self._lives(row, f)]
                was_out = any(at - interval < f.end_ms <= at for f in dark)
                status = _POWER_DOWN if was_out else 0
                heard.append(Heard(at, row, FactKind.READING, time_ms, status))
            elif out is not None and not out.is_power:
                heard.append(Heard(out.end_ms + 9000, row, FactKind.READING, time_ms))
        for fault in faults:
            heard += self._of_fault(row, fault)
        return heard

    def _lives(self, row: int, fault: Fault) -> bool:
        """Return whether a three-phase device lives on the phases that are left."""
        return fault.kind == "phase" and self.topology.role[row] == Role.INSTRUMENT

    def _of_fault(self, row: int, fault: Fault) -> list[Heard]:
        rng, begin, end = self.rng, fault.begin_ms, fault.end_ms
        heard: list[Heard] = []
        if self._lives(row, fault):
            heard.append(Heard(begin + 3000, row, FactKind.PHASE_OUT, begin + 200))
            heard.append(Heard(end + 3000, row, FactKind.PHASE_BACK, end + 200))
            return heard
        if fault.is_power and self.topology.can_gasp[row] and rng.random() < _DELIVERED:
            late = 400_000 if rng.random() < _LATE else int(rng.integers(500, 12_000))
            heard.append(
                Heard(begin + late, row, FactKind.LAST_GASP, begin + int(rng.integers(0, 900)))
            )
        will = begin + int(rng.integers(_KEEPALIVE_MS // 2, _KEEPALIVE_MS * 3 // 2))
        if will < end:
            heard.append(Heard(will + 50, row, FactKind.LOST, will))
        back = end + int(rng.integers(2000, 30_000))
        if will < end or fault.is_power:
            heard.append(Heard(back, row, FactKind.ONLINE, back - 40))
        if fault.is_power and rng.random() < _DELIVERED:
            heard.append(
                Heard(back + 900, row, FactKind.POWER_RETURNED, end + int(rng.integers(0, 900)))
            )
        return heard


def as_facts(heard: list[Heard]) -> Facts:
    """Return them as columns."""
    row, kind, time_ms = (
        np.array([getattr(one, name) for one in heard], np.int64)
        for name in ("row", "kind", "time_ms")
    )
    status = np.array([one.status for one in heard], np.int64)
    live = np.zeros(len(heard), np.bool_)
    return Facts(row, kind, time_ms, np.full(len(heard), np.nan), status, live)
