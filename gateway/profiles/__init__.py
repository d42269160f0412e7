"""Profiles are data: what the columns of a device's rows mean (``gateway/profiles/*.toml``).

A row on the wire is ``[dt_ms, value…, status]`` with one integer per column, in file order.
``value x scale`` is the value in ``unit``; that is what the API shows. A new sensor type is a
new file here, or one in the folder that ``[gateway] profiles`` names; no code.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

from gateway.errors import ConfigError
from gateway.topics import SECTORS
from gateway.units import UNITS
from gateway.written import load


class Kind(StrEnum):
    """What may be done with a column: a register is differenced, a gauge averaged and so on."""

    REGISTER = "register"  # cumulative; only grows, save for rollover, reset and exchange
    GAUGE = "gauge"  # instantaneous or mean over the interval
    COUNT = "count"  # how many in the interval
    CODE = "code"  # a member of an enumeration


class Column(BaseModel):
    """One column of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    title: str
    unit: str
    scale: float = Field(default=1.0, gt=0)
    kind: Kind
    obis: str | None = Field(default=None, pattern=r"^\d+-\d+:\d+\.\d+\.\d+$")
    quantity: str | None = None  # traffic quantity, where there is no OBIS code
    minimum: float = Field(alias="min")  # physical limits, in ``unit``: outside is no reading
    maximum: float = Field(alias="max")
    rollover: float | None = None  # a register begins again at zero here, in ``unit``
    codes: dict[str, str] = Field(default_factory=dict)  # meaning of each code
    steady: bool = False  # no measurement (the length of an interval): that it stays is no sign

    @model_validator(mode="after")
    def _is_sound(self) -> "Column":
        if self.unit not in UNITS:
            raise ValueError(f"unknown unit {self.unit!r}")
        if self.minimum >= self.maximum:
            raise ValueError("min must be below max")
        return self


class Profile(BaseModel):
    """What a kind of device sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9]{1,15}$")
    number: int = Field(ge=1, le=65535)  # schema id in a block, never reused
    title: str
    sector: str
    # series: one reading per device and time; events: several things may happen in one ms
    shape: Literal["series", "events"] = "series"
    interval_s: int = Field(default=0, ge=0)  # nominal; 0 = when something happens
    # a device measures some of the columns only: a null says nothing, and what stands still for
    # hours (a battery, a room) is not stuck
    sparse: bool = False
    columns: tuple[Column, ...] = Field(alias="column", min_length=1, max_length=31)

    @model_validator(mode="after")
    def _is_sound(self) -> "Profile":
        if self.sector not in SECTORS:
            raise ValueError(f"unknown sector {self.sector!r}")
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("two columns have one name")
        return self

    def column_index(self, name: str) -> int | None:
        """Return the place of a column in a row's values, None where there is none."""
        for index, column in enumerate(self.columns):
            if column.name == name:
                return index
        return None


class Profiles(Mapping[str, Profile]):
    """All known profiles by name; ``by_number`` finds them by the schema id of a block."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._by_name: dict[str, Profile] = {}
        self.by_number: dict[int, Profile] = {}
        for profile in profiles:
            if profile.name in self._by_name or profile.number in self.by_number:
                raise ConfigError(f"profile {profile.name!r} or number {profile.number} twice")
            self._by_name[profile.name] = profile
            self.by_number[profile.number] = profile

    @override
    def __getitem__(self, name: str) -> Profile:
        """Return the profile of that name."""
        return self._by_name[name]

    @override
    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._by_name)

    @override
    def __len__(self) -> int:
        """Return how many profiles there are."""
        return len(self._by_name)


def load_profiles(*extra_folders: Path) -> Profiles:
    """Read the profiles that ship with infragate and those of ``extra_folders``.

    Raises:
        ConfigError: names the file and the key.
    """
    files = []
    for folder in extra_folders:
        if not folder.is_dir():
            raise ConfigError(f"profiles folder {folder} does not exist")
        files += sorted(folder.glob("*.toml"))
    return Profiles((*_shipped(), *(load(file, Profile) for file in files)))


@cache  # what ships does not change, and the processes of a gateway inherit it
def _shipped() -> tuple[Profile, ...]:
    return tuple(load(file, Profile) for file in sorted(Path(__file__).parent.glob("*.toml")))
