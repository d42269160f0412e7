"""The parts of the configuration file, each beside what it configures in the file."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.config.http import HttpSection
from gateway.config.values import (
    Duration,
    Secret,
    Section,
    duration_ms,
    is_loopback,
    split_address,
)
from gateway.topics import UP_FILTERS, is_device_id, is_filter

__all__ = [
    "BrokerSource",
    "EnergySection",
    "GatewaySection",
    "HttpSection",
    "ListenerSource",
    "Mapping",
    "MappingColumn",
    "MappingTime",
    "RegistrySection",
    "Secret",
    "Section",
    "SinkSection",
    "SourceSection",
    "TransportSection",
    "ValidationSection",
    "duration_ms",
    "is_loopback",
    "split_address",
]


class GatewaySection(Section):
    """Where data lives and how much of it."""

    data_dir: Path = Path("var")
    profiles: Path | None = None  # folder of further profile files
    journal_max_bytes: int = Field(default=8 << 30, ge=1 << 20)
    segment_bytes: int = Field(default=64 << 20, ge=1 << 12)
    commit_ms: int = Field(default=5, ge=1, le=1000)
    commit_messages: int = Field(default=5000, ge=1)
    journal_keep: Duration = "10m"  # processed segments stay this long, for replay
    retention: Duration = "400d"
    receipt_ms: int = Field(default=1000, ge=10)


class ListenerSource(Section):
    """Devices connect straight to infragate."""

    type: Literal["listener"]
    listen: str = "127.0.0.1:1883"
    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None  # client certificates must be signed by it
    psk: bool = False  # TLS-PSK with the registry's keys; Python 3.13 and newer
    anonymous: bool | None = None  # default: only on loopback
    insecure: bool = False  # beyond loopback without TLS: must be said in so many words
    max_connections: int = Field(default=20_000, ge=1)
    max_packet_bytes: int = Field(default=1 << 20, ge=1 << 10)
    max_rate_per_device: int = Field(default=5_000, ge=1)  # messages per second, then back pressure
    max_age: Duration | None = None

    @model_validator(mode="after")
    def _is_safe(self) -> "ListenerSource":
        host, _ = split_address(self.listen)
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")
        if not is_loopback(host) and not self.insecure:
            if self.cert is None and not self.psk:
                raise ValueError("beyond loopback give cert and key, psk, or insecure = true")
            if self.anonymous:
                raise ValueError("anonymous clients beyond loopback need insecure = true")
        return self

    @property
    def exposure(self) -> str:
        """What ``insecure = true`` lays open to the network, "" where it lays nothing open."""
        if is_loopback(split_address(self.listen)[0]):
            return ""
        found = [] if self.cert is not None or self.psk else ["without TLS"]
        found += ["to anonymous clients"] if self.anonymous else []
        return f"{self.listen} is open {' and '.join(found)}" if found else ""

    @property
    def allows_anonymous(self) -> bool:
        """Whether a client without credentials is let in (the topic is then its identity)."""
        if self.anonymous is not None:
            return self.anonymous
        return is_loopback(split_address(self.listen)[0]) and self.ca is None and not self.psk


class BrokerSource(Section):
    """Infragate is a client of Mosquitto, EMQX, HiveMQ and others."""

    type: Literal["broker"]
    url: str
    client_id: str = Field(min_length=1, max_length=64)
    client: Literal["native", "paho"] = "native"
    version: Literal["5", "3.1.1"] = "5"
    filters: tuple[str, ...] = UP_FILTERS
    username: str | None = None
    password: Secret | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False
    window: int = Field(default=20_000, ge=1, le=65_535)  # ≥ rate × commit time
    keepalive_s: int = Field(default=20, ge=2, le=65_535)
    session_expiry: Duration = "7d"
    max_packet_bytes: int = Field(default=1 << 20, ge=1 << 10)
    max_age: Duration | None = None

    @field_validator("filters")
    @classmethod
    def _are_filters(cls, filters: tuple[str, ...]) -> tuple[str, ...]:
        for topic_filter in filters:
            if not is_filter(topic_filter):
                raise ValueError(f"{topic_filter!r} is not an MQTT topic filter")
        return filters

    @model_validator(mode="after")
    def _is_safe(self) -> "BrokerSource":
        parts = urlsplit(self.url)
        _ = parts.port  # raises where it is no port
        if parts.scheme not in {"mqtt", "mqtts"} or parts.hostname is None:
            raise ValueError("url must be mqtt://host[:port] or mqtts://host[:port]")
        if parts.password is not None:
            raise ValueError("no password in the url: use password = {file = …} or {env = …}")
        if parts.scheme == "mqtt" and not is_loopback(parts.hostname) and not self.insecure:
            raise ValueError("beyond loopback use mqtts://, or say insecure = true")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the broker."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (8883 if self.is_tls else 1883)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def exposure(self) -> str:
        """What ``insecure = true`` lays open to the network, "" where it lays nothing open."""
        if self.is_tls or is_loopback(self.address[0]):
            return ""
        return f"{self.url} is talked to without TLS"


SourceSection = Annotated[ListenerSource | BrokerSource, Field(discriminator="type")]


class ValidationSection(Section):
    """The time window a reading must fall into."""

    max_age: Duration = "60d"  # Toronto saw two weeks of back-filling and looks back 60 days
    max_ahead: Duration = "5m"
    live_age: Duration = "1h"  # older on the live lane: stored, marked late
    live_ahead: Duration = "2m"


class RegistrySection(Section):
    """Who may send, and where each device is."""

    file: Path | None = None  # TOML or CSV
    auto_enrol: bool | None = None  # default: only where no file says who may send
    max_devices: int = Field(default=100_000, ge=1)  # bounds memory against made-up ids

    @property
    def enrols(self) -> bool:
        """Whether an unknown device is taken in at its first message (graded, visible)."""
        return self.file is None if self.auto_enrol is None else self.auto_enrol


class EnergySection(Section):
    """Bills, outages and lineage, worked out of the readings."""

    enabled: bool = True
    tariff: str = "vn-evn-3price"  # a name in ``policies/tariff``
    norm: str = "vn-39-2015"  # of voltages, a name in ``policies/voltage``
    calendar: str = "vn-public-holidays"  # of days and holidays, a name in ``policies/calendar``


class TransportSection(Section):
    """States of the road, detector health, incidents, tolls, worked out of the readings."""

    enabled: bool = True


def _as_http_url(text: str) -> str:
    parts = urlsplit(text)
    _ = parts.port  # raises where it is no port
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        raise ValueError(f"{text!r} is not http://host[:port] or https://host[:port]")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no password in the url: use username and password = {file = …}")
    return text


HttpUrl = Annotated[str, AfterValidator(_as_http_url)]


class SinkSection(Section):
    """A database that gets every reading."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    type: Literal["influx1", "influx2", "influx3", "victoriametrics"]
    url: HttpUrl
    database: str = "infragate"  # bucket of InfluxDB 2
    org: str = "infragate"  # InfluxDB 2 only
    token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    ca: Path | None = None
    batch: int = Field(default=5000, ge=1, le=50_000)
    timeout: Duration = "10s"
    replay_window: Duration = "5m"  # sent again after the server restarted


