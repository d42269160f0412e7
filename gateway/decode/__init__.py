"""From journal records to columns: finds out what a payload is and reads it, whole or not at all.

==================  =====================================  =========================================
topic               payload                                read by
==================  =====================================  =========================================
tg/1/… lanes t, b   ``{`` JSON, 0xA0–0xBF CBOR, 0x10 block  ``plain`` rows of known devices at
                                                           once, ``rows``, ``block``, ``formats``
tg/1/… lanes e s r  ``{`` JSON, 0xA0–0xBF CBOR              ``documents``
any other           what the first taker says              ``mapping``, then ``foreign`` formats,
                                                           known shapes of these at once
==================  =====================================  =========================================

A further format joins in one of two ways, both given to ``Decoders``:

* a payload on the native lanes that its first byte gives away (a DSMR telegram begins with
  ``/``): a ``ports.Decode`` in ``formats``, by first byte;
* a topic tree of its own (Sparkplug, Tasmota, a network server): a ``Foreign`` in ``foreign``.

Both share the rule of ``ports.Decode``: ``RejectedError`` and nothing else, and ``out`` is touched
only once the whole payload is known to be good.

Formats of other makers may come ``late``: to load and compile all that ship takes a fifth of a
second, which a site of our own devices alone would wait for at every start. They come with the
first message that nothing else reads, and at once where an earlier life has left them something.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from gateway.config.sections import Mapping as MappingSection
from gateway.decode import documents
from gateway.decode.block import FIRST_BYTE, BlockFormat
from gateway.decode.collect import Collector
from gateway.decode.kinds import (
    Asking,
    Foreign,
    Gathering,
    Keeping,
    Learning,
    Lending,
    Remembering,
    Resuming,
)
from gateway.decode.mapping import CompiledMapping
from gateway.decode.plain import Origin, PlainRows, Run
from gateway.decode.rows import RowsFormat, RowsReader
from gateway.decode.wire import MAX_PAYLOAD_BYTES, reject
from gateway.errors import RejectedError
from gateway.model import Lane, QuarantineReason, Reason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory, LatestRow, MemoryRow, Route
from gateway.profiles import Profiles
from gateway.topics import parse_topic

__all__ = [
    "Asking",
    "Collector",
    "Decoders",
    "Foreign",
    "Gathering",
    "Keeping",
    "Learning",
    "Lending",
    "Remembering",
    "Resuming",
]

# Devices that send at the same time, four lanes each, and some more. An attacker cannot grow it
# beyond the registry's max_devices, since only enrolled devices get in; sub-topics of lane r,
# which he could invent without end, are not kept.
_MAX_TOPICS = 500_000

_JSON_STARTS = b'{[ \t\r\n"-0123456789tfn'
_CBOR_MAPS = bytes(range(0xA0, 0xC0))
_NO_CLOCK = int(Reason.NO_CLOCK)

_T = TypeVar("_T")


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
        late: Callable[[], Sequence[Foreign]] | None = None,
        source_max_age_ms: Sequence[int] = (),
    ) -> None:
        """Prepare.

        Args:
            profiles: all profiles that rows may name.
            mappings: the configuration's, in its order.
            formats: further formats of lanes t and b by first byte; they win over our own.
            foreign: formats with topics of their own; a mapping comes before all of them.
            late: builds further ones, which come after these, when they are first needed.
            source_max_age_ms: what each source's ``max_age`` says, 0 = the default.

        Raises:
            ConfigError: names the mapping and the key.
        """
        ages = source_max_age_ms
        self._rows = rows = RowsFormat(profiles, ages)
        self._plain = PlainRows(ages)
        self._readings: dict[int, Decode] = {
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
            Lane.TELEMETRY: self._readings,
            Lane.BACKLOG: self._readings,
            Lane.EVENT: texts,
            Lane.STATE: texts,
            Lane.REPLY: texts,
        }
        self._foreign: list[Foreign] = []
        self._asking: list[Asking] = []
        self._keeping: list[Keeping] = []
        self._resuming: list[Resuming] = []
        self._native: dict[bytes, _Native] = {}
        self._takers: dict[bytes, Foreign] = {}
        self._late = late
        self._join([CompiledMapping(mapping, profiles, ages) for mapping in mappings])
        self._join(foreign)

    def decode_plain(self, records: Sequence[Record], out: Collecting) -> Sequence[Record]:
        """Add at once all ordinary rows of devices that are known; return the other records.

        They are for ``decode``, which takes these as well as any and does the same with them.
        """
        known, taker_of = self._native.get, self._takers.get
        runs: dict[RowsReader, Run[Origin]] = {}
        taken: defaultdict[object, list[Record]] = defaultdict(list)  # by taker, if any
        for record in records:
            _, _, _, _, topic, payload = record
            native = known(topic)
            reader = None if native is None else native.plain.get(payload.partition(b",")[0])
            if native is None or reader is None:
                taken[taker_of(topic)].append(record)
                continue
            run = runs.get(reader)
            if run is None:
                run = runs[reader] = Run([], [])
            run.records.append(record)
            run.origins.append(native.origin)
        others: list[Record] = []
        for taker, group in taken.items():
            others += taker.decode_plain(group, out) if isinstance(taker, Gathering) else group
        for reader, run in runs.items():
            others += self._plain.add(reader, run, out)
        return sorted(others)  # in the order in which they came

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
            if payload and self._call_late():
                self.decode(record, directory, out)
                return
            reject(QuarantineReason.ENCODING, _describe(payload))
        reader(record, native.route, native.lane, out)

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return the commands that foreign formats want sent, each once."""
        return [wish for one in self._asking for wish in one.wishes()]

    def memories(self) -> list[MemoryRow]:
        """Return what foreign formats want kept and have not given yet."""
        return [MemoryRow(one.room, *row) for one in self._keeping for row in one.memories()]

    def restore(self, memories: Sequence[MemoryRow], latest: Sequence[LatestRow] = ()) -> None:
        """Give back what was kept; what is of a format that is switched off waits for it."""
        if memories or any(row.reasons & _NO_CLOCK for row in latest):
            self._call_late()
        for resuming in self._resuming:
            resuming.resume(latest)
        for one in self._keeping:
            one.restore((key, memory) for room, key, memory in memories if room == one.room)

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""
        self._native.clear()
        for one in self._foreign:
            if isinstance(one, Remembering):
                one.forget_routes()

    def _call_late(self) -> bool:
        """Build the formats that may come late; return whether they have come just now."""
        late, self._late = self._late, None
        if late is None:
            return False
        self._join(late())
        return True

    def _join(self, formats: Sequence[Foreign]) -> None:
        self._foreign += formats
        self._asking += [one for one in formats if isinstance(one, Asking)]
        self._keeping += [one for one in formats if isinstance(one, Keeping)]
        self._resuming += [one for one in formats if isinstance(one, Resuming)]
        for one in formats:
            if isinstance(one, Learning):
                one.tell(self._takers.clear)
            if isinstance(one, Lending):
                self._readings.update({**one.formats, **self._readings})  # ours stay ours

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
        if self._call_late():
            return self._taker(topic)
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
