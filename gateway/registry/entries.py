"""What a registry file says of devices and of the nodes above them; every fact has a period.

A fact is a table with ``from`` and ``to`` (UTC unless the time says otherwise; ``to`` is not
part of it) or, where it always holds, just its value: ``parent = "tba-0412"``.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from gateway.topics import is_device_id, is_filter

ALWAYS_MS, NEVER_MS = -(1 << 62), 1 << 62


class NodeKind(StrEnum):
    """What a device may hang on."""

    SUBSTATION = "substation"
    FEEDER = "feeder"
    TRANSFORMER = "transformer"
    CORRIDOR = "corridor"
    SECTION = "section"
    STATION = "station"
    CONCENTRATOR = "concentrator"
    CABINET = "cabinet"
    SITE = "site"


# kind → what may be above it; a feeder may branch off a feeder, a site lie within a site
PARENTS: dict[NodeKind, tuple[NodeKind, ...]] = {
    NodeKind.SUBSTATION: (NodeKind.SITE,),
    NodeKind.FEEDER: (NodeKind.SUBSTATION, NodeKind.FEEDER),
    NodeKind.TRANSFORMER: (NodeKind.FEEDER,),
    NodeKind.CORRIDOR: (),
    NodeKind.SECTION: (NodeKind.CORRIDOR,),
    NodeKind.STATION: (NodeKind.SECTION,),
    NodeKind.CONCENTRATOR: (NodeKind.SITE,),
    # at the road: detectors live from it, and it from the grid
    NodeKind.CABINET: (NodeKind.TRANSFORMER, NodeKind.FEEDER),
    NodeKind.SITE: (NodeKind.SITE,),
}
# what the power of a device of any sector may come from
SUPPLIES = (NodeKind.CABINET, NodeKind.TRANSFORMER, NodeKind.FEEDER)
DEVICE_PARENTS: dict[str, tuple[NodeKind, ...]] = {
    "energy": (
        *(NodeKind.TRANSFORMER, NodeKind.FEEDER, NodeKind.SUBSTATION, NodeKind.SITE),
        NodeKind.CABINET,  # its meter
    ),
    "transport": (NodeKind.STATION, NodeKind.SECTION, NodeKind.SITE),
    "water": (NodeKind.SITE,),
    "env": (NodeKind.SITE, NodeKind.STATION),
    "urban": (NodeKind.SITE,),
}


def _id(text: str) -> str:
    if not is_device_id(text):
        raise ValueError(f"{text!r} is not [a-z0-9][a-z0-9-]{{1,63}}")
    return text


def _moment_ms(value: object) -> object:
    """Return a TOML or ISO date or time in milliseconds; a date is its first moment in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        zoned = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return round(zoned.timestamp() * 1000)
    if isinstance(value, date):
        return round(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000)
    raise ValueError("give a date or a time such as 2026-01-31 or 2026-01-31T08:00:00+07:00")


def _filter(text: str) -> str:
    if not is_filter(text) or text[0] in "+#$" or text.split("/", maxsplit=1)[0] == "tg":
        raise ValueError(f"{text!r} is not a filter of foreign topics that begins with a name")
    return text


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (OSError, LookupError) as error:  # ZoneInfoNotFoundError is a LookupError
        raise ValueError(f"unknown zone {text!r}") from error


Id = Annotated[str, AfterValidator(_id)]
Zone = Annotated[str, AfterValidator(_zone)]
TopicFilter = Annotated[str, AfterValidator(_filter)]
Moment = Annotated[int, BeforeValidator(_moment_ms)]


