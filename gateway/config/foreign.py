"""What the configuration says of devices that speak formats of their own."""

from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from gateway.config.values import Section
from gateway.topics import is_device_id, is_filter


class ForeignSection(Section):
    """Formats of other makers, understood without a word in the configuration."""

    enabled: bool = True
    families: tuple[str, ...] = ()  # empty: all
    mappings: Path | None = None  # folder of further mapping files; None: mappings/ of data_dir
    zone: str | None = None  # of times without offset; None: the gateway stamps them, graded so
    announce: bool = False  # tell Home Assistant of the devices we know
    org: str = "site"  # of devices that no registry file names
    # topic filter -> maker and model of the LoRaWAN devices that send there
    models: dict[str, str] = Field(default_factory=dict, max_length=100)

    @field_validator("org")
    @classmethod
    def _is_id(cls, org: str) -> str:
        if not is_device_id(org):
            raise ValueError(f"{org!r} is not [a-z0-9][a-z0-9-]{{1,63}}")
        return org

    @field_validator("models")
    @classmethod
    def _have_filters(cls, models: dict[str, str]) -> dict[str, str]:
        for pattern in models:
            if not is_filter(pattern):
                raise ValueError(f"{pattern!r} is not an MQTT topic filter")
        return models

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str | None) -> str | None:
        try:
            return zone if zone is None else ZoneInfo(zone).key
        except (OSError, LookupError) as error:  # ZoneInfoNotFoundError is a LookupError
            raise ValueError(f"unknown zone {zone!r}") from error
