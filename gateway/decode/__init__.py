"""From journal records to columns: finds out what a payload is and reads it, whole or not at all.

==================  =====================================  =========================================
topic               payload                                read by
==================  =====================================  =========================================
tg/1/… lanes t, b   ``{`` JSON, 0xA0–0xBF CBOR, 0x10 block  ``plain`` rows of known devices at
                                                           once, ``rows``, ``block``, ``formats``
tg/1/… lanes e s r  ``{`` JSON, 0xA0–0xBF CBOR              ``documents``
any other           what the first taker says              ``mapping``, then ``foreign`` formats
==================  =====================================  =========================================

A further format joins in one of two ways, both given to ``Decoders``:

* a payload on the native lanes that its first byte gives away (a DSMR telegram begins with
  ``/``): a ``ports.Decode`` in ``formats``, by first byte;
* a topic tree of its own (Sparkplug, Tasmota, a network server): a ``Foreign`` in ``foreign``.

Both share the rule of ``ports.Decode``: ``RejectedError`` and nothing else, and ``out`` is touched
only once the whole payload is known to be good.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from gateway.config.sections import Mapping as MappingSection
from gateway.decode import documents
from gateway.decode.block import FIRST_BYTE, BlockFormat
from gateway.decode.collect import Collector
from gateway.decode.mapping import CompiledMapping
from gateway.decode.plain import Origin, PlainRows, Run
from gateway.decode.rows import RowsFormat, RowsReader
from gateway.decode.wire import MAX_PAYLOAD_BYTES, reject
from gateway.errors import RejectedError
from gateway.model import Lane, QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory, Route
from gateway.profiles import Profiles
from gateway.topics import parse_topic

__all__ = ["Asking", "Collector", "Decoders", "Foreign", "Learning", "Lending", "Remembering"]

# Devices that send at the same time, four lanes each, and some more. An attacker cannot grow it
# beyond the registry's max_devices, since only enrolled devices get in; sub-topics of lane r,
# which he could invent without end, are not kept.
_MAX_TOPICS = 500_000

_JSON_STARTS = b'{[ \t\r\n"-0123456789tfn'
_CBOR_MAPS = bytes(range(0xA0, 0xC0))


_T = TypeVar("_T")


class Foreign(Protocol):
    """A format with topics of its own, such as a declarative mapping. Pure, as ``ports.Decode``."""

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own; the first taker gets them."""

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of one message to ``out``, all of them or none.

        Raises:
            RejectedError: it cannot be read, or its device may not send; ``out`` is unchanged.
        """


@runtime_checkable
class Learning(Protocol):
    """A foreign format that may come to take topics that it did not take before."""

    def tell(self, on_learnt: Callable[[], None]) -> None:
        """Call ``on_learnt`` whenever other topics are taken than before."""


@runtime_checkable
class Remembering(Protocol):
    """A foreign format that remembers routes."""

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""


@runtime_checkable
class Asking(Protocol):
    """A foreign format that has something to ask of devices."""

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return topics and payloads of commands to be sent, each once; a lost one is no harm."""


@runtime_checkable
class Lending(Protocol):
    """A foreign format that is read on the native lanes t and b as well."""

    @property
    def formats(self) -> Mapping[int, Decode]:
        """By first byte; one that native payloads begin with stays theirs."""


class _Native(NamedTuple):
    """What is known of a native topic."""

    route: Route
    lane: str
    readers: Mapping[int, Decode]  # by first byte
    origin: Origin
    plain: Mapping[bytes, RowsReader]  # by the beginning of a payload: what may be read in runs


