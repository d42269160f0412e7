"""A mapping file: what the messages of one maker's devices mean (``docs/devices.md``).

``topic`` is a pattern: ``tele/{device}/SENSOR``. ``{device}``, ``{part}`` and ``{key}`` stand for
one level or a piece of it, ``{device#}`` for several levels, ``{key=on|off*}`` for one of some
words, ``*`` for anything within a level. A path is as in ``decode.paths``; ``*`` in it, or at the
end of a key (``switch:*``), stands for every key or element, each of which is a part of the device
with a name of its own, save 0, which is the device itself.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway import written
from gateway.config.values import Duration, Section
from gateway.errors import ConfigError

SHIPPED = Path(__file__).parents[2] / "mappings"
CODECS = "lorawan"  # folder beside the mapping files: frames of LoRaWAN sensors


def may_be_foreign(topic: str) -> bool:
    """Return whether devices of other makers may publish to a topic, or to what a pattern says."""
    return bool(topic) and not topic.startswith(("#", "$", "tg/")) and "\0" not in topic


def _as_pattern(text: str) -> str:
    if not may_be_foreign(text):
        raise ValueError(f"{text!r} is not a pattern of foreign topics")
    return text


Pattern = Annotated[str, AfterValidator(_as_pattern)]


class ColumnForm(Section):
    """Where a value is and what it is measured in."""

    path: str | tuple[str, ...]  # several: names of other models for the same
    sum: bool = False  # several: registers that add up
    unit: str | None = None  # default: the column's own
    unit_at: str | None = None  # path of a text that names the unit; "$.…" from the message
    units: dict[str, str] = Field(default_factory=dict)  # that text → unit; others are not read
    scale: float = 1.0  # further factor, before the unit
    codes: dict[str, float] = Field(default_factory=dict)  # text → number
    inverted: bool = False  # of yes and no: ``contact`` says that a door is not open


class TimeForm(Section):
    """Where a time is and how it is written."""

    path: str
    # as in ``[[mapping]]``; several: the first that reads it
    format: str | tuple[str, ...] = "rfc3339"
    zone: str | None = None  # of times without offset; None: that of ``[foreign] zone``
    against: str | None = None  # path of the network's time: further apart, the row is suspect


class ReadingForm(Section):
    """Columns of one profile, below one place of the payload."""

    profile: str
    at: str = ""
    has: tuple[str, ...] = ()  # keys beside the values that must be there
    lacks: tuple[str, ...] = ()  # … must not be there
    lists: tuple[str, ...] = ()  # … must be arrays
    scalars: tuple[str, ...] = ()  # … must not be arrays
    equals: dict[str, str] = Field(default_factory=dict)  # … must be this text
    part: str = "{part}"  # name of the part; {part}: of the topic, {*}: what stands for "*"
    time: TimeForm | None = None  # its own; default: that of the message
    columns: dict[str, ColumnForm | str | tuple[str, ...]]


class FrameForm(Section):
    """A LoRaWAN frame beside the values that a network server makes of it, if it does."""

    path: str  # base64
    port: str
    into: str  # where its values are, or would be
    text: str | None = None  # where they are as a text of JSON
    names: tuple[str, ...] = ()  # who it is of: a path, or two whose texts belong together


class MessageForm(Section):
    """Messages of one kind: which topics, and what is in them."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    topic: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    payload: Literal["json", "text", "state"] = "json"  # text: a number or a word, a topic each
    part: bool = True  # whether {part} of the topic is a part of the device, or only a topic of it
    device: str = "{device}"  # with {device}, {part}, {key} and {path:…} filled in
    time: TimeForm | None = None
    online: tuple[str, ...] = ()  # of payload "state"
    lost: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()  # paths that say nothing of the world
    needs: tuple[str, ...] = ()  # paths one of which must be there: else it cannot be read
    signs: tuple[str, ...] = ()  # paths by which a payload is known on any topic
    max_age: Duration | None = None
    frame: FrameForm | None = None
    reading: tuple[ReadingForm, ...] = ()


class ExpectedReading(Section):
    """A row that an example must become; values in the columns' units."""

    device: str
    profile: str
    time: str | None = None  # RFC 3339; None: stamped by the gateway
    values: dict[str, float]


class ExampleForm(Section):
    """A message as a device sends it, and what must be stored of it: run by ``map test``."""

    title: str = ""
    topic: str
    payload: str
    zone: str | None = None  # as if ``[foreign] zone`` said so
    reading: tuple[ExpectedReading, ...] = ()
    kept: dict[str, object] | None = None  # what must stay as sent, in the event list
    state: Literal["online", "lost"] | None = None
    refused: str | None = None  # reason of the quarantine


class Family(Section):
    """A whole file."""

    family: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    title: str
    source: str  # where the format is described
    note: str = ""
    message: Annotated[tuple[MessageForm, ...], Field(min_length=1)]
    example: tuple[ExampleForm, ...] = ()


def load_family(file: Path) -> Family:
    """Read a mapping file.

    Raises:
        ConfigError: names the file and the key.
    """
    return written.load(file, Family)


def parse_family(text: str, file: Path) -> Family:
    """Read the text of a mapping file.

    Raises:
        ConfigError: names the file and the key.
    """
    return written.parse(text, file, Family)


def load_families(folder: Path) -> dict[str, Family]:
    """Read all mapping files of a folder, by the name of the family.

    Raises:
        ConfigError: a file is wrong, or two are of one family.
    """
    if not folder.is_dir():
        raise ConfigError(f"mappings folder {folder} does not exist")
    return written.load_named(folder, Family, "family")
