"""NEM12 and NEM13, the meter data files of the Australian market (AEMO MDFF specification 2.x).

NEM12: ``200`` begins a data stream, ``300`` holds a day of it, ``400`` says which of its intervals
have another quality where the day's is V (variable). A stream becomes a device of profile ``ei1``:
``nem-<NMI>-<suffix>``. Suffix E is what the customer took from the grid, B what he put into it, Q
and K the same of reactive energy.

``500`` may say what the register behind a stream showed when somebody came: between two of these
the intervals must add up to the difference (``nem_check``).

NEM13: ``250`` holds two reads of an accumulation register, which become readings of ``em3``. Its
quantity must be their difference; a record whose is not is refused by itself.

Times are market time, UTC+10 all the year; an interval is named by its end.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.telegrams import converter
from gateway.history import Complaint, FileRefusedError, Flag, Found, Row, Series
from gateway.history.cells import records
from gateway.history.nem_cells import cell, is_number, moment, ms_of, number, value_of
from gateway.history.nem_check import IndexRead, checked
from gateway.profiles import Profile, Profiles

_DAY_MIN = 1440
_LENGTHS_MIN = [minutes for minutes in range(1, 61) if _DAY_MIN % minutes == 0]
_FLAGS = {
    "A": Flag.ACTUAL,
    "E": Flag.ESTIMATED,
    "F": Flag.FINAL_SUBSTITUTE,
    "S": Flag.SUBSTITUTE,
    "N": Flag.NO_DATA,
}
_VARIABLE = "V"
_COLUMNS = {"E": "e_imp", "B": "e_exp", "Q": "r_imp", "K": "r_exp"}  # by the suffix' letter
_REGISTERS = {"E": "ea_imp", "I": "ea_exp"}  # by the direction of a 250
_UNITS = {unit.upper(): unit for unit in ("Wh", "kWh", "MWh", "varh", "kvarh")}
_UNITS |= {"VARH": "varh", "KVARH": "kvarh"}
_NMI, _SUFFIX, _UNIT, _LENGTH = 1, 4, 7, 8  # of a 200
_DATE, _VALUES = 1, 2  # of a 300
_READ_AT, _INDEX = 3, 4  # of a 500


class _Stream(NamedTuple):
    device: str
    column: int  # of the profile
    convert: Callable[[object], float | None]
    length_min: int
    rows: list[Row]
    reads: list[IndexRead]

    @property
    def per_day(self) -> int:
        return _DAY_MIN // self.length_min


class _Day(NamedTuple):
    """A 300 record whose quality is still to come."""

    line: int
    stream: _Stream
    begin: datetime
    values: Sequence[int | None]
    flags: list[Flag | None]


def read_nem(text: str, profiles: Profiles) -> Found:
    """Return the readings of a file.

    Raises:
        FileRefusedError: names line and reason.
    """
    reader = _Nem(profiles)
    line = 0
    for line, record in records(text.splitlines()):
        reader.take(line, [cell.strip() for cell in record])
    return reader.finish(max(line, 1))


class _Nem:
    def __init__(self, profiles: Profiles) -> None:
        self._interval, self._register = profiles["ei1"], profiles["em3"]
        self._streams: list[_Stream] = []
        self._reads: dict[str, list[Row]] = {}
        self._refused: list[Complaint] = []
        self._day: _Day | None = None
        self._version = ""
        self._ended = self._skips = False
        self._takers: Mapping[str, Callable[[int, Sequence[str]], None]] = {
            "100": self._take_header,
            "200": self._take_stream,
            "250": self._take_reads,
            "300": self._take_day,
            "400": self._take_quality,
            "500": self._take_index,
            "550": self._take_nothing,
            "900": self._take_end,
        }

    def take(self, line: int, record: Sequence[str]) -> None:
        if not any(record):
            return
        taker = self._takers.get(record[0])
        if taker is None:
            raise FileRefusedError(
                line, f"record indicator {record[0][:16]!r} is not of NEM12 or NEM13"
            )
        if not self._version and record[0] != "100":
            raise FileRefusedError(line, "no 100 record before it: the file has no header")
        if self._ended:
            raise FileRefusedError(line, "a record behind the 900 that ends the file")
        taker(line, record)

    def finish(self, line: int) -> Found:
        if not self._version:
            raise FileRefusedError(line, "the file is empty")
        if not self._ended:
            raise FileRefusedError(line, "no 900 record at the end: the file is cut off")
        series: list[Series] = []
        checks: list[Complaint] = []
        for stream in _merged(self._streams):
            length_ms = stream.length_min * 60_000
            rows, said = checked(stream.rows, stream.column, stream.reads, length_ms)
            series.append(Series(stream.device, self._interval.name, rows, length_ms))
            checks += said
        series += [Series(device, "em3", rows) for device, rows in self._reads.items()]
        if not any(one.rows for one in series) and not self._refused:
            raise FileRefusedError(line, "the file holds no data between its header and its end")
        return Found(series, refused=self._refused, checks=checks)

    def _take_header(self, line: int, record: Sequence[str]) -> None:
        version = cell(record, 1)
        if self._version or version not in {"NEM12", "NEM13"}:
            raise FileRefusedError(line, f"header of version {version!r}; known: NEM12, NEM13")
        self._version = version

    def _take_stream(self, line: int, record: Sequence[str]) -> None:
        self._close_day(line)
        suffix, unit = cell(record, _SUFFIX), cell(record, _UNIT)
        length = cell(record, _LENGTH)
        if not length.isdecimal() or int(length) not in _LENGTHS_MIN:
            raise FileRefusedError(line, f"interval length {length!r} is no part of a day")
        column = _COLUMNS.get(suffix[:1].upper())
        index = self._interval.column_index(column or "")
        convert = _converter(unit, self._interval, index)
        self._skips = index is None or convert is None
        if index is None or convert is None:
            detail = f"stream {suffix!r} in {unit!r} is no energy: its days are left out"
            self._refused.append(Complaint(line, detail))
            return
        device = slug("nem", cell(record, _NMI), suffix)
        self._streams.append(_Stream(device, index, convert, int(length), [], []))

    def _take_day(self, line: int, record: Sequence[str]) -> None:
        self._close_day(line)
        if self._skips:
            return
        if not self._streams:
            raise FileRefusedError(line, "a 300 record before any 200")
        stream = self._streams[-1]
        end = _VALUES + stream.per_day
        quality = cell(record, end)
        if quality[:1] not in {*_FLAGS, _VARIABLE}:
            count = sum(1 for one in record[_VALUES:] if is_number(one))
            detail = f"a day of {stream.length_min} min has {stream.per_day} values and a quality"
            raise FileRefusedError(
                line, f"{detail}; here are {count} numbers, then {quality[:16]!r}"
            )
        flag = _FLAGS.get(quality[:1])
        values = [
            value_of(line, text, stream.convert, is_null=flag is Flag.NO_DATA)
            for text in record[_VALUES:end]
        ]
        begin = moment(line, cell(record, _DATE), "%Y%m%d")
        self._day = _Day(line, stream, begin, values, [flag] * stream.per_day)

    def _take_quality(self, line: int, record: Sequence[str]) -> None:
        day = self._day
        if self._skips:
            return
        if day is None:
            raise FileRefusedError(line, "a 400 record that follows no 300")
        first, last, quality = cell(record, 1), cell(record, 2), cell(record, 3)
        count = day.stream.per_day
        if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= count):
            raise FileRefusedError(line, f"intervals {first} to {last} of a day that has {count}")
        flag = _FLAGS.get(quality[:1])
        if flag is None:
            raise FileRefusedError(line, f"quality {quality[:16]!r}; known: {', '.join(_FLAGS)}")
        for place in range(int(first) - 1, int(last)):
            day.flags[place] = flag

    def _take_reads(self, line: int, record: Sequence[str]) -> None:
        direction, unit = cell(record, 7), cell(record, 19)
        index = self._register.column_index(_REGISTERS.get(direction, ""))
        convert = _converter(unit, self._register, index)
        if self._version != "NEM13" or index is None or convert is None:
            raise FileRefusedError(line, f"a register of direction {direction!r} in {unit!r}")
        before, after, quantity = (number(line, cell(record, n)) for n in (8, 13, 18))
        try:
            counted = after - before
        except ArithmeticError:
            raise FileRefusedError(line, f"{before} to {after}: no register has these") from None
        if counted != quantity:
            detail = f"{before} to {after} is not {quantity}: a multiplier, or a wrong read"
            self._refused.append(Complaint(line, detail))
            return
        rows = self._reads.setdefault(slug("nem", cell(record, 1), cell(record, 4)), [])
        for read, time, quality in ((8, 9, 10), (13, 14, 15)):
            flag = _FLAGS.get(cell(record, quality)[:1])
            if flag is None:
                raise FileRefusedError(line, f"quality {cell(record, quality)!r} of a read")
            values: list[int | None] = [None] * len(self._register.columns)
            values[index] = value_of(line, cell(record, read), convert, is_null=False)
            at = moment(line, cell(record, time), "%Y%m%d%H%M%S")
            rows.append(Row(line, ms_of(at), values, flag.status))

    def _take_index(self, line: int, record: Sequence[str]) -> None:
        """Take what the register behind the intervals showed at a visit, where it is said."""
        self._take_nothing(line, record)
        time, shown = cell(record, _READ_AT), cell(record, _INDEX)
        if self._skips or not self._streams or not time or not shown:
            return
        stream = self._streams[-1]
        value = value_of(line, shown, stream.convert, is_null=False)
        step = value_of(line, f"1e-{len(shown.partition('.')[2])}", stream.convert, is_null=False)
        if value is not None and step is not None:
            at = ms_of(moment(line, time, "%Y%m%d%H%M%S"))
            stream.reads.append(IndexRead(line, at, value, step))

    def _take_nothing(self, line: int, _: Sequence[str]) -> None:
        if not self._streams and not self._reads:
            raise FileRefusedError(line, "a detail record before any data")

    def _take_end(self, line: int, _: Sequence[str]) -> None:
        self._close_day(line)
        self._ended = True

    def _close_day(self, line: int) -> None:
        """Make rows of the day before, now that all of its 400 records have come."""
        day, self._day = self._day, None
        if day is None:
            return
        if None in day.flags:
            place = day.flags.index(None) + 1
            raise FileRefusedError(line, f"no 400 record for interval {place} of line {day.line}")
        width = len(self._interval.columns)
        length, flag_index = width - 2, width - 1
        for place, (value, flag) in enumerate(zip(day.values, day.flags, strict=True), 1):
            known = flag or Flag.NOTHING
            values: list[int | None] = [None] * width
            values[day.stream.column] = None if known is Flag.NO_DATA else value
            values[length], values[flag_index] = day.stream.length_min * 60, int(known)
            end = day.begin + timedelta(minutes=place * day.stream.length_min)
            day.stream.rows.append(Row(day.line, ms_of(end), values, known.status))


def _merged(streams: Sequence[_Stream]) -> list[_Stream]:
    """Return streams with those of one device and length made one: some files repeat 200."""
    found: dict[tuple[str, int], _Stream] = {}
    for stream in streams:
        key = stream.device, stream.length_min
        if key in found:
            found[key].rows.extend(stream.rows)
            found[key].reads.extend(stream.reads)
        else:
            found[key] = stream
    return list(found.values())


def _converter(
    unit: str, profile: Profile, index: int | None
) -> Callable[[object], float | None] | None:
    known = _UNITS.get(unit.upper())
    if index is None or known is None:
        return None
    return converter(known, profile.columns[index].unit, profile.columns[index].scale)
