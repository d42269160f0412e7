"""Green Button files: Atom feeds of ESPI (NAESB REQ.21), interval readings of energy.

An ``IntervalBlock`` belongs to the ``MeterReading`` above it, which names its ``ReadingType``: the
unit (``uom`` 72 is Wh, 73 varh), a power of ten, the direction and the interval's length. Each
usage point becomes a device of profile ``ei1``. Starts are Unix seconds, so no hour is lost or
doubled when clocks change.

XML is read by expat with a handler that refuses any document type: no entities, so nothing to
expand and nothing to fetch.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Never
from xml.parsers import expat

from gateway.decode.foreign.naming import slug
from gateway.decode.wire import MAX_INT
from gateway.history import NO_TIME, FileRefusedError, Flag, Found, Row, Series, is_time
from gateway.profiles import Profiles

_PROFILE = "ei1"
_MAX_DEPTH = 32  # a feed has 8
_REVERSE = "19"  # flowDirection: from the customer to the grid
_UOMS = {"72": ("e_imp", "e_exp"), "73": ("r_imp", "r_exp")}  # Wh, varh: forward, reverse
_QUALITIES = {  # qualityOfReading
    "0": Flag.ACTUAL,
    "7": Flag.SUBSTITUTE,  # edited by a person
    "8": Flag.ESTIMATED,
    "9": Flag.ESTIMATED,
    "10": Flag.QUESTIONABLE,
    "11": Flag.ESTIMATED,
    "12": Flag.ESTIMATED,
    "14": Flag.ACTUAL,
    "17": Flag.ACTUAL,
    "18": Flag.ACTUAL,
    "19": Flag.ACTUAL,
}
# of two readings of an interval the flag that says less holds
_DOUBT = [
    *(Flag.ACTUAL, Flag.NOTHING, Flag.FINAL_SUBSTITUTE, Flag.SUBSTITUTE),
    *(Flag.ESTIMATED, Flag.QUESTIONABLE, Flag.NO_DATA),
]
_MILLI = 1000  # ei1 counts thousandths of a Wh


@dataclass(slots=True)
class _Reading:
    line: int
    start: str = ""
    duration: str = ""
    value: str = ""
    quality: str = ""


@dataclass(slots=True)
class _Entry:
    """An Atom entry: what it is, what it is linked to, and the simple elements in it."""

    line: int
    kind: str = ""
    itself: str = ""
    up: str = ""
    related: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    readings: list[_Reading] = field(default_factory=list)


_KINDS = frozenset({"UsagePoint", "MeterReading", "ReadingType", "IntervalBlock"})


def read_espi(data: bytes, profiles: Profiles) -> Found:
    """Return the interval readings of a file.

    Raises:
        FileRefusedError: names line and reason.
    """
    entries = _Feed().parse(data)
    types = {entry.itself: entry for entry in entries if entry.kind == "ReadingType"}
    meters = {entry.itself: entry for entry in entries if entry.kind == "MeterReading"}
    rows: dict[tuple[str, int], dict[str, list[Row]]] = {}
    for block in (entry for entry in entries if entry.kind == "IntervalBlock"):
        reading_type = _type_of(block, meters, types)
        column, scale = _column(reading_type, block.line)
        device = slug("espi", _usage_point(block))
        length_s = _integer(reading_type.values.get("intervalLength", "0"), reading_type.line)
        columns = rows.setdefault((device, length_s * 1000), {})
        found = columns.setdefault(column, [])
        found += [_row(one, column, scale, profiles) for one in block.readings]
    series = [Series(device, _PROFILE, _joined(of), span) for (device, span), of in rows.items()]
    if not any(one.rows for one in series):
        raise FileRefusedError(1, "the file holds no interval reading")
    return Found(series)


def _joined(columns: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return the readings of a usage point: what went either way in an interval is one of them."""
    first, *others = columns.values()
    joined = list(first)
    place = {(row.time_ms, row.values[-2]): at for at, row in reversed([*enumerate(joined)])}
    for row in (row for other in others for row in other):
        at = place.setdefault((row.time_ms, row.values[-2]), len(joined))
        if at == len(joined) or not _is_beside(joined[at], row):
            joined.append(row)
            continue
        pairs = zip(joined[at].values, row.values, strict=True)
        values = [one if other is None else other for one, other in pairs]
        worse = max(joined[at], row, key=lambda one: _DOUBT.index(Flag(one.values[-1] or 0)))
        values[-1] = worse.values[-1]
        joined[at] = joined[at]._replace(values=values, status=worse.status)
    return joined


def _is_beside(row: Row, other: Row) -> bool:
    """Return whether two readings of an interval tell of different energies."""
    pairs = zip(row.values[:-2], other.values[:-2], strict=True)
    return all(one is None or two is None for one, two in pairs)


