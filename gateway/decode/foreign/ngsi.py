"""NGSI entities TrafficFlowObserved (Smart Data Models, dataModel.Transportation) into ``tl1``.

All four spellings: NGSI v2 and NGSI-LD, each as key-values or normalised; an entity, an array of
them, or a notification with ``data``. A row has the time at which its interval ends
(``dateObservedTo``, else the end of ``dateObserved``); ``intensity`` is the number of vehicles in
the interval, ``occupancy`` a share of 1, ``averageVehicleSpeed`` in km/h. An entity with a
``laneId`` is that lane of its device.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.quantities import Quantities
from gateway.decode.foreign.rows_out import Found, add_all, topic_of
from gateway.decode.foreign.zones import LocalTime, Zoned, local_time
from gateway.decode.text import refuse_duplicates, reject_json
from gateway.decode.wire import MAX_ROWS, reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory

ENTITY = "TrafficFlowObserved"
_PROFILE = "tl1"
_COLUMNS = {
    "intensity": ("count", "veh"),
    "occupancy": ("occ", "1"),
    "averageVehicleSpeed": ("v_mean", "km/h"),
}
_VEHICLES = {
    "motorcycle": "n_moto",
    "car": "n_car",
    "bus": "n_bus",
    "lorry": "n_truck",
    "trailer": "n_long",
}
_PREFIX = f"urn:ngsi-ld:{ENTITY}:"
_MAX_DEPTH = 2  # {"type":"Property","value":{"@type":"DateTime","@value":…}}

_Entity = Mapping[str, object]
_decode_json = msgspec.json.Decoder(
    dict[str, object] | list[dict[str, object]], float_hook=Decimal
).decode


class Ngsi:
    """Implements ``decode.Foreign``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._profile = options.profiles[_PROFILE]
        self._quantities = Quantities(options.profiles)
        self._local = Zoned(local_time, options.zone)

    @property
    def formats(self) -> Mapping[int, Decode]:
        """Formats of the native lanes: none, they begin as native JSON does."""
        return {}

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return ENTITY in topic

    def knows(self, payload: bytes) -> bool:
        """Return whether a payload looks like one."""
        return payload[:1] in {b"{", b"["} and f'"{ENTITY}"'.encode() in payload

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of one message, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        entities = [one for one in _entities(record.payload) if _plain(one.get("type")) == ENTITY]
        if not entities:
            reject(QuarantineReason.UNMAPPED, f"no entity of type {ENTITY}")
        local = self._local.of(directory, topic_of(record))
        found = [self._found(entity, record, local) for entity in entities]
        add_all(found, record, directory, self._options, out)

    def _found(self, entity: _Entity, record: Record, local: LocalTime) -> Found:
        name = _plain(entity.get("id"))
        if not isinstance(name, str):
            reject(QuarantineReason.SCHEMA, "an entity without id")
        lane = _plain(entity.get("laneId"))
        part = f"lane-{lane}" if isinstance(lane, str | int) and not isinstance(lane, bool) else ""
        row: list[float | None] = [0.0, *[None] * (len(self._profile.columns) + 1)]
        for column, value, unit in _measured(entity):
            place = self._quantities.column(_PROFILE, column, unit)
            if place is not None:
                row[place.at] = place.convert(value)
        if not any(value is not None for value in row[1:]):
            reject(QuarantineReason.SCHEMA, f"nothing is measured in {name[:64]!r}")
        named = slug(name.removeprefix(_PREFIX)), slug(part) if part else ""
        return Found(named, self._profile, _time(entity, record, local), (row,))


def _time(entity: _Entity, record: Record, local: LocalTime) -> int:
    """Return when the interval ended; 0: the entity does not say, or not in which zone."""
    for key in ("dateObservedTo", "dateObserved"):
        text = _plain(entity.get(key))
        if isinstance(text, str) and text:
            time_ms = local(text.rpartition("/")[2], record.received_ms)
            if time_ms:
                return time_ms
    return 0


def _measured(entity: _Entity) -> Iterator[tuple[str, object, str]]:
    """Yield column, value and unit of what an entity says."""
    for attribute, (column, unit) in _COLUMNS.items():
        value = _plain(entity.get(attribute))
        if _is_number(value):
            yield column, value, unit
    kind = _plain(entity.get("vehicleType"))
    count = _plain(entity.get("intensity"))
    if isinstance(kind, str) and kind in _VEHICLES and _is_number(count):
        yield _VEHICLES[kind], count, "veh"


def _is_number(value: object) -> bool:
    return isinstance(value, Decimal) or type(value) is int


def _plain(value: object) -> object:
    """Return an attribute without the envelope that normalised forms put around it."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(value, dict):
            break
        value = value.get("value", value.get("@value"))
    return value


def _entities(payload: bytes) -> Sequence[_Entity]:
    try:
        found = _decode_json(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        reject_json(payload, error)
    refuse_duplicates(payload)
    data = found.get("data") if isinstance(found, dict) else found
    if data is None:
        return [found] if isinstance(found, dict) else []
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        reject(QuarantineReason.SCHEMA, "`data` is no list of entities")
    if len(data) > MAX_ROWS:
        reject(QuarantineReason.TOO_LARGE, f"{len(data)} entities; at most {MAX_ROWS}")
    return data
