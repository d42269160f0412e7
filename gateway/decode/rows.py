"""Rows as JSON or CBOR: ``{"p":"em1","log":7,"b":17,"n":48213,"t":…,"r":[[dt, value…, status]]}``.

The grammar, key by key, is in ``docs/protocol.md``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from gateway.decode.cbor import cbor_object
from gateway.decode.text import refuse_duplicates, reject_json
from gateway.decode.wire import MAX_ROWS, RowsMessage, reject, rows_type
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Route, RowsHeader
from gateway.profiles import Profiles

# Beyond this, rows are counted before they are read: 55,000 of them take 12 ms. Smaller messages
# do not pay for it, as they cannot hold that many.
MANY_BYTES = 64 << 10
# RowsHeader(…) itself takes twice as long, and this is once for every message there is.
_header: Callable[[tuple[object, ...]], RowsHeader] = partial(tuple.__new__, RowsHeader)


class _Head(msgspec.Struct, gc=False):
    """What says which profile's type the rest must have."""

    p: str


@dataclass(frozen=True, slots=True, eq=False)
class RowsReader:
    """How to read the rows of one profile."""

    name: str
    sector: str
    decode: Callable[[bytes], RowsMessage]
    type: type[RowsMessage]


class RowsFormat:
    """Reads rows; ``from_json`` and ``from_cbor`` implement ``ports.Decode``."""

    def __init__(self, profiles: Profiles, source_max_age_ms: Sequence[int] = ()) -> None:
        self._max_age_ms = tuple(source_max_age_ms)
        self._readers: dict[str, RowsReader] = {}
        # What nearly every payload begins with, up to the first comma: spares a parse. The
        # second form is how Python and MicroPython write it.
        self._by_beginning: dict[bytes, RowsReader] = {}
        self._of_sector: dict[str, dict[bytes, RowsReader]] = {}
        for name, profile in profiles.items():
            kind = rows_type(profile)
            reader = RowsReader(name, profile.sector, msgspec.json.Decoder(kind).decode, kind)
            self._readers[name] = reader
            beginnings = (f'{{"p":"{name}"'.encode(), f'{{"p": "{name}"'.encode())
            self._by_beginning.update(dict.fromkeys(beginnings, reader))
            of_sector = self._of_sector.setdefault(profile.sector, {})
            of_sector.update(dict.fromkeys(beginnings, reader))
        self._decode_head = msgspec.json.Decoder(_Head).decode

    def of_sector(self, sector: str) -> Mapping[bytes, RowsReader]:
        """Return the readers of a sector's profiles, by what payloads begin with."""
        return self._of_sector.get(sector, {})

    def from_json(self, record: Record, route: Route, lane: str, out: Collecting) -> None:
        """Add the rows of a JSON payload."""
        payload = record.payload
        try:
            reader = self._by_beginning.get(payload.partition(b",")[0]) or self._find(
                self._decode_head(payload).p
            )
            if len(payload) > MANY_BYTES and payload.count(b"[") > MAX_ROWS + 1:
                reject(QuarantineReason.TOO_LARGE, f"more than {MAX_ROWS} rows in a message")
            message = reader.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reject_json(payload, error)
        # Each key has one colon, so a count tells duplicate or unknown keys; then look exactly.
        if payload.count(b":") != 3 + (
            (message.log >= 0) + (message.b >= 0) + (message.n >= 0) + (message.i >= 0)
        ):
            refuse_duplicates(payload)
        self._add(message, reader, record, route, lane, out)

    def from_cbor(self, record: Record, route: Route, lane: str, out: Collecting) -> None:
        """Add the rows of a CBOR payload: the same model, the same strictness."""
        found = cbor_object(record.payload)
        name = found.get("p")
        if not isinstance(name, str):
            reject(QuarantineReason.SCHEMA, "no profile in key `p`")
        reader = self._find(name)
        try:
            message = msgspec.convert(found, reader.type)
        except msgspec.ValidationError as error:
            reject(QuarantineReason.SCHEMA, str(error))
        self._add(message, reader, record, route, lane, out)

    def _find(self, name: str) -> RowsReader:
        reader = self._readers.get(name)
        if reader is None:
            reject(QuarantineReason.PROFILE, f"unknown profile {name[:32]!r}")
        return reader

    def _add(
        self,
        message: RowsMessage,
        reader: RowsReader,
        record: Record,
        route: Route,
        lane: str,
        out: Collecting,
    ) -> None:
        count = len(message.r)
        if not count:
            reject(QuarantineReason.SCHEMA, "no rows")
        if count > MAX_ROWS:
            reject(QuarantineReason.TOO_LARGE, f"{count} rows; at most {MAX_ROWS} in a message")
        if reader.sector != route.sector:
            reject(
                QuarantineReason.PROFILE,
                f"profile {reader.name} is of sector {reader.sector}, not {route.sector}",
            )
        header = _header(
            (
                reader.name,
                route.device_index,
                max(message.log, 0),
                message.b,
                message.n,
                message.t,
                lane,
                record.number,
                record.received_ms,
                route.is_registered,
                self._max_age_ms[record.source] if self._max_age_ms else 0,
            )
        )
        out.add_rows(header, message.r)
