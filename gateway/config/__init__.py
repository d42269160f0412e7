"""The one TOML file (DESIGN §3.4): unknown keys are refused, secrets only from files or env.

``load_settings`` validates everything before anything is opened, so a wrong file never
touches the data.
"""

from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from gateway.config.alarms import AlarmsSection
from gateway.config.foreign import ForeignSection
from gateway.config.sections import (
    BrokerSource,
    EnergySection,
    GatewaySection,
    HttpSection,
    ListenerSource,
    Mapping,
    RegistrySection,
    Section,
    SinkSection,
    SourceSection,
    TransportSection,
    ValidationSection,
    duration_ms,
    is_loopback,
    split_address,
)
from gateway.errors import ConfigError
from gateway.model import IMPORT_SOURCE
from gateway.written import tables_of, text_of, words_of

# what pydantic says of the commonest mistakes, for people who do not know it
_TAG_MISSING = "union_tag_not_found"
_GIVE_TAG = 'give type = "listener" or type = "broker"'

__all__ = [
    "AlarmsSection",
    "BrokerSource",
    "EnergySection",
    "ForeignSection",
    "GatewaySection",
    "HttpSection",
    "ListenerSource",
    "Mapping",
    "RegistrySection",
    "Section",
    "Settings",
    "SinkSection",
    "SourceSection",
    "TransportSection",
    "ValidationSection",
    "duration_ms",
    "is_loopback",
    "load_settings",
    "split_address",
]


class Settings(Section):
    """The whole file."""

    gateway: GatewaySection = GatewaySection()
    source: tuple[SourceSection, ...] = Field(default=(), max_length=IMPORT_SOURCE)
    validation: ValidationSection = ValidationSection()
    http: HttpSection | None = HttpSection()
    registry: RegistrySection = RegistrySection()
    energy: EnergySection = EnergySection()
    transport: TransportSection = TransportSection()
    alarms: AlarmsSection = AlarmsSection()
    sink: tuple[SinkSection, ...] = ()
    mapping: tuple[Mapping, ...] = ()
    foreign: ForeignSection = ForeignSection()

    @model_validator(mode="after")
    def _has_one_of_each_name(self) -> "Settings":
        for what, names in (
            ("sink name", [sink.name for sink in self.sink]),
            ("mapping name", [mapping.name for mapping in self.mapping]),
            ("client_id", [s.client_id for s in self.source if isinstance(s, BrokerSource)]),
            ("listen", [s.listen for s in self.source if isinstance(s, ListenerSource)]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what} {min(twice)!r} is used twice")
        return self

    @property
    def exposures(self) -> tuple[str, ...]:
        """What ``insecure = true`` lays open, a sentence each; empty as it should be."""
        sections = (*self.source, *([] if self.http is None else [self.http]))
        return tuple(section.exposure for section in sections if section.exposure)


def load_settings(file: Path) -> Settings:
    """Read and validate a configuration file; relative paths in it start at its folder.

    Raises:
        ConfigError: names the file and every wrong key.
    """
    raw = tables_of(text_of(file), file)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(file, error))) from error
    return _rooted(settings, file.resolve().parent)


def _lines(file: Path, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        # a discriminated union puts its tag among the keys; people know only what they wrote
        key = ".".join(str(part) for part in problem["loc"] if part not in {"listener", "broker"})
        kind = problem["type"]
        words = _GIVE_TAG if kind == _TAG_MISSING else words_of(kind, problem["msg"])
        lines.append(f"{file}: {key or 'file'}: {words}")
    return lines


def _rooted(section: Section, folder: Path) -> "Settings":
    return _rooted_any(section, folder)  # type: ignore[return-value]


def _rooted_any(value: object, folder: Path) -> object:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(_rooted_any(item, folder) for item in value)
    if isinstance(value, Section):
        changes = {
            name: _rooted_any(getattr(value, name), folder) for name in type(value).model_fields
        }
        return value.model_copy(update=changes)
    return value
