"""Messages of mapping files to rows and reports; implements ``decode.Foreign``.

Every value of a message ends in a column, or in a *report*: an event with what no column took, as
the device sent it. Only what a mapping drops by name (a repeated time, the unit of a neighbour) is
not kept.
"""

from collections.abc import Sequence
from math import inf, isnan
from typing import NamedTuple

import msgspec

from gateway.decode.foreign.compiled import Message, compile_message
from gateway.decode.foreign.family import Family
from gateway.decode.foreign.learnt import Learnt, Stamps
from gateway.decode.foreign.naming import part_slug, slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.payloads import document_of, state_of, word_of
from gateway.decode.foreign.template import fill
from gateway.decode.foreign.times import time_of
from gateway.decode.foreign.topics import Named
from gateway.decode.foreign.tree import Row, Walk
from gateway.decode.foreign.uplink import Uplinks, View
from gateway.decode.foreign.zones import Zoned
from gateway.decode.paths import MISSING, find
from gateway.decode.wire import reject
from gateway.model import NO_SEQ, Event, Lane, QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory, LatestRow, Route, RowsHeader
from gateway.topics import filter_matches

REPORT = "report"
MAX_REPORT_BYTES = 16 << 10  # as a document of our own lanes
_MAX_TOPICS = 65_536  # whose names are remembered; a topic tree can be made up without end
_NAN = float("nan")
_LANE = Lane.TELEMETRY.value


class _Bound(NamedTuple):
    """What is known of a topic."""

    message: Message
    text: str
    named: Named
    device: str  # "" where the payload is needed to name it
    part: str


class _ReadView(NamedTuple):
    """What was found in a document."""

    message: Message
    rows: dict[tuple[int, str], Row]
    routes: dict[tuple[int, str], Route]
    report: Event | None
    time_ms: int
    status: int


