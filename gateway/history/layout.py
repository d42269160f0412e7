"""The description of a table: a TOML file beside the CSV file (``--layout``, docs/import.md)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from gateway.config.sections import MappingTime
from gateway.config.values import Duration, Section
from gateway.topics import is_device_id
from gateway.written import load


class TimeColumn(Section):
    """Where the time of a row is and how it is written; as in ``[[mapping]]``."""

    column: str
    format: str = "rfc3339"
    zone: str | None = None  # of times without offset; must be said where there is none
    names: Literal["end", "begin"] = "end"  # of the interval; begin: ``every`` is added


class ValueColumn(Section):
    """Where a value is and what it is measured in."""

    column: str | None = None
    unit: str | None = None  # default: the profile's own
    scale: float = 1.0
    codes: dict[str, int] = Field(default_factory=dict)  # text → code
    value: int | None = None  # the same for all rows, in scaled integers


class Layout(Section):
    """The whole description. Columns are named by the header, or counted from 1."""

    profile: str
    device: str | None = None  # for all rows
    device_column: str | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    header: bool = True
    skip: int = Field(default=0, ge=0)  # lines before the header
    decimal: Literal[".", ","] = "."
    newest_first: bool = False
    every: Duration | None = None  # spacing of rows; default: the commonest one
    null: tuple[str, ...] = ("",)  # cells that mean "not measured"
    time: TimeColumn
    columns: dict[str, ValueColumn | str]  # column of the profile → where it is

    @model_validator(mode="after")
    def _is_sound(self) -> "Layout":
        if (self.device is None) == (self.device_column is None):
            raise ValueError("give device or device_column")
        if self.device is not None and not is_device_id(self.device):
            raise ValueError(f"{self.device!r} cannot be a device id")
        if self.time.names == "begin" and self.every is None:
            raise ValueError('time.names = "begin" needs every, the length of an interval')
        if self.time.format not in {"rfc3339", "unix_s", "unix_ms"} and self.time.zone is None:
            raise ValueError("time.zone must be said: a time without zone is not guessed")
        return self

    @property
    def time_rule(self) -> MappingTime:
        """Return how times are read."""
        return MappingTime(format=self.time.format, zone=self.time.zone or "UTC")


def load_layout(file: Path) -> Layout:
    """Read a description.

    Raises:
        ConfigError: names the file and the key.
    """
    return load(file, Layout)
