"""SenML packs as messages: resolved records into rows of the columns that ``quantities`` knows.

The device is the base name where the pack has one, else the topic's; a record's own name (with its
unit) is the quantity. A pack may speak of several devices and times. A time below 2**28 s is
relative to the receive time (RFC 8428 §4.5.3): exactly "now" is stamped and graded so, like any
device without a clock. Records without a column are named in an event, unless no record has one.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.quantities import Place, Quantities
from gateway.decode.foreign.rows_out import Found, add_all, event_of, route_of, topic_of
from gateway.decode.foreign.senml import Resolved, read_cbor, read_json
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory
from gateway.profiles import Profile

_CBOR_ARRAYS = range(0x80, 0xA0)
_MARKS = (b'"bn"', b'"n"')
_MAX_NAMES = 50


class SenmlPacks:
    """Implements ``decode.Foreign``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._quantities = Quantities(options.profiles)

    @property
    def formats(self) -> Mapping[int, Decode]:
        """Formats of the native lanes: none, they begin as native JSON does."""
        return {}

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return topic.startswith("senml/") or topic.endswith("/senml")

    def knows(self, payload: bytes) -> bool:
        """Return whether a payload looks like a pack."""
        head = payload.lstrip()[:1]
        if head == b"[":
            return any(mark in payload[:512] for mark in _MARKS)
        return bool(head) and head[0] in _CBOR_ARRAYS

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of one pack, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        payload = record.payload
        is_cbor = payload[:1] != b"" and payload[0] in _CBOR_ARRAYS
        resolved = read_cbor(payload) if is_cbor else read_json(payload)
        placed, others = self._placed(resolved)
        if not placed:
            names = ", ".join(f"{one.name} ({one.unit})" for one in others[:_MAX_NAMES])
            reject(QuarantineReason.UNMAPPED, f"no column for {names}")
        found = _rows(placed, topic_of(record), record.received_ms)
        add_all(found, record, directory, self._options, out)
        if others:
            sector = found[0].profile.sector
            route = route_of(found[0].named, sector, record, directory, self._options)
            document = {"without_column": [one.name for one in others[:_MAX_NAMES]]}
            out.add_event(event_of("event", document, 0, route, record))

    def _placed(
        self, resolved: Sequence[Resolved]
    ) -> tuple[list[tuple[Resolved, Place]], list[Resolved]]:
        placed, others = [], []
        for one in resolved:
            name = one.name.removeprefix(one.base)
            place = self._quantities.place(name, one.unit) if _is_number(one.value) else None
            if place is None:
                others.append(one)
            else:
                placed.append((one, place))
        return placed, others


def _rows(placed: Sequence[tuple[Resolved, Place]], topic: str, received_ms: int) -> list[Found]:
    """Return one row for each device, profile and time."""
    rows: dict[tuple[str, str, int], tuple[Profile, list[float | None]]] = {}
    for one, place in placed:
        device = slug(one.base.strip(":/.-_")) if one.base.strip(":/.-_") else slug(topic)
        is_now = one.is_relative and not one.time_ms
        time_ms = one.time_ms + (received_ms if one.is_relative and not is_now else 0)
        key = device, place.profile.name, time_ms
        if key not in rows:
            rows[key] = place.profile, [0.0, *[None] * (len(place.profile.columns) + 1)]
        row = rows[key][1]
        value = place.convert(one.value)
        if row[place.at] is not None and row[place.at] != value:
            reject(QuarantineReason.SCHEMA, f"{one.name} comes twice at one time, with two values")
        row[place.at] = value
    return [
        Found((device, ""), profile, time_ms, (row,))
        for (device, _, time_ms), (profile, row) in rows.items()
    ]


def _is_number(value: object) -> bool:
    return type(value) is int or isinstance(value, Decimal)
