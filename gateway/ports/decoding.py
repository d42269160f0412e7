"""From a record to rows: who sent it, which format it has, where the rows go."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.model import Event, FloatArray, IntArray, Record


class Route(NamedTuple):
    """What the registry says of the device a message belongs to."""

    device_index: int  # dense, from 0, never reused
    sector: str
    is_registered: bool  # False: auto-enrolled, graded so


class DeviceDirectory(Protocol):
    """The part of the registry that the pipeline needs: names to indexes."""

    def route(self, org: str, sector: str, device: str) -> Route:
        """Return the route of a device, enrolling it where that is allowed.

        Raises:
            RejectedError: ``identity`` or ``unregistered``.
        """

    def foreign(self, topic: str, named: tuple[str, str], org: str, sector: str) -> Route:
        """Return the route of a device that sends on a topic of a foreign format.

        ``named`` is what topic and payload call it: device and part of it ("": the device itself).
        A registry entry that lists the topic gives it its own name. One device may send profiles
        of several sectors; ``sector`` is only where it is enrolled.

        Raises:
            RejectedError: ``identity`` or ``unregistered``.
        """

    def model(self, topic: str) -> str:
        """Return which model the device of a foreign topic is, "" where the registry is silent."""

    def zone(self, topic: str) -> str | None:
        """Return the time zone that the registry names for the device of a foreign topic."""


class RowsHeader(NamedTuple):
    """What the rows of one message have in common."""

    profile: str
    device_index: int
    log: int
    boot: int  # -1 where the device counts no boots
    seq: int  # of the first row; NO_SEQ where the device sends none
    time_ms: int  # base; 0 = the device has no clock
    lane: str
    record: int
    received_ms: int
    is_registered: bool
    max_age_ms: int  # 0 = the configuration's [validation] max_age


class RowsHeads(NamedTuple):
    """The headers of many messages of one profile, as columns; see ``RowsHeader``."""

    profile: str
    device_index: IntArray
    log: IntArray
    boot: IntArray
    seq: IntArray
    time_ms: IntArray
    is_backlog: IntArray
    record: IntArray
    received_ms: IntArray
    is_registered: IntArray
    max_age_ms: IntArray


class Raw(Protocol):
    """How numbers of many messages of one shape become rows of a profile."""

    profile: str
    count: int  # numbers of one message

    def rows(self, values: FloatArray) -> FloatArray:
        """Return rows [0, value…, status] in scaled units; ``values`` has shape (n, count)."""


class RawHead(NamedTuple):
    """What is known of a row whose numbers come raw; see ``RowsHeader``."""

    device_index: int
    time_ms: int
    record: int
    received_ms: int
    is_registered: bool
    max_age_ms: int


class Collecting(Protocol):
    """Gathers decoded rows of many messages into columns."""

    def add_raw(self, shape: Raw, head: tuple[int, ...], values: tuple[float, ...]) -> None:
        """Add one row whose numbers ``shape`` will convert; ``head`` is a ``RawHead``, unnamed."""

    def add_table(self, shape: Raw, heads: IntArray, values: FloatArray) -> None:
        """Add one row of each of many messages: ``RawHead`` (6, n), their numbers (n, count)."""

    def add_rows(
        self,
        header: "RowsHeader",
        rows: Sequence[Sequence[float | None]],
    ) -> None:
        """Add rows ``[dt_ms, value…, status]`` of one message; widths already checked."""

    def add_messages(
        self, heads: "RowsHeads", messages: Sequence[Sequence[Sequence[int | None]]]
    ) -> None:
        """Add the rows of many messages of one profile; each has a row, widths are checked."""

    def add_columns(
        self, header: "RowsHeader", dt_ms: IntArray, values: FloatArray, status: IntArray
    ) -> None:
        """Add the rows of one message as arrays; ``values`` has shape (rows, columns)."""

    def add_event(self, event: Event) -> None:
        """Add an event or a state message."""


class Decode(Protocol):
    """One payload format. Pure: no clock, socket or file."""

    def __call__(self, record: Record, route: Route, lane: str, out: "Collecting") -> None:
        """Add the readings of one message to ``out``, all of them or none.

        Raises:
            RejectedError: the payload cannot be read; ``out`` is unchanged.
        """
