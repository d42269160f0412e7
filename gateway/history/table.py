"""CSV tables with a described layout. A line that cannot be read is refused by itself and named.

Local times without offset are read in the layout's zone. The hour that comes twice when clocks go
back is told by the order of rows (the second time of the same wall clock is the later hour) and
noted; a wall clock that clocks have skipped is refused. Rows of a profile of single events that
have the same second are set a millisecond apart, in the order they stand in: such a table does not
resolve less than a second, and two vehicles must not become one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.config import duration_ms
from gateway.decode.foreign.naming import slug
from gateway.decode.instants import Instant, compile_time
from gateway.decode.linear import Converter, compile_linear
from gateway.decode.wire import reject
from gateway.errors import ConfigError, RejectedError
from gateway.history import NO_TIME, Complaint, FileRefusedError, Found, Row, Series, is_time
from gateway.history.cells import records
from gateway.history.layout import Layout, ValueColumn
from gateway.model import QuarantineReason
from gateway.profiles import Profile, Profiles
from gateway.units import factor_between

_LONG_AGO_MS = 1  # receive time of a file: no hint at which of two hours is meant
_MS_PER_S = 1000


class _Cell(NamedTuple):
    """How one column of the profile is filled."""

    place: int | None  # of the cell; None: ``fixed``
    convert: Converter
    codes: Mapping[str, int]
    fixed: int | None


class _Plan(NamedTuple):
    layout: Layout
    profile: Profile
    cells: Sequence[_Cell | None]  # by column of the profile
    time_place: int
    device_place: int | None
    instant: Instant
    shift_ms: int
    begin: int  # the first line of data, from 0


class _Line(NamedTuple):
    number: int
    cells: Sequence[str]


def read_table(text: str, layout: Layout, profiles: Profiles) -> Found:
    """Return the readings of a table.

    Raises:
        FileRefusedError: a column of the layout is not in the header; the file is empty.
        ConfigError: the layout names what the profile does not have.
    """
    lines = text.splitlines()
    plan = _plan(lines, layout, profiles)
    rows = records(lines, layout.delimiter, plan.begin)
    numbered = [_Line(at, cells) for at, cells in rows if any(cells)]
    if layout.newest_first:
        numbered.reverse()
    reader = _Reader(plan)
    for line in numbered:
        reader.take(line)
    return reader.found()


class _Reader:
    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._rows: dict[str, list[Row]] = {}
        self._refused: list[Complaint] = []
        self._notes: list[Complaint] = []
        self._before_ms: dict[str, int] = {}

    def take(self, line: _Line) -> None:
        try:
            device, row = self._read(line)
        except RejectedError as error:
            self._refused.append(Complaint(line.number, error.detail))
        except IndexError:
            detail = f"{len(line.cells)} cells; the layout needs more"
            self._refused.append(Complaint(line.number, detail))
        else:
            self._rows.setdefault(device, []).append(row)

    def found(self) -> Found:
        plan = self._plan
        if not self._rows and not self._refused:
            raise FileRefusedError(max(plan.begin, 1), "the table holds no row")
        every_ms = duration_ms(plan.layout.every) if plan.layout.every else 0
        series = [
            Series(device, plan.profile.name, rows, every_ms) for device, rows in self._rows.items()
        ]
        return Found(series, (), self._refused, self._notes)

    def _read(self, line: _Line) -> tuple[str, Row]:
        plan, cells = self._plan, [cell.strip() for cell in line.cells]
        device = plan.layout.device or slug(cells[plan.device_place or 0])
        wall = cells[plan.time_place]
        before_ms = self._before_ms.get(device, 0)
        time_ms = self._time(wall, before_ms)
        self._note_fold(line.number, wall, time_ms)
        if plan.profile.shape == "events" and before_ms - before_ms % _MS_PER_S == time_ms:
            time_ms = before_ms + 1
        values = [None if cell is None else _value(cell, cells, plan) for cell in plan.cells]
        self._before_ms[device] = time_ms
        return device, Row(line.number, time_ms + plan.shift_ms, values)

    def _time(self, wall: str, before_ms: int) -> int:
        plan = self._plan
        try:
            time_ms = plan.instant(wall, _LONG_AGO_MS, before_ms)
        except OverflowError:
            reject(QuarantineReason.TIME, f"{wall[:64]!r} is {NO_TIME}")
        if not (is_time(time_ms) and is_time(time_ms + plan.shift_ms)):
            reject(QuarantineReason.TIME, f"{wall[:64]!r} is {NO_TIME}")
        return time_ms

    def _note_fold(self, number: int, wall: str, time_ms: int) -> None:
        """Note a wall clock that comes twice: when clocks go back."""
        zone = self._plan.layout.time.zone
        if zone is None or zone == "UTC":
            return
        local = datetime.fromtimestamp(time_ms / _MS_PER_S, UTC).astimezone(ZoneInfo(zone))
        other = local.replace(fold=1 - local.fold)
        if other.utcoffset() != local.utcoffset():
            which = "second" if local.fold else "first"
            detail = f"{wall} comes twice in {zone}: read as the {which}"
            self._notes.append(Complaint(number, detail))


def _value(cell: _Cell, cells: Sequence[str], plan: _Plan) -> int | None:
    if cell.place is None:
        return cell.fixed
    text = cells[cell.place]
    if text in plan.layout.null:
        return None
    if cell.codes:
        return cell.codes.get(text)
    if plan.layout.decimal == ",":
        text = text.replace(",", ".")
    value = cell.convert(text)
    return None if value is None else round(value)


def _plan(lines: Sequence[str], layout: Layout, profiles: Profiles) -> _Plan:
    profile = profiles.get(layout.profile)
    if profile is None:
        raise ConfigError(f"layout: unknown profile {layout.profile!r}")
    names = _names(lines, layout)
    wrong = layout.columns.keys() - {column.name for column in profile.columns}
    if wrong:
        raise ConfigError(f"layout: profile {profile.name} has no column {min(wrong)!r}")
    cells = [
        _cell(layout.columns[column.name], column.unit, column.scale, names)
        if column.name in layout.columns
        else None
        for column in profile.columns
    ]
    try:
        instant = compile_time(layout.time_rule)
    except ValueError as error:
        raise ConfigError(f"layout: time: {error}") from error
    shift_ms = duration_ms(layout.every) if layout.time.names == "begin" and layout.every else 0
    device_place = None if layout.device_column is None else _place(layout.device_column, names)
    begin = layout.skip + (1 if layout.header else 0)
    time_place = _place(layout.time.column, names)
    return _Plan(layout, profile, cells, time_place, device_place, instant, shift_ms, begin)


def _names(lines: Sequence[str], layout: Layout) -> Mapping[str, int]:
    """Return the place of each name of the header; without header names are numbers from 1."""
    if len(lines) <= layout.skip:
        raise FileRefusedError(1, "the file is empty")
    _, first = next(records(lines, layout.delimiter, layout.skip), (0, list[str]()))
    if not layout.header:
        return {str(place + 1): place for place in range(len(first))}
    return {name.strip().lstrip("\ufeff"): place for place, name in enumerate(first)}


def _place(name: str, names: Mapping[str, int]) -> int:
    if name not in names:
        raise FileRefusedError(1, f"no column {name!r}; there are {', '.join(names)[:200]}")
    return names[name]


def _cell(form: ValueColumn | str, unit: str, scale: float, names: Mapping[str, int]) -> _Cell:
    wanted = ValueColumn(column=form) if isinstance(form, str) else form
    place = None if wanted.column is None else _place(wanted.column, names)
    factor = factor_between(wanted.unit or unit, unit)
    convert: Callable[[object], float | None]
    try:
        convert = compile_linear(wanted.scale, 0.0, factor, scale).converter()
    except ValueError as error:
        raise ConfigError(f"layout: {error}") from error
    return _Cell(place, convert, wanted.codes, wanted.value)
