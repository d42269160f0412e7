"""A codec file: what the frames of one maker's sensors mean (docs/devices.md).

Two kinds of layout. *Tagged*: a frame is a run of entries, each a tag and fields whose lengths are
known; with the empty tag it is one entry. *Flagged*: a header, then blocks
of 16-bit words, each there if its bit of the flags is set.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway import written
from gateway.config.values import Section

_TAG = re.compile(r"(?:(?:[0-9a-f]{2}|\*\*)(?:[0-9a-f]{2})+|[0-9a-f]{2})?\Z")
_PLACE = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9_]*\Z")
MAX_TAG_BYTES = 4
MAX_BLOCKS = 16  # flags are a 16-bit word
VENDOR = "vendor"  # a name for all models that the tables say nothing else of


def _as_tag(text: str) -> str:
    if not _TAG.match(text) or len(text) > 2 * MAX_TAG_BYTES:
        raise ValueError(
            f"{text!r} is not a tag: two hexadecimal digits a byte, the first may be **"
        )
    return text


def _as_place(text: str) -> str:
    if not _PLACE.match(text):
        raise ValueError(f"{text!r} is not profile.column")
    return text


def _as_frame(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not hexadecimal, two digits a byte") from error
    return text


Tag = Annotated[str, AfterValidator(_as_tag)]
ColumnPlace = Annotated[str, AfterValidator(_as_place)]
Port = Annotated[int, Field(ge=1, le=255)]


class BitsForm(Section):
    """Some bits of a field, the lowest of them ``at`` (0 = least significant).

    Several may be of the same bits: one raw may say several things.
    """

    name: str
    at: int = Field(ge=0, le=63)
    count: int = Field(default=1, ge=1, le=32)
    signed: bool = False
    scale: float = 1.0
    offset: float = 0.0
    formula: str = ""
    digits: int | None = Field(default=None, ge=0, le=9)
    words: tuple[str, ...] | dict[str, str] = ()
    raws: tuple[int, int] | None = None  # only for raws from … to
    text: str = ""  # what such a raw means
    unit: str | None = None
    to: ColumnPlace | None = None
    part: str = ""


class FieldForm(Section):
    """One value of a frame; what has no ``to`` is kept in the report under its name."""

    name: str = ""  # "": passed over (reserved, or told by its bits)
    kind: str = Field(default="u8", alias="as")  # numbers.parse_kind
    scale: float = 1.0  # value = raw x scale + offset
    offset: float = 0.0
    formula: str = ""  # instead, where it is no straight line
    digits: int | None = Field(default=None, ge=0, le=9)  # of the formula's value, as stated
    sum: bool = False  # registers that add up to their column
    words: tuple[str, ...] | dict[str, str] = ()  # raw -> text; other raws stay numbers
    flags: tuple[str, ...] = ()  # names of its bits, the lowest first: a list of those that are set
    clock: bool = False  # minutes of the day, kept as "11:31"
    none: tuple[int, ...] = ()  # raws that say: not measured
    min: float | None = None  # beyond these the frame cannot be of this layout
    max: float | None = None
    when: dict[str, int] = Field(default_factory=dict)  # there only if fields before it say so
    text: str = ""  # of kinds bytes and nibbles: "v{0}.{1}"
    bits: tuple[BitsForm, ...] = ()  # beside the other values; under ``name``, if it has one
    unit: str | None = None  # default: the column's own
    to: ColumnPlace | None = None
    part: str = ""  # of the device: a second channel of the same quantity
    time: bool = False  # Unix seconds of the values beside it

    @model_validator(mode="after")
    def _has_no_hidden_column(self) -> "FieldForm":
        if self.name and any(one.to for one in self.bits):
            raise ValueError(f"bits under the name {self.name!r} go to no column")
        return self


class EntryForm(Section):
    """What follows a tag."""

    fields: tuple[FieldForm, ...]
    record: bool = False  # a reading of another time, stored by the device
    list: str = ""  # comes several times: each is one element under this name
    says: dict[str, str | int] = Field(
        default_factory=dict
    )  # what it means that the entry is there
    last: bool = False  # nothing may follow it: its fields are all of the frame


class BlockForm(Section):
    """Words behind one bit of the flags; ``formula`` of its fields knows them as x0, x1, …."""

    words: int = Field(ge=1, le=64)
    fields: tuple[FieldForm, ...]


class LayoutForm(Section):
    """How frames of some models are laid out."""

    layout: Literal["tagged", "flagged"] = "tagged"
    models: tuple[str, ...] = ()  # empty: of all models of the file
    ports: tuple[Port, ...] = ()  # empty: any
    order: Literal["little", "big"] = "big"
    entries: dict[Tag, tuple[FieldForm, ...] | EntryForm] = Field(default_factory=dict)
    version: int = Field(default=2, ge=0, le=255)  # flagged: the first byte
    blocks: Annotated[tuple[BlockForm, ...], Field(max_length=MAX_BLOCKS)] = ()
    # what formulas name and each sensor has its own of: said with the model, "PR21 (Pmax=10)"
    parameters: tuple[str, ...] = Field(default=(), max_length=8)

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> "LayoutForm":
        if self.layout == "tagged" and (not self.entries or self.blocks):
            raise ValueError("a tagged layout has entries and no blocks")
        if self.layout == "flagged" and (not self.blocks or self.entries):
            raise ValueError("a flagged layout has blocks and no entries")
        if "" in self.entries and len(self.entries) > 1:
            raise ValueError("beside the entry of no tag there is no other")
        return self


class CodecExample(Section):
    """A frame, and what it must become: run by ``map test``."""

    title: str = ""
    model: str = ""  # "": not declared, known by its shape
    port: Port
    frame: Annotated[str, AfterValidator(_as_frame)]  # hexadecimal
    values: dict[str, object] = Field(default_factory=dict)  # by name, in the fields' units
    columns: dict[str, float] = Field(default_factory=dict)  # "profile.column", in its unit
    records: tuple[dict[str, object], ...] = ()  # readings of other times, "time" in Unix seconds
    refused: str | None = None  # words that its detail must have


class CodecFile(Section):
    """A whole file."""

    codec: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")  # the maker
    title: str
    source: str  # where the format is described
    note: str = ""
    # frames name their quantities themselves: one is read without a declared model where all
    # models of all files that can read it agree on what it says
    self_describing: bool = False
    alias: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # model -> other names of it
    layout: Annotated[tuple[LayoutForm, ...], Field(min_length=1)]
    example: tuple[CodecExample, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """All models, in the order of the file; one name where the file tells none apart."""
        named = dict.fromkeys(model for one in self.layout for model in one.models)
        return tuple(named) or (VENDOR,)


def is_codec(file: Path) -> bool:
    """Return whether a file says that it is a codec; one that cannot be read is not."""
    try:
        return "codec" in tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return False


def load_codec(file: Path) -> CodecFile:
    """Read a codec file.

    Raises:
        ConfigError: names the file and the key.
    """
    return written.load(file, CodecFile)


def load_codec_files(folder: Path) -> dict[str, CodecFile]:
    """Read all codec files of a folder by maker; none where there is no such folder.

    Raises:
        ConfigError: a file is wrong, or two are of one maker.
    """
    return written.load_named(folder, CodecFile, "codec")
