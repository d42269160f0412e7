"""Captures: messages as they were received (JSON lines), and logs of a P1 port.

A JSON line has ``topic``, one of ``payload`` (text), ``payload_base64`` and ``payload_hex``, and
perhaps ``received``: Unix ms or RFC 3339 with offset. ``infragate tap`` writes such lines. They go
into the gateway as they are, so that native rows, mappings and foreign formats read them as if
they had just come.

A P1 log is telegrams one after the other, with whatever a logger put between them. A telegram
needs a clock of its own here: when it was logged nobody knows.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec

from gateway.decode.foreign.p1 import read_p1
from gateway.decode.foreign.telegrams import is_empty, row_of
from gateway.decode.wire import MAX_PAYLOAD_BYTES
from gateway.errors import RejectedError
from gateway.history import Complaint, FileRefusedError, Found, Raw, Row, Series
from gateway.profiles import Profiles

_MAX_TOPIC_BYTES = 65_535  # MQTT
_TELEGRAM = re.compile(rb"^/[^\n]*\n(?:(?!/)[^\n]*\n)*?![^\n]*(?:\n|\Z)", re.MULTILINE)


class _Line(msgspec.Struct):
    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_TOPIC_BYTES)]
    payload: str | None = None
    payload_base64: str | None = None
    payload_hex: str | None = None
    received: int | str | None = None


_decode = msgspec.json.Decoder(_Line).decode


def read_capture(data: bytes) -> Found:
    """Return the messages of a capture.

    Raises:
        FileRefusedError: no line is a message.
    """
    raw: list[Raw] = []
    refused: list[Complaint] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            raw.append(_raw(number, _decode(line)))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            refused.append(Complaint(number, str(error)[:200]))
    if not raw:
        raise FileRefusedError(1, refused[0].reason if refused else "the file is empty")
    return Found(raw=raw, refused=refused)


def _raw(number: int, line: _Line) -> Raw:
    given = [
        text for text in (line.payload, line.payload_base64, line.payload_hex) if text is not None
    ]
    if len(given) != 1:
        raise ValueError("give one of payload, payload_base64, payload_hex")
    if line.payload is not None:
        payload = line.payload.encode()
    elif line.payload_base64 is not None:
        try:
            payload = base64.b64decode(line.payload_base64, validate=True)
        except binascii.Error as error:
            raise ValueError(f"payload_base64: {error}") from error
    else:
        payload = bytes.fromhex(line.payload_hex or "")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a payload of {len(payload)} bytes")
    return Raw(number, line.topic, payload, _received(line.received))


def _received(value: int | str | None) -> int:
    if value is None:
        return 0
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(f"received: {value!r} has no offset")
        value = int(moment.timestamp() * 1000)
    if not 0 < value < 1 << 53:
        raise ValueError(f"received: {value} is no time in ms")
    return value


def read_p1_log(data: bytes, device: str, profiles: Profiles) -> Found:
    """Return the readings of a log of one meter.

    Raises:
        FileRefusedError: no telegram can be read.
    """
    rows: list[Row] = []
    refused: list[Complaint] = []
    for number, telegram in _telegrams(data):
        try:
            rows.append(_p1_row(number, telegram, profiles))
        except RejectedError as error:
            refused.append(Complaint(number, error.detail))
        except ValueError as error:
            refused.append(Complaint(number, str(error)))
    if not rows:
        raise FileRefusedError(1, refused[0].reason if refused else "no telegram in the file")
    return Found([Series(device, "em3", rows)], refused=refused)


def _telegrams(data: bytes) -> Iterator[tuple[int, bytes]]:
    line, at = 1, 0
    for match in _TELEGRAM.finditer(data):
        line += data.count(b"\n", at, match.start())
        at = match.start()
        yield line, match[0]


def _p1_row(number: int, data: bytes, profiles: Profiles) -> Row:
    telegram = read_p1(data)
    row = row_of(telegram, profiles["em3"])
    if is_empty(row):
        raise ValueError("the telegram holds no register of an electricity meter")
    if not telegram.time_ms:
        raise ValueError("the telegram has no clock (0-0:1.0.0)")
    values = [None if value is None else round(value) for value in row[1:-1]]
    return Row(number, telegram.time_ms, values, telegram.status)
