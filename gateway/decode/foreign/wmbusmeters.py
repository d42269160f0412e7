"""What wmbusmeters publishes of a wireless M-Bus meter: one flat JSON object a telegram.

``{"_":"telegram","media":"cold water","meter":"iperl","name":"…","id":"33225544","total_m3":123.5,
…,"timestamp":"2026-11-22T08:00:00Z"}`` (wmbusmeters manual, "--format=json"). The unit is the end
of a field's name. Which column a total is depends on the medium. ``timestamp`` is when the telegram
was received by radio.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import msgspec

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.quantities import Place, Quantities
from gateway.decode.foreign.rows_out import Found, add_all
from gateway.decode.foreign.zones import local_time
from gateway.decode.text import refuse_duplicates, reject_json
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory
from gateway.profiles import Profile

_MAX_FIELDS = 512
_ABOUT = frozenset({"_", "media", "meter", "name", "id", "timestamp"})
_NEEDED = ("media", "meter", "id")
# of water meters; all else goes by ``quantities``
_WATER = {"total_m3": "vol", "total_backward_m3": "vol_rev", "volume_flow_m3h": "flow"}
_WATER_UNITS = {"vol": "m³", "vol_rev": "m³", "flow": "m³/h", "temp": "°C"}
_TEMPERATURE = "flow_temperature_c"

_decode_json = msgspec.json.Decoder(dict[str, object], float_hook=Decimal).decode


class Wmbusmeters:
    """Implements ``decode.Foreign``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._quantities = Quantities(options.profiles)
        self._local = local_time(options.zone)

    @property
    def formats(self) -> Mapping[int, Decode]:
        """Formats of the native lanes: none, they begin as native JSON does."""
        return {}

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return topic.startswith("wmbusmeters/")

    def knows(self, payload: bytes) -> bool:
        """Return whether a payload looks like one."""
        return payload[:1] == b"{" and b'"media":' in payload and b'"meter":' in payload

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of one telegram, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        fields = _read(record.payload)
        media, _, meter_id = (str(fields[key]) for key in _NEEDED)
        time = fields.get("timestamp")
        time_ms = self._local(time, record.received_ms) if isinstance(time, str) else 0
        rows: dict[str, tuple[Profile, list[float | None]]] = {}
        for name, value in fields.items():
            place = self._place(name, is_water="water" in media)
            if name in _ABOUT or place is None or not _is_number(value):
                continue
            _, row = rows.setdefault(
                place.profile.name,
                (place.profile, [0.0, *[None] * (len(place.profile.columns) + 1)]),
            )
            row[place.at] = place.convert(value)
        if not rows:
            reject(QuarantineReason.UNMAPPED, f"no column for any field of {media!r}"[:200])
        named = slug("wmbus", meter_id), ""
        found = [Found(named, profile, time_ms, (row,)) for profile, row in rows.values()]
        add_all(found, record, directory, self._options, out)

    def _place(self, name: str, *, is_water: bool) -> Place | None:
        if not is_water:
            return self._quantities.place(name, "")
        column = "temp" if name == _TEMPERATURE else _WATER.get(name)
        if column is None:
            return None
        return self._quantities.column("wtr1", column, _WATER_UNITS[column])


def _read(payload: bytes) -> Mapping[str, object]:
    try:
        fields = _decode_json(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        reject_json(payload, error)
    refuse_duplicates(payload)
    if len(fields) > _MAX_FIELDS:
        reject(QuarantineReason.TOO_LARGE, f"{len(fields)} fields")
    if not all(isinstance(fields.get(key), str) for key in _NEEDED):
        reject(QuarantineReason.SCHEMA, "not of wmbusmeters: it names no media, meter and id")
    return fields


def _is_number(value: object) -> bool:
    return isinstance(value, Decimal) or type(value) is int
