"""Lanes e, s and r: events, states and replies are documents, kept as sent beside what we read.

Tolerant where a device knows more than we do; strict in the few keys that the gateway acts on.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from gateway.decode.cbor import cbor_object
from gateway.decode.text import json_object
from gateway.decode.wire import MAX_INT, reject
from gateway.model import Event, Lane, QuarantineReason, Record
from gateway.ports import Collecting, Route

MAX_DOCUMENT_BYTES = 16 << 10  # a document is a line in the event list, not a file transfer
_MAX_CODE = 2**31 - 1
_MAX_U32 = 2**32 - 1
_LOG_NAME = re.compile(r"[0-9]{1,10}\Z")

_KINDS = {Lane.EVENT: "event", Lane.STATE: "state", Lane.REPLY: "reply"}


class _Range(NamedTuple):
    """Bounds of a key that the gateway acts on."""

    low: int
    high: int


_TIME = _Range(0, MAX_INT)
_CODE = _Range(0, _MAX_CODE)
_LOG = _Range(0, _MAX_U32)
_SEQ = _Range(0, MAX_INT)


def from_json(record: Record, route: Route, lane: str, out: Collecting) -> None:
    """Add a JSON document; implements ``ports.Decode``."""
    _bound(record)
    document = json_object(record.payload)
    _add(document, record.payload.decode(), record, route, lane, out)


def from_cbor(record: Record, route: Route, lane: str, out: Collecting) -> None:
    """Add a CBOR document, kept as the JSON it stands for; implements ``ports.Decode``."""
    _bound(record)
    document = cbor_object(record.payload)
    try:
        detail = msgspec.json.encode(document).decode()
    except (TypeError, ValueError, RecursionError) as error:
        reject(QuarantineReason.SCHEMA, f"cannot be said in JSON: {error}")
    _add(document, detail, record, route, lane, out)


def _bound(record: Record) -> None:
    if len(record.payload) > MAX_DOCUMENT_BYTES:
        detail = f"{len(record.payload)} bytes; a document may have {MAX_DOCUMENT_BYTES}"
        reject(QuarantineReason.TOO_LARGE, detail)


def _add(
    document: Mapping[str, object],
    detail: str,
    record: Record,
    route: Route,
    lane: str,
    out: Collecting,
) -> None:
    time_ms = _integer(document, "t", _TIME, default=0) or record.received_ms
    kind, code = _KINDS[Lane(lane)], 0
    if kind == "state":
        _check_state(document)
    elif kind == "event" and "c" not in document and "from" in document:
        kind = "gap"
        _check_gap(document)
    elif kind == "event":
        code = _integer(document, "c", _CODE, default=0)
    out.add_event(
        Event(time_ms, record.received_ms, route.device_index, kind, code, detail, record.number)
    )


def _check_state(document: Mapping[str, object]) -> None:
    """A state says ``st``; a birth may say which rows of each log the device still has."""
    if not isinstance(document.get("st"), str):
        reject(QuarantineReason.SCHEMA, "a state needs key `st`, a string")
    oldest = document.get("first", {})
    if not isinstance(oldest, dict):
        reject(QuarantineReason.SCHEMA, "`first` must be an object {log: seq}")
    for log in oldest:
        if not (isinstance(log, str) and _LOG_NAME.match(log)):
            reject(QuarantineReason.SCHEMA, f"`first` names a log {log!r}")
        _integer(oldest, log, _SEQ)


def _check_gap(document: Mapping[str, object]) -> None:
    """A gap says that rows ``from`` to ``to`` of a log exist no more."""
    _integer(document, "log", _LOG, default=0)
    if _integer(document, "from", _SEQ) > _integer(document, "to", _SEQ):
        reject(QuarantineReason.SCHEMA, "gap: `from` is greater than `to`")


def _integer(
    document: Mapping[str, object], key: str, bounds: _Range, default: int | None = None
) -> int:
    value = document.get(key, default)
    # bool is an int to Python, not to a device
    if type(value) is not int or not bounds.low <= value <= bounds.high:
        reject(QuarantineReason.SCHEMA, f"`{key}` must be an integer {bounds.low}…{bounds.high}")
    return value