class _Feed:
    """Collects the entries of a feed; names of elements are compared without their namespace."""

    def __init__(self) -> None:
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.buffer_text = True
        self._entries: list[_Entry] = []
        self._path: list[str] = []
        self._words: list[str] = []

    def parse(self, data: bytes) -> list[_Entry]:
        try:
            self._parser.Parse(data, True)  # noqa: FBT003  # expat knows no name for it
        except expat.ExpatError as error:
            raise FileRefusedError(
                error.lineno, f"not XML: {expat.ErrorString(error.code)}"
            ) from error
        return self._entries

    def _refuse(self, *_: object) -> Never:
        raise FileRefusedError(self._parser.CurrentLineNumber, "a document type, which is not read")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        name = name.rpartition(" ")[2]
        self._path.append(name)
        self._words.clear()
        line = self._parser.CurrentLineNumber
        if len(self._path) > _MAX_DEPTH:
            raise FileRefusedError(line, f"elements more than {_MAX_DEPTH} deep")
        if name == "entry":
            self._entries.append(_Entry(line))
        elif not self._entries:
            return
        elif name == "link":
            self._link(attributes.get("rel", ""), attributes.get("href", ""))
        elif name in _KINDS:
            self._entries[-1].kind, self._entries[-1].line = name, line
        elif name == "IntervalReading":
            self._entries[-1].readings.append(_Reading(line))

    def _link(self, relation: str, target: str) -> None:
        entry = self._entries[-1]
        if relation == "self":
            entry.itself = target
        elif relation == "up":
            entry.up = target
        elif relation == "related":
            entry.related.append(target)

    def _text(self, text: str) -> None:
        self._words.append(text)

    def _end(self, name: str) -> None:
        name, text = name.rpartition(" ")[2], "".join(self._words).strip()
        self._words.clear()
        self._path.pop()
        if not self._entries or not text:
            return
        entry = self._entries[-1]
        if "IntervalReading" in self._path:
            reading = entry.readings[-1]
            if name in {"start", "duration", "value", "quality"}:
                setattr(reading, name, text)
        elif entry.kind:
            entry.values.setdefault(name, text)


def _type_of(block: _Entry, meters: Mapping[str, _Entry], types: Mapping[str, _Entry]) -> _Entry:
    meter = meters.get(block.up.rpartition("/IntervalBlock")[0]) or meters.get(block.up)
    if meter is None and len(meters) == 1:
        meter = next(iter(meters.values()))
    for target in [] if meter is None else meter.related:
        if target in types:
            return types[target]
    if len(types) == 1:
        return next(iter(types.values()))
    raise FileRefusedError(block.line, "an IntervalBlock whose ReadingType cannot be told")


def _column(reading_type: _Entry, line: int) -> tuple[str, Decimal]:
    """Return the column, and what a value is multiplied by for it."""
    values = reading_type.values
    columns = _UOMS.get(values.get("uom", ""))
    if columns is None:
        raise FileRefusedError(
            reading_type.line, f"uom {values.get('uom')!r} is no energy (72, 73)"
        )
    power = _integer(values.get("powerOfTenMultiplier", "0"), line)
    if not -12 <= power <= 12:  # noqa: PLR2004  # ESPI's own range: pico to tera
        raise FileRefusedError(reading_type.line, f"powerOfTenMultiplier {power}")
    is_reverse = values.get("flowDirection") == _REVERSE
    return columns[is_reverse], Decimal(10) ** power * _MILLI


def _row(reading: _Reading, column: str, scale: Decimal, profiles: Profiles) -> Row:
    profile = profiles[_PROFILE]
    start_s = _integer(reading.start, reading.line)
    length_s = _integer(reading.duration, reading.line)
    flag = _QUALITIES.get(reading.quality, Flag.NOTHING) if reading.quality else Flag.NOTHING
    try:
        scaled = round(Decimal(reading.value) * scale)
    except (ArithmeticError, ValueError):  # no number, too large a one, NaN
        raise FileRefusedError(reading.line, f"value {reading.value[:32]!r}") from None
    if abs(scaled) > MAX_INT or length_s < 1:
        raise FileRefusedError(reading.line, f"value {reading.value[:32]!r} in {length_s} s")
    end_ms = (start_s + length_s) * 1000
    if not (is_time(start_s * 1000) and is_time(end_ms)):
        raise FileRefusedError(reading.line, f"start {start_s} and {length_s} s: {NO_TIME}")
    found = {column: scaled, "length": length_s, "flag": int(flag)}
    values = [found.get(one.name) for one in profile.columns]
    return Row(reading.line, end_ms, values, flag.status)


def _usage_point(block: _Entry) -> str:
    """Return the id of a usage point out of the path of its block's links."""
    parts: Sequence[str] = block.up.split("/") or block.itself.split("/")
    if "UsagePoint" in parts[:-1]:
        return parts[parts.index("UsagePoint") + 1]
    return "meter"


_INTEGER = re.compile(r"-?\d{1,16}\Z", re.ASCII)


def _integer(text: str, line: int) -> int:
    if _INTEGER.match(text) is None:
        raise FileRefusedError(line, f"{text[:32]!r} is no whole number")
    return int(text)