class MappingColumn(Section):
    """One value of a foreign payload: where it is, what it becomes."""

    path: str  # "ENERGY.Power", "values[0].v"; "" is the payload itself
    unit: str | None = None  # of the foreign value; default: the column's own unit
    scale: float = 1.0  # further factor, before the unit
    offset: float = 0.0


class MappingTime(Section):
    """Where the time of a foreign payload is and how it is written."""

    path: str | None = None  # None: the gateway's receive time, graded so
    format: str = "rfc3339"  # rfc3339 | unix_s | unix_ms | relative_s | a strptime pattern
    zone: str = "UTC"  # for times without an offset


class Mapping(Section):
    """Any JSON becomes readings: topic pattern, path → column, unit, scale, time and zone."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    topic: str  # MQTT filter; {device} may stand for one level: "tele/{device}/SENSOR"
    profile: str
    org: str = "site"
    device: str = "{device}"  # with {device} and {path:…} filled in, made a valid id
    rows: str | None = None  # path of an array: each element is one reading
    seq: str | None = None  # path of a sequence number
    time: MappingTime = MappingTime()
    columns: dict[str, MappingColumn | str]  # column name → path or full form
    ignore_extra: bool = True
    max_age: Duration | None = None  # to import history

    @field_validator("org")
    @classmethod
    def _is_id(cls, org: str) -> str:
        if not is_device_id(org):
            raise ValueError(f"{org!r} is not [a-z0-9][a-z0-9-]{{1,63}}")
        return org
