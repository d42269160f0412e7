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
from gateway.decode.foreign.rows_out import Found, add_all, topic_of
from gateway.decode.foreign.zones import Zoned, local_time
from gateway.decode.text import refuse_duplicates, reject_json
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory
from gateway.profiles import Profile

_MAX_FIELDS = 512
_ABOUT = frozenset({"_", "media", "meter", "name", "id", "timestamp"})
_NEEDED = ("media", "meter", "id")
# profile, and column by a field's name without its unit; all else goes by ``quantities``
_WATER = (
    "wtr1",
    {
        "total": "vol",
        "total_backward": "vol_rev",
        "volume_flow": "flow",
        "flow_temperature": "temp",
    },
)
# what a heat meter counts is no electricity, though it is in kWh
_THERMAL = (
    "thm1",
    {
        "total_energy_consumption": "heat",
        "total_energy": "heat",
        "total_heating": "heat",
        "total_cooling": "cold",
        "total_volume": "vol",
        "total": "vol",
        "power": "power",
        "current_power_consumption": "power",
        "volume_flow": "flow",
        "t1_temperature": "t_flow",
        "flow_temperature": "t_flow",
        "t2_temperature": "t_return",
        "return_temperature": "t_return",
    },
)
_ALLOCATOR = "heat cost"  # counts units of its own
_UNITS = {
    "kwh": "kWh",
    "mj": "MJ",
    "gj": "GJ",
    "m3": "m³",
    "m3h": "m³/h",
    "c": "°C",
    "kw": "kW",
    "w": "W",
}

_decode_json = msgspec.json.Decoder(dict[str, object], float_hook=Decimal).decode


class Wmbusmeters:
    """Implements ``decode.Foreign``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._quantities = Quantities(options.profiles)
        self._local = Zoned(local_time, options.zone)

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
        local = self._local.of(directory, topic_of(record))
        time_ms = local(time, record.received_ms) if isinstance(time, str) else 0
        rows: dict[str, tuple[Profile, list[float | None]]] = {}
        for name, value in fields.items():
            place = self._place(name, media)
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

    def _place(self, name: str, media: str) -> Place | None:
        of_medium = _columns_of(media)
        if of_medium is None:
            return self._quantities.place(name, "")
        profile, columns = of_medium
        stem, _, suffix = name.rpartition("_")
        column, unit = columns.get(stem), _UNITS.get(suffix)
        if column is None or unit is None:
            return None
        if column == "heat" and "heat" not in media:
            column = "cold"
        return self._quantities.column(profile, column, unit)


def _columns_of(media: str) -> tuple[str, Mapping[str, str]] | None:
    if "water" in media:
        return _WATER
    is_thermal = ("heat" in media or "cool" in media) and _ALLOCATOR not in media
    return _THERMAL if is_thermal else None


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
