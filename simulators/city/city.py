"""The whole city: its worlds side by side, stepped together, and the files that say the truth."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from simulators.attacks.frame import SECTOR
from simulators.attacks.world import Attacks
from simulators.city.calendar import midnight_ms
from simulators.city.frame import (
    ORG,
    Absence,
    Carried,
    DeviceRow,
    Scenario,
    Span,
    Step,
    Truth,
    World,
    cabinets_for,
)
from simulators.city.grid.meters import CLOCK_S
from simulators.city.grid.world import Grid
from simulators.city.registry import render
from simulators.city.times import rfc3339
from simulators.road.world import Road

VERSION = 1
# Of truth.json and registry.toml alike.
_SKIP_MS = 1_800_000
TRUTH_FILE, REGISTRY_FILE = "truth.json", "registry.toml"


@dataclass(frozen=True)
class Size:
    """What a city is made of."""

    seed: int = 1
    meters: int = 200
    lanes: int = 40
    interval_ms: int | None = None  # of every device; None: as its profile says
    clock_s: float = CLOCK_S  # how wrong the clocks of the grid's devices are


@dataclass(frozen=True)
class Order:
    """A scenario as it is wished for; what is open is drawn."""

    kind: str
    wish: Mapping[str, object]


def worlds_of(size: Size) -> list[World]:
    """Build the worlds of a city; the road comes after the grid, which it asks for power."""
    cabinets = cabinets_for(size.lanes)
    grid = Grid(size.seed, size.meters, cabinets, size.interval_ms, size.clock_s)
    attacks = Attacks(size.seed, [row.id for row in grid.devices() if row.sector == SECTOR])
    if not size.lanes:
        return [grid, attacks]
    return [grid, Road(size.seed, size.lanes, grid, size.interval_ms), attacks]


class City:
    """Worlds, scenarios and time.

    Args:
        size: what to build.
        span: the run; what an order leaves open lies in it.
        orders: what goes wrong.
        ends: whether the time is over with ``span``; a demo goes on.

    Raises:
        ValueError: an order names an unknown kind, or a place or number that cannot be.
    """

    def __init__(
        self, size: Size, span: Span, orders: Sequence[Order] = (), *, ends: bool = True
    ) -> None:
        self.size = size
        self.worlds = worlds_of(size)
        self.slot_ms = max(world.slot_ms for world in self.worlds)
        if any(self.slot_ms % world.slot_ms for world in self.worlds):
            raise ValueError("the slots of the worlds do not fit into each other")
        self.span = Span(
            span.from_ms - span.from_ms % self.slot_ms, span.to_ms - span.to_ms % self.slot_ms
        )
        if self.span.from_ms >= self.span.to_ms:
            raise ValueError(f"a run takes at least {self.slot_ms / 1000:.0f} s")
        self.scenarios = self._drawn(orders)
        self.ended_ms = self.span.from_ms
        self.last_ms = self.span.to_ms if ends else 1 << 62

    def _drawn(self, orders: Sequence[Order]) -> list[Scenario]:
        drawn: list[Scenario] = []
        playable = sorted(kind for world in self.worlds for kind in world.kinds)
        for order in orders:
            if order.kind not in playable:
                raise ValueError(f"no scenario {order.kind!r}; there are {', '.join(playable)}")
        for world in self.worlds:
            own = [
                world.draw(order.kind, self.span, ordinal, order.wish)
                for ordinal, order in enumerate(orders)
                if order.kind in world.kinds
            ]
            world.apply(own)
            drawn += own
        return drawn

    def steps(self, step_ms: int) -> Iterator[tuple[Span, Step]]:
        """Let the whole time pass in steps of at most ``step_ms``; yield what happened in each."""
        step_ms = max(step_ms - step_ms % self.slot_ms, self.slot_ms)
        while self.ended_ms < self.last_ms:
            # on a grid of their own, so that a run that goes on later makes the same steps
            next_ms = self.ended_ms - self.ended_ms % step_ms + step_ms
            span = Span(self.ended_ms, min(next_ms, self.last_ms))
            parts = [world.step(*span) for world in self.worlds]
            self.ended_ms = span.to_ms
            yield (
                span,
                Step(
                    [batch for part in parts for batch in part.readings],
                    [event for part in parts for event in part.events],
                ),
            )

    def carry(self, carried: Carried) -> None:
        """Go on from what stood in the devices; before the first step."""
        for world in self.worlds:
            world.carry(carried)

    def skip_to(self, time_ms: int) -> None:
        """Let the time pass unseen: the past of a run that goes on is made again by its seed."""
        goal_ms, last_ms = time_ms - time_ms % self.slot_ms, self.last_ms
        self.last_ms = min(goal_ms, last_ms)
        for _ in self.steps(_SKIP_MS):
            pass
        self.last_ms = last_ms

    @property
    def attacks(self) -> Attacks:
        """What is done to it from outside."""
        return next(world for world in self.worlds if isinstance(world, Attacks))

    def devices(self) -> list[DeviceRow]:
        """Return all devices."""
        return [device for world in self.worlds for device in world.devices()]

    def absences(self) -> list[Absence]:
        """Return when which device is not heard, in order."""
        found = [absence for world in self.worlds for absence in world.absences()]
        return sorted(found, key=lambda absence: absence.span)

    def write_registry(self, folder: Path, org: str = ORG) -> None:
        """Write the registry as the operator believes it to be."""
        nodes = [node for world in self.worlds for node in world.nodes()]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REGISTRY_FILE).write_text(render(nodes, self.devices(), org), "utf-8")

    def write_truth(self, folder: Path) -> None:
        """Write what was true up to now; a reader never sees half of it."""
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / (TRUTH_FILE + ".part")
        draft.write_text(json.dumps(self.truth(), indent=1) + "\n", "utf-8")
        draft.replace(folder / TRUTH_FILE)

    def truth(self) -> dict[str, object]:
        """Return the content of ``truth.json``."""
        entries = [entry for world in self.worlds for entry in world.truth()]
        return {
            "version": VERSION,
            "seed": self.size.seed,
            "meters": self.size.meters,
            "lanes": self.size.lanes,
            "from": rfc3339(self.span.from_ms),
            "to": rfc3339(self.ended_ms),
            "scenarios": [_told(entry) for entry in sorted(entries, key=_when)],
            "balance": {k: v for world in self.worlds for k, v in world.balance().items()},
        }


def _when(entry: Truth) -> tuple[int, str, str]:
    return entry.from_ms, entry.kind, entry.where


def _told(entry: Truth) -> dict[str, object]:
    return {
        "what": entry.kind,
        "where": entry.where,
        "from": rfc3339(entry.from_ms),
        "to": rfc3339(entry.to_ms),
        "magnitude": dict(entry.magnitude),
        "touches": list(entry.touches),
    }


def parse_ms(text: str) -> int:
    """Return the Unix ms of an RFC 3339 time.

    Raises:
        ValueError: it is not one, or has no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text}: a time needs its zone, such as Z or +07:00")
    return round(moment.timestamp() * 1000)


def usual_start_ms(now_ms: int, days: float) -> int:
    """Return a start such that the run has ended by now: an hour's begin, midnight if it can."""
    begin_ms = now_ms - round(days * 86_400_000)
    return midnight_ms(begin_ms) if days >= 1 else begin_ms - begin_ms % 3_600_000