class Decoders:
    """All formats behind one call. One instance per pipeline; keeps nothing but its caches."""

    def __init__(
        self,
        profiles: Profiles,
        mappings: Sequence[MappingSection] = (),
        *,
        formats: Mapping[int, Decode] | None = None,
        foreign: Sequence[Foreign] = (),
        source_max_age_ms: Sequence[int] = (),
    ) -> None:
        """Prepare.

        Args:
            profiles: all profiles that rows may name.
            mappings: the configuration's, in its order.
            formats: further formats of lanes t and b by first byte; they win over our own.
            foreign: formats with topics of their own; a mapping comes before all of them.
            source_max_age_ms: what each source's ``max_age`` says, 0 = the default.

        Raises:
            ConfigError: names the mapping and the key.
        """
        ages = source_max_age_ms
        self._rows = rows = RowsFormat(profiles, ages)
        self._plain = PlainRows(ages)
        lent = [one.formats for one in foreign if isinstance(one, Lending)]
        readings: dict[int, Decode] = {
            **{first: read for each in lent for first, read in each.items()},
            **dict.fromkeys(_JSON_STARTS, rows.from_json),
            **dict.fromkeys(_CBOR_MAPS, rows.from_cbor),
            FIRST_BYTE: BlockFormat(profiles, ages),
            **(formats or {}),
        }
        texts: dict[int, Decode] = {
            **dict.fromkeys(_JSON_STARTS, documents.from_json),
            **dict.fromkeys(_CBOR_MAPS, documents.from_cbor),
        }
        self._readers: dict[str, Mapping[int, Decode]] = {
            Lane.TELEMETRY: readings,
            Lane.BACKLOG: readings,
            Lane.EVENT: texts,
            Lane.STATE: texts,
            Lane.REPLY: texts,
        }
        mapped = (CompiledMapping(mapping, profiles, ages) for mapping in mappings)
        self._foreign: tuple[Foreign, ...] = (*mapped, *foreign)
        self._asking = [one for one in foreign if isinstance(one, Asking)]
        self._native: dict[bytes, _Native] = {}
        self._takers: dict[bytes, Foreign] = {}
        for one in self._foreign:
            if isinstance(one, Learning):
                one.tell(self._takers.clear)

    def decode_plain(self, records: Sequence[Record], out: Collecting) -> Sequence[Record]:
        """Add at once all ordinary rows of devices that are known; return the other records.

        They are for ``decode``, which takes these as well as any and does the same with them.
        """
        known = self._native.get
        runs: dict[RowsReader, Run] = {}
        others = []
        for record in records:
            _, _, _, _, topic, payload = record
            native = known(topic)
            reader = None if native is None else native.plain.get(payload.partition(b",")[0])
            if native is None or reader is None:
                others.append(record)
                continue
            run = runs.get(reader)
            if run is None:
                run = runs[reader] = Run([], [])
            run.records.append(record)
            run.origins.append(native.origin)
        odd = [record for item in runs.items() for record in self._plain.add(*item, out)]
        return sorted(others + odd) if odd else others

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add what one record says to ``out``.

        Raises:
            RejectedError: the message belongs in quarantine; ``out`` is unchanged.
        """
        native = self._native.get(record.topic)
        payload = record.payload
        if len(payload) > MAX_PAYLOAD_BYTES:
            reject(QuarantineReason.TOO_LARGE, f"{len(payload)} bytes")
        if native is None:
            taker = self._takers.get(record.topic)
            native = None if taker else self._resolve(record.topic, directory)
            if native is None:
                (taker or self._taker(record.topic)).decode(record, directory, out)
                return
        reader = native.readers.get(payload[0]) if payload else None
        if reader is None:
            reject(QuarantineReason.ENCODING, _describe(payload))
        reader(record, native.route, native.lane, out)

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return the commands that foreign formats want sent, each once."""
        return [wish for one in self._asking for wish in one.wishes()]

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""
        self._native.clear()
        for one in self._foreign:
            if isinstance(one, Remembering):
                one.forget_routes()

    def _resolve(self, topic: bytes, directory: DeviceDirectory) -> _Native | None:
        name = parse_topic(topic)
        if name is None:
            return None
        readers = self._readers.get(name.lane)
        if readers is None:
            detail = f"lane {name.lane} goes down to devices, it never comes up"
            reject(QuarantineReason.TOPIC, detail)
        route = directory.route(name.org, name.sector, name.device)
        origin = Origin(route.device_index, route.is_registered, name.lane == Lane.BACKLOG)
        takes_rows = readers.get(_JSON_STARTS[0]) == self._rows.from_json
        plain = self._rows.of_sector(route.sector) if takes_rows else {}
        native = _Native(route, name.lane, readers, origin, plain)
        if name.lane != Lane.REPLY:
            _remember(self._native, topic, native)
        return native

    def _taker(self, topic: bytes) -> Foreign:
        try:
            text = topic.decode()
        except UnicodeDecodeError:
            reject(QuarantineReason.TOPIC, "topic is not UTF-8")
        for candidate in self._foreign:
            if candidate.takes(text):
                _remember(self._takers, topic, candidate)
                return candidate
        if topic.startswith(b"tg/1/"):
            reject(QuarantineReason.TOPIC, f"not tg/1/<org>/<sector>/<device>/<lane>: {text!r}")
        raise RejectedError(QuarantineReason.UNMAPPED, f"no mapping takes topic {text[:200]!r}")


def _remember(cache: dict[bytes, _T], topic: bytes, value: _T) -> None:
    if len(cache) >= _MAX_TOPICS:
        cache.clear()  # simpler than an order of age, and asking again costs a microsecond
    cache[topic] = value


def _describe(payload: bytes) -> str:
    if not payload:
        return "empty payload"
    return f"first byte 0x{payload[0]:02x} is neither JSON, a CBOR map nor a block"
