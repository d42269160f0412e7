"""Fill the generated parts of docs/operations.md: the tables of settings and of metrics.

Run it after changing a key of the configuration or a metric: ``python tools/operations_doc.py``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Le, MaxLen, MinLen

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pydantic.fields import FieldInfo  # noqa: E402

from gateway.api.glossary import METRICS  # noqa: E402
from gateway.config import (  # noqa: E402
    AlarmsSection,
    BrokerSource,
    EnergySection,
    ForeignSection,
    GatewaySection,
    HttpSection,
    ListenerSource,
    RegistrySection,
    Section,
    SinkSection,
    TransportSection,
    ValidationSection,
)
from gateway.config.http import OperatorSection  # noqa: E402
from tools.generated import with_parts  # noqa: E402

DOCUMENT = ROOT / "docs" / "operations.md"

SECTIONS: dict[str, type[Section]] = {
    "[gateway]": GatewaySection,
    '[[source]] type = "listener"': ListenerSource,
    '[[source]] type = "broker"': BrokerSource,
    "[validation]": ValidationSection,
    "[http]": HttpSection,
    "[[http.operator]]": OperatorSection,
    "[registry]": RegistrySection,
    "[energy]": EnergySection,
    "[transport]": TransportSection,
    "[foreign]": ForeignSection,
    "[alarms]": AlarmsSection,
    "[[sink]]": SinkSection,
}
_TLS = {
    "cert": "certificate chain, PEM",
    "key": "its private key, PEM, readable by its owner only",
}
_MAX_AGE = "how old readings of this source may be, where `[validation]` is too narrow"
_PACKET = "larger packets end the connection"
MEANINGS: dict[str, dict[str, str]] = {
    "[gateway]": {
        "data_dir": "where everything is kept; relative to the configuration file, as all paths",
        "profiles": "folder of further profile files",
        "journal_max_bytes": "beyond it sources stop reading until the processor has caught up",
        "segment_bytes": "of a journal file; whole files are deleted",
        "commit_ms": "longest wait of a message for the others of its commit",
        "commit_messages": "as many make a commit at once",
        "journal_keep": "processed messages stay this long, for `replay`",
        "retention": "days of readings are deleted after this",
        "receipt_ms": "receipts of a device come at most this often",
    },
    '[[source]] type = "listener"': {
        "type": "devices connect straight to infragate",
        "listen": "address and port",
        **_TLS,
        "ca": "clients must show a certificate that it has signed",
        "psk": "TLS with pre-shared keys of enrolled devices (Python 3.13)",
        "anonymous": "clients without credentials; default: on loopback only",
        "insecure": "beyond loopback without TLS",
        "max_connections": "more are refused",
        "max_packet_bytes": _PACKET,
        "max_rate_per_device": "messages a second; a faster device is read more slowly",
        "max_age": _MAX_AGE,
    },
    '[[source]] type = "broker"': {
        "type": "infragate is a client of Mosquitto, EMQX, HiveMQ …",
        "url": "`mqtt://host[:1883]` or `mqtts://host[:8883]`",
        "client_id": "of our session: fixed, and one for each source",
        "client": "`paho` is slower, and written by others",
        "version": "of MQTT",
        "filters": "what to subscribe; default: the up lanes",
        "username": "at the broker",
        "password": "`{ file = … }` or `{ env = … }`",
        "ca": "who must have signed the broker's certificate; default: the system's",
        "cert": "client certificate, PEM",
        "key": _TLS["key"],
        "insecure": "beyond loopback without TLS",
        "window": "Receive Maximum: messages in flight, at least rate × commit time",
        "keepalive_s": "a silent broker is given up after 1.5 of them",
        "session_expiry": "how long the broker keeps our session while we are away",
        "max_packet_bytes": "larger ones are not sent to us",
        "max_age": _MAX_AGE,
    },
    "[validation]": {
        "max_age": "older readings are refused",
        "max_ahead": "readings further in the future are refused",
        "live_age": "older ones are stored and marked `LATE`",
        "live_ahead": "further ahead they are stored and marked `TIME_SYNC`",
    },
    "[http]": {
        "listen": "API and board",
        **_TLS,
        "token": "of programs and people who may look, `{ file = … }` or `{ env = … }`",
        "operator": "who may do more than look, a block each; people: `infragate operator`",
        "insecure": "beyond loopback without TLS or token",
        "board": "serve the board at `/`",
        "time_zone": "of days and moments on the board; when a day ends, policies/calendar says",
    },
    "[[http.operator]]": {
        "name": "stands beside what he acknowledged",
        "token": "his own, `{ file = … }` or `{ env = … }`",
    },
    "[registry]": {
        "file": "devices, sites, topology; TOML or CSV",
        "auto_enrol": "take unknown devices in; default: where there is no file",
        "max_devices": "further names are refused",
    },
    "[energy]": {
        "enabled": "run the analyst: intervals, determinants, outages ([energy.md](energy.md))",
        "tariff": "the calendar of rates by which use is divided",
        "norm": "by which voltages are judged, a name in `gateway/policies/voltage`",
        "calendar": "whose days and holidays bills have, a name in `gateway/policies/calendar`",
    },
    "[transport]": {
        "enabled": "states of the road, detector health, incidents ([transport.md](transport.md))",
    },
    "[foreign]": {
        "enabled": "understand devices of other makers ([devices.md](devices.md))",
        "families": "names in the table there; empty: all",
        "mappings": "folder of further mapping files, default `mappings` in `data_dir`; they win",
        "zone": "of times without offset; without it the gateway stamps such readings, graded so",
        "announce": "tell Home Assistant of all devices, by its discovery messages",
        "org": "of devices that no registry file names",
        "models": "topic filter and the LoRaWAN model there, where the registry says none",
    },
    "[alarms]": {
        "enabled": "run the annunciator",
        "listener": "tell monitors of listeners over MQTT",
        "broker": "publish alarms at brokers, which see to it themselves who may read",
        "org": "in the topic of what belongs to no organisation: the gateway's own alarms",
    },
    "[[sink]]": {
        "name": "its own; metric label and name of its cursor",
        "type": "dialect, see [sinks.md](sinks.md)",
        "url": "`http://` or `https://`",
        "database": "bucket of InfluxDB 2, label `db` on VictoriaMetrics",
        "org": "InfluxDB 2 only",
        "token": "`{ file = … }` or `{ env = … }`",
        "username": "with `password`, in place of a token",
        "password": "`{ file = … }` or `{ env = … }`",
        "ca": "who must have signed the server's certificate",
        "batch": "lines in a request",
        "timeout": "of a whole request",
        "replay_window": "sent again after the server restarted",
    },
}


def _settings() -> str:
    lines = []
    for title, section in SECTIONS.items():
        lines += [f"**`{title}`**", "", "| key | default | allowed | what it says |"]
        lines += ["|---|---|---|---|"]
        for name, field in section.model_fields.items():
            cells = (f"`{name}`", _default(field), _allowed(field), MEANINGS[title][name])
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value: Any = field.get_default(call_default_factory=True)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int):
        return f"{value:,}"
    if value in ((), {}):
        return "none"
    return "up lanes" if isinstance(value, tuple) else f"`{value}`"


def _allowed(field: FieldInfo) -> str:
    bounds: dict[type, Any] = {type(one): one for one in field.metadata}
    if Ge in bounds:
        top = f"{bounds[Le].le:,}" if Le in bounds else ""
        return f"{bounds[Ge].ge:,} … {top}".strip()
    if MaxLen in bounds and MinLen in bounds:
        return f"{bounds[MinLen].min_length} to {bounds[MaxLen].max_length} characters"
    choices = [text for text in get_args(field.annotation) if isinstance(text, str)]
    return ", ".join(f"`{text}`" for text in choices)


def _metrics() -> str:
    return "\n".join(_metric_lines()) + "\n"


def _metric_lines() -> Iterator[str]:
    yield "| metric | kind | says |"
    yield "|---|---|---|"
    for name, term in METRICS.items():
        labels = "{" + ",".join(term.labels) + "}" if term.labels else ""
        yield f"| `{name}{labels}` | {term.kind} | {term.text} |"


def render(text: str) -> str:
    """Return the document with its generated parts made anew."""
    return with_parts(text, {"settings": _settings(), "metrics": _metrics()})


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text("utf-8")), "utf-8")