class Part(BaseModel):
    """Base of everything in the file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(Part):
    """Something that holds from one moment up to another."""

    from_ms: Moment = Field(default=ALWAYS_MS, alias="from")
    to_ms: Moment = Field(default=NEVER_MS, alias="to")

    @model_validator(mode="after")
    def _is_a_period(self) -> "Fact":
        if self.from_ms >= self.to_ms:
            raise ValueError("'from' must be before 'to'")
        return self

    def holds(self, time_ms: int) -> bool:
        """Return whether the fact holds at a moment."""
        return self.from_ms <= time_ms < self.to_ms


class Link(Fact):
    """A tie to a node."""

    id: Id


class MeterFact(Fact):
    """The instrument behind the device id; a new serial number is an exchange.

    What its registers showed when it was put up and taken down is from the protocol of that.
    """

    serial: str = Field(min_length=1, max_length=64)
    first_wh: float | None = Field(default=None, ge=0)
    last_wh: float | None = Field(default=None, ge=0)
    first_export_wh: float | None = Field(default=None, ge=0)
    last_export_wh: float | None = Field(default=None, ge=0)


class Place(Fact):
    """Where it is, WGS 84."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class Rating(Fact):
    """What it can carry at most."""

    kva: float | None = Field(default=None, gt=0)
    amperes: float | None = Field(default=None, gt=0)
    phases: Annotated[Literal[1, 3], BeforeValidator(int)] = 1  # a CSV gives text


class LaneFact(Fact):
    """Which lane a detector watches; lane 1 is beside the median, as in TMG."""

    number: int = Field(ge=1, le=20)
    direction: str = Field(default="", max_length=32)


class Flag(Fact):
    """Whether something is so."""

    value: bool


class Budget(Fact):
    """What a customer means to use in a month; an alert warns before it is used up."""

    kwh: float = Field(gt=0)


def _listed(key: str) -> BeforeValidator:
    """Let a fact that always holds be written as its plain value or a single table."""

    def wrap(value: object) -> object:
        if isinstance(value, dict):
            return [value]
        return value if isinstance(value, list) else [{key: value}]

    return BeforeValidator(wrap)


Links = Annotated[tuple[Link, ...], _listed("id")]
Meters = Annotated[tuple[MeterFact, ...], _listed("serial")]
Places = Annotated[tuple[Place, ...], _listed("lat")]
Ratings = Annotated[tuple[Rating, ...], _listed("amperes")]
Lanes = Annotated[tuple[LaneFact, ...], _listed("number")]
Flags = Annotated[tuple[Flag, ...], _listed("value")]
Budgets = Annotated[tuple[Budget, ...], _listed("kwh")]


class Node(Part):
    """A place or a piece of network that devices and other nodes hang on."""

    id: Id
    kind: NodeKind
    title: str = ""
    parent: Links = ()
    place: Places = ()
    rating: Ratings = ()
    road_class: Literal["urban", "expressway", "national"] | None = Field(
        default=None, alias="class"
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Node":
        if (self.kind is NodeKind.SECTION) != (self.road_class is not None):
            raise ValueError("a section, and nothing else, has a class")
        return self


class Device(Part):
    """A device that may send."""

    id: Id
    org: Id
    sector: Literal["energy", "transport", "water", "env", "urban"]
    title: str = ""
    pilot: bool = False
    head: bool = False  # its meter measures all that the node above it gives
    parent: Links = ()
    uplink: Links = ()
    supply: Links = ()
    meter: Meters = ()
    place: Places = ()
    rating: Ratings = ()
    lane: Lanes = ()
    prosumer: Flags = ()  # may feed energy in
    connected: Flags = ()  # false: switched off by the utility
    check_of: Links = ()  # the main meter at whose metering point it measures the same once more
    budget: Budgets = ()
    topics: tuple[TopicFilter, ...] = Field(default=(), max_length=16)  # of a foreign format
    zone: Zone | None = None  # of times without offset on those topics; None: [foreign] zone
    model: str = Field(default="", max_length=128)  # maker and model: whose LoRaWAN frames it sends

    @model_validator(mode="after")
    def _measures_a_node(self) -> "Device":
        if self.head and (self.sector != "energy" or not self.parent):
            raise ValueError("'head' is for a device of sector energy with a parent")
        return self

    @model_validator(mode="after")
    def _checks_a_meter(self) -> "Device":
        if self.check_of and (self.sector != "energy" or self.head):
            raise ValueError("'check_of' is for a device of sector energy that is no 'head' itself")
        return self


class RegistryFile(Part):
    """The whole file."""

    node: tuple[Node, ...] = ()
    device: tuple[Device, ...] = ()


NODE_FACTS = ("parent", "place", "rating")
DEVICE_FACTS = (
    *("parent", "uplink", "supply", "meter", "place", "rating", "lane"),
    *("prosumer", "connected", "check_of", "budget"),
)
