"""Declarative mappings: any JSON becomes readings of a profile (``[[mapping]]``, docs/protocol.md).

A mapping is compiled once (``plan``), so that a message costs a few dictionary look-ups.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from gateway.config.sections import Mapping as MappingSection
from gateway.decode.linear import number_of
from gateway.decode.paths import MISSING, Path, find, leaves
from gateway.decode.plan import DEVICE, Place, Plan, Value, compile_plan
from gateway.decode.text import reject_json
from gateway.decode.wire import MAX_INT, MAX_ROWS, reject
from gateway.model import NO_SEQ, Lane, QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory, RowsHeader
from gateway.profiles import Profile
from gateway.topics import filter_matches, is_device_id

_NOT_IN_ID = re.compile(r"[^a-z0-9-]")
# Topics whose device is remembered. A topic tree can be made up without end, so this is bounded.
_MAX_DEVICES = 65_536

_LANE = Lane.TELEMETRY.value
_Row = list[float | None]


class CompiledMapping:
    """A mapping ready to run; implements ``decode.Foreign``."""

    def __init__(
        self,
        mapping: MappingSection,
        profiles: Mapping[str, Profile],
        source_max_age_ms: Sequence[int] = (),
    ) -> None:
        """Compile.

        Raises:
            ConfigError: names the mapping and the key.
        """
        self._plan = compile_plan(mapping, profiles)
        self._width = len(self._plan.profile.columns) + 2
        self._max_age_ms = tuple(max(age, self._plan.max_age_ms) for age in source_max_age_ms)
        self._decode_any = msgspec.json.Decoder(float_hook=Decimal).decode
        self._devices: dict[bytes, str] = {}

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return filter_matches(self._plan.topic_filter, topic)

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of one message, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        plan = self._plan
        try:
            root = self._decode_any(record.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
            reject_json(record.payload, error)
        nodes = (root,) if plan.rows is None else _row_nodes(root, plan.rows)
        if plan.known is not None:
            _refuse_extra(root, plan, plan.known)
        rows = self._values(root, nodes)
        times_ms = self._times(root, nodes, record.received_ms)
        seqs = (NO_SEQ,) if plan.seq is None else _seqs(root, nodes, plan.seq)
        device = self._devices.get(record.topic) or self._device(record.topic, root)
        route = directory.route(plan.org, plan.profile.sector, device)
        for row, time_ms in zip(rows, times_ms, strict=True):
            row[0] = time_ms - times_ms[0]
        header = RowsHeader(
            plan.profile.name,
            route.device_index,
            0,
            -1,
            seqs[0],
            times_ms[0],
            _LANE,
            record.number,
            record.received_ms,
            route.is_registered,
            self._max_age_ms[record.source] if self._max_age_ms else plan.max_age_ms,
        )
        if len(rows) == 1 or plan.seq is None or _is_run(seqs):
            out.add_rows(header, rows)
            return
        for seq, row in zip(seqs, rows, strict=True):
            out.add_rows(header._replace(seq=seq), (row,))

    def _values(self, root: object, nodes: Sequence[object]) -> list[_Row]:
        """Return rows whose dt is still to come; the status stays null: no mapping knows one."""
        rows: list[_Row] = []
        found = 0
        for node in nodes:
            row: _Row = [None] * self._width
            for (from_root, path), values in self._plan.groups:
                found += _fill(row, find(root if from_root else node, path), values)
            rows.append(row)
        if not found:
            reject(QuarantineReason.SCHEMA, "no column of the mapping is in the payload")
        return rows

    def _times(self, root: object, nodes: Sequence[object], received_ms: int) -> list[int]:
        """Return the time of each row; 0 = the payload has none, the gateway will stamp it."""
        place = self._plan.time
        if place is None:
            return [0] * len(nodes)
        times_ms: list[int] = []
        before_ms = 0
        for node in nodes:
            value = find(root if place.from_root else node, place.path)
            if value is MISSING:
                reject(QuarantineReason.SCHEMA, f"no time at {place.path}")
            time_ms = self._plan.instant(value, received_ms, before_ms)
            if not 0 < time_ms <= MAX_INT:
                reject(QuarantineReason.TIME, f"time {value!r} is not between 1970 and 2**53 ms")
            times_ms.append(time_ms)
            before_ms = time_ms
        return times_ms

    def _device(self, topic: bytes, root: object) -> str:
        """Return the device id; remembered by topic where only the topic makes it."""
        plan = self._plan
        level = "" if plan.device_level is None else topic.decode().split("/")[plan.device_level]
        parts = [_part(part, level, root) for part in plan.device]
        # Character by character, so that a_b and a__b stay two devices.
        device = _NOT_IN_ID.sub("-", "".join(parts).lower()).lstrip("-")
        if not is_device_id(device):
            reject(QuarantineReason.IDENTITY, f"{device[:80]!r} cannot be a device id")
        if not any(isinstance(part, Place) for part in plan.device):
            if len(self._devices) >= _MAX_DEVICES:
                self._devices.clear()
            self._devices[topic] = device
        return device


def _fill(row: _Row, node: object, values: Sequence[Value]) -> int:
    """Put the columns that lie in one node into a row; return how many there were."""
    found = 0
    for place, key, convert in values:
        if key is None:
            value = node
        elif type(node) is dict:
            value = node.get(key, MISSING)
        else:
            value = find(node, (key,))
        if value is not MISSING:
            found += 1
            row[place] = convert(value)
    return found


def _part(part: str | Place, level: str, root: object) -> str:
    if not isinstance(part, Place):
        return level if part == DEVICE else part
    value = find(root, part.path)
    if not isinstance(value, str) and type(value) is not int:
        reject(QuarantineReason.SCHEMA, f"no text at {part.path} to name the device")
    return str(value)


def _row_nodes(root: object, path: Path) -> list[object]:
    nodes = find(root, path)
    if not isinstance(nodes, list) or not nodes:
        reject(QuarantineReason.SCHEMA, f"no array of rows at {path}")
    if len(nodes) > MAX_ROWS:
        reject(QuarantineReason.TOO_LARGE, f"{len(nodes)} rows; at most {MAX_ROWS} in a message")
    return nodes


def _is_run(seqs: Sequence[int]) -> bool:
    return list(seqs) == list(range(seqs[0], seqs[0] + len(seqs)))


def _seqs(root: object, nodes: Sequence[object], place: Place) -> list[int]:
    seqs = []
    for node in nodes:
        value = find(root if place.from_root else node, place.path)
        number = None if value is MISSING else number_of(value)
        if number is None or not 0 <= number <= MAX_INT or number != int(number):
            reject(QuarantineReason.SCHEMA, f"no sequence number at {place.path}")
        seqs.append(int(number))
    if len(set(seqs)) != len(seqs):
        reject(QuarantineReason.SCHEMA, "two rows have one sequence number")
    return seqs


def _refuse_extra(root: object, plan: Plan, known: frozenset[Place]) -> None:
    """Refuse a payload in which something is that the mapping does not use."""
    above = plan.rows
    for leaf in leaves(root):
        is_in_row = above is not None and leaf[: len(above)] == above
        inside = leaf[len(above or ()) + 1 :] if is_in_row else leaf
        is_row_place = (is_in_row or above is None) and Place(from_root=False, path=inside) in known
        if not is_row_place and Place(from_root=True, path=leaf) not in known:
            reject(QuarantineReason.SCHEMA, f"{leaf} is not in the mapping (ignore_extra = false)")
