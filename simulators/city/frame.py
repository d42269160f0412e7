"""What a world of the city is: places and devices, readings as columns, and what is true of them.

A world is built from a seed and sizes, is told its scenarios once, then stepped through time.
It is a function of seed, sizes and scenarios: how the time is cut into steps changes nothing, and
no wall clock and no other randomness come in (``simulators.city.dice`` has the numbers).

Two times are kept apart: ``at_ms`` is when something truly happens (what publishing is paced by),
``time_ms`` what the device's own clock says of it. Columns are integers in the scaled units of the
device's profile, exactly as they go over the wire.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NULL = -(1 << 63)  # a value in ``Readings.values``: not measured
ORG = "city"
# With the last of its charge a node says that its power is gone: an event of its ``at_ms`` may lie
# that far within a dark span, nothing else may.
GASP_MS = 2000
LAST_GASP = 99
# A cabinet at the road has power for this many detectors; it is a metered customer of the grid.
LANES_PER_CABINET = 8


class Span(NamedTuple):
    """A time, Unix ms; ``to_ms`` is not part of it."""

    from_ms: int
    to_ms: int


class Scenario(NamedTuple):
    """Something that goes wrong, as it is ordered."""

    kind: str
    where: str  # a device or a node of the registry
    from_ms: int
    to_ms: int
    parameters: Mapping[str, float | str] = {}


class Truth(NamedTuple):
    """What really happened, as it is written into ``truth.json``.

    ``magnitude`` are numbers that a detector can be scored by, measured in the world and not
    copied from the order: hidden Wh, share, customers, queue length.
    """

    kind: str
    where: str
    from_ms: int
    to_ms: int
    magnitude: Mapping[str, float | str]
    touches: tuple[str, ...] = ()  # every device and node that an alarm may rightly name


class Tie(NamedTuple):
    """Hanging on a node, always or for a time."""

    id: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node of the registry, see docs/examples/registry.toml."""

    id: str
    kind: str
    title: str = ""
    parents: tuple[Tie, ...] = ()
    place: tuple[float, float] | None = None  # latitude, longitude
    rating: Mapping[str, float] = field(default_factory=dict)  # kva, amperes, phases
    road_class: str = ""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device of the registry, with what its node must know to speak for it."""

    id: str
    sector: str
    profile: str
    interval_ms: int  # 0: rows are events
    title: str = ""
    parents: tuple[Tie, ...] = ()
    uplink: str = ""  # a concentrator
    supply: str = ""  # the cabinet that it lives from
    serial: str = ""
    place: tuple[float, float] | None = None
    rating: Mapping[str, float] = field(default_factory=dict)
    lane: tuple[int, str] | None = None  # number from the median, direction
    is_head: bool = False  # its meter measures all that the node above it gives
    is_prosumer: bool = False  # may feed in


class Absence(NamedTuple):
    """When a device is not heard.

    ``dark``: it has no power: measures nothing, its connection dies, it boots afterwards.
    ``cut off``: only its connection is gone: it measures, keeps, and sends it as backlog.
    ``at_ms`` of readings within a dark span does not occur.
    """

    device: str
    span: Span
    reason: Literal["dark", "cut off"]


class Event(NamedTuple):
    """An event on lane e: a code of docs/protocol.md §7 (99 last gasp, 2 power returned …)."""

    device: str
    at_ms: int
    time_ms: int
    code: int


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Rows of one profile; all arrays have one entry per row, ordered by ``at_ms`` per device."""

    profile: str
    names: Sequence[str]  # of all devices of the profile
    device: NDArray[np.int32]  # index into ``names``
    at_ms: Ints
    time_ms: Ints
    values: Ints  # rows × columns of the profile, scaled; ``NULL`` = not measured
    status: NDArray[np.uint8]  # AMR profile status, docs/protocol.md §4


class Step(NamedTuple):
    """What happened in a step."""

    readings: Sequence[Readings]
    events: Sequence[Event]


# What stands in a device from one step to the next and must never run backwards: registers in
# µWh, counters, gauges; by the device's name.
Carried = Mapping[str, Sequence[float]]


class World(Protocol):
    """The grid, or the road."""

    slot_ms: int
    """Steps begin and end on multiples of this (Unix time)."""

    kinds: frozenset[str]
    """The scenarios it can play."""

    def draw(self, kind: str, span: Span, ordinal: int, wish: Mapping[str, object]) -> Scenario:
        """Choose what an order leaves open, by the seed and ``ordinal``.

        Args:
            kind: one of ``kinds``.
            span: of the whole run.
            ordinal: number of the order, so that two thefts are not one.
            wish: what the order fixes: ``where``, ``from_ms``, ``to_ms``, and parameters.

        Raises:
            ValueError: there is no such place, or a parameter is out of its range.
        """

    def apply(self, scenarios: Sequence[Scenario]) -> None:
        """Take the scenarios of the whole run; once, before the first step."""

    def nodes(self) -> Sequence[NodeRow]:
        """Return the places of the registry (as the operator believes them to be)."""

    def devices(self) -> Sequence[DeviceRow]:
        """Return the devices of the registry (as the operator believes them to be)."""

    def absences(self) -> Sequence[Absence]:
        """Return when which device is not heard; known once the scenarios are."""

    def step(self, from_ms: int, to_ms: int) -> Step:
        """Let the time pass; steps follow each other without a gap."""

    def carried(self) -> Carried:
        """Return what stands in the devices at the end of the last step."""

    def carry(self, carried: Carried) -> None:
        """Go on from what stood in the devices; before the first step."""

    def truth(self) -> Sequence[Truth]:
        """Return what was true up to the end of the last step."""

    def balance(self) -> Mapping[str, Mapping[str, float]]:
        """Return what nature conserves, by place: what came in, what went where (Wh, vehicles)."""


class Supply(Protocol):
    """What the road asks of the grid: a cabinet hangs on a transformer like a home."""

    def feeds(self, cabinet: int) -> str:
        """Return the transformer of a roadside cabinet, counted from 0."""

    def dark(self, cabinet: int) -> Sequence[Span]:
        """Return when a cabinet has no voltage, in order; known once the scenarios are."""


def cabinets_for(lanes: int) -> int:
    """Return how many cabinets the grid must feed for that many lanes."""
    return -(-lanes // LANES_PER_CABINET)


def cabinet_name(cabinet: int) -> str:
    """Return what the registry calls a cabinet, counted from 0."""
    return f"cabinet-{cabinet + 1:04d}"