class MappedFamily:
    """All messages of one mapping file."""

    def __init__(self, family: Family, options: Options) -> None:
        """Compile.

        Raises:
            ConfigError: names the family, the message and the key.
        """
        self.family = family
        self._options = options
        self._zoned = Zoned(self._compiled, options.zone)
        self.messages = self._zoned.default
        self._bound: dict[bytes, _Bound] = {}
        self._stamps = Stamps()
        self._learnt = Learnt(options, self._stamps)
        self._uplinks = Uplinks(family.family, options)

    def _compiled(self, zone: str | None) -> tuple[Message, ...]:
        options = self._options._replace(zone=zone)
        where = self.family.family
        return tuple(compile_message(where, form, options) for form in self.family.message)

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return self._match(topic) is not None

    def has_frames(self, topic: str) -> bool:
        """Return whether messages of this topic hold LoRaWAN frames, which codecs read."""
        found = self._match(topic)
        return found is not None and found[0].form.frame is not None

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of one message, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        if not self._learnt.decode(record, out):
            bound = self._bound.get(record.topic) or self._bind(record.topic, directory)
            self.decode_as(bound, record, directory, out)

    def decode_plain(self, records: Sequence[Record], out: Collecting) -> Sequence[Record]:
        """Add at once messages of shapes that their topics are known for; return the others."""
        return self._learnt.decode_plain(records, out)

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""
        self._learnt.forget()
        self._bound.clear()

    def resume(self, latest: Sequence[LatestRow]) -> None:
        """Go on from the newest readings of an earlier life."""
        self._stamps.resume(latest)

    def bind(
        self, message: Message, topic: str, named: Named, directory: DeviceDirectory
    ) -> _Bound:
        """Return how a message of a topic is read as ``message``, in the zone of its device."""
        message = self._zoned.of(directory, topic)[self.messages.index(message)]
        template = message.form.device
        device = "" if "{path:" in template else slug(fill(template, named, None))
        part = "" if named.part in {"", "0"} or not message.form.part else part_slug(named.part)
        return _Bound(message, topic, named, device, part)

    def decode_as(
        self, bound: _Bound, record: Record, directory: DeviceDirectory, out: Collecting
    ) -> None:
        """Add the readings of one message whose form is known.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        message = bound.message
        kind = message.form.payload
        if kind == "state":
            self._add_state(bound, record, directory, out)
            return
        root = self._root(bound, record.payload)
        if message.form.frame is None:
            views = [View(message, root, None)]
        else:
            views = self._uplinks.views(message, root, lambda: self._model(bound.text, directory))
        is_plain = views[0].root is root
        read = [self._read(bound, view, record, directory) for view in views]
        if not any(one.rows or one.report for one in read):
            reject(QuarantineReason.SCHEMA, "nothing in it that could be kept")
        for one in read:
            self._add(one, record, out)
        if is_plain and kind == "json" and read[0].report is None:
            self._learnt.learn(message, root, read[0].routes, record.topic, read[0].time_ms)

    def _read(
        self, bound: _Bound, view: View, record: Record, directory: DeviceDirectory
    ) -> _ReadView:
        """Return what is in a document, with the routes of its rows."""
        message, root, time_ms = view
        bound = bound if bound.message is message else bound._replace(message=message)
        walk = Walk(root, message.blank, record.received_ms)
        rest = walk.walk(root, message.tree)
        status = 0
        if time_ms is None:
            time_ms, status = time_of(message.clock, root, record.received_ms)
        rows = {key: row for key, row in walk.rows.items() if not _is_only_a_time(row)}
        routes = {key: self._route_of(bound, root, key, directory) for key in rows}
        report = self._report(bound, rest, root, time_ms, record, directory)
        return _ReadView(message, rows, routes, report, time_ms, status)

    def _add(self, read: _ReadView, record: Record, out: Collecting) -> None:
        message, rows, routes, report, time_ms, status = read
        for key, row in rows.items():
            own_ms = max(0, int(row[0])) if row[0] else time_ms
            header = self._header(message, key[0], routes[key], own_ms, record)
            row[0], row[-1] = 0.0, float(status)
            out.add_rows(header, (_without_inf(row),))
        if report is not None:
            out.add_event(report)

    def _model(self, topic: str, directory: DeviceDirectory) -> str:
        """Return the model that is declared of the device of a topic, "" where none is."""
        models = self._options.models
        return directory.model(topic) or next(
            (models[pattern] for pattern in models if filter_matches(pattern, topic)), ""
        )

    def _root(self, bound: _Bound, payload: bytes) -> dict[str, object]:
        message = bound.message
        if message.form.payload == "text":
            return word_of(payload, bound.named.key or "value")
        root = document_of(payload)
        if message.needs and all(find(root, path) is MISSING for path in message.needs):
            wanted = ", ".join(message.form.needs)
            reject(QuarantineReason.UNMAPPED, f"{wanted} is not there: nobody has read the frame")
        return root

    def _route_of(
        self, bound: _Bound, root: object, key: tuple[int, str], directory: DeviceDirectory
    ) -> Route:
        target = bound.message.targets[key[0]]
        return self._route(
            bound, root, self._part(bound, target.part, key[1]), target.sector, directory
        )

    def _header(
        self, message: Message, reading: int, route: Route, time_ms: int, record: Record
    ) -> RowsHeader:
        profile = message.targets[reading].profile
        device, received_ms = route.device_index, record.received_ms
        return RowsHeader(
            profile,
            device,
            0,
            -1,
            NO_SEQ,
            time_ms,
            _LANE,
            record.number,
            received_ms if time_ms else self._stamps.of(device, profile, received_ms),
            route.is_registered,
            max(self._options.max_age_ms(record.source), message.max_age_ms),
        )

    def _report(
        self,
        bound: _Bound,
        rest: object,
        root: object,
        time_ms: int,
        record: Record,
        directory: DeviceDirectory,
    ) -> Event | None:
        if rest is None:
            return None
        detail = msgspec.json.encode(rest)
        if len(detail) > MAX_REPORT_BYTES:
            reject(QuarantineReason.TOO_LARGE, f"{len(detail)} bytes that no column takes")
        targets = bound.message.targets
        sector = targets[0].sector if targets else "urban"
        route = self._route(bound, root, bound.part, sector, directory)
        return Event(
            time_ms or record.received_ms,
            record.received_ms,
            route.device_index,
            REPORT,
            0,
            detail.decode(),
            record.number,
        )

    def _add_state(
        self, bound: _Bound, record: Record, directory: DeviceDirectory, out: Collecting
    ) -> None:
        form = bound.message.form
        state = state_of(record.payload, form.online, form.lost)
        route = self._route(bound, None, "", "urban", directory)
        detail = f'{{"st":"{state}"}}'
        times = record.received_ms, record.received_ms
        out.add_event(Event(*times, route.device_index, "state", 0, detail, record.number))

    def _part(self, bound: _Bound, template: str, inner: str) -> str:
        inner = "" if inner == "0" else inner  # the first of its kind is the device itself
        if template == "{part}":
            return f"{bound.part}-{inner}" if bound.part and inner else bound.part or inner
        return part_slug(fill(template, bound.named, inner)) if template else inner

    def _route(
        self, bound: _Bound, root: object, part: str, sector: str, directory: DeviceDirectory
    ) -> Route:
        device = bound.device or slug(fill(bound.message.form.device, bound.named, root))
        return directory.foreign(bound.text, (device, part), self._options.org, sector)

    def _match(self, topic: str) -> tuple[Message, Named] | None:
        for message in self.messages:
            for names in message.topics:
                named = names(topic)
                if named is not None:
                    return message, named
        return None

    def _bind(self, topic: bytes, directory: DeviceDirectory) -> _Bound:
        text = topic.decode()
        found = self._match(text)
        if found is None:
            reject(QuarantineReason.UNMAPPED, f"no message of {self.family.title} has this topic")
        bound = self.bind(found[0], text, found[1], directory)
        if len(self._bound) >= _MAX_TOPICS:
            self._bound.clear()
        self._bound[topic] = bound
        return bound


def _is_only_a_time(row: Row) -> bool:
    return isnan(row[0]) or (row[0] != 0 and all(map(isnan, row[1:-1])))


def _without_inf(row: Row) -> Row:
    """Leave out a sum of which a part was not measured."""
    return [_NAN if value == inf else value for value in row] if inf in row else row
