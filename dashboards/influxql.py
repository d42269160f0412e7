"""Questions in InfluxQL, in the part of it that InfluxDB 1, 2 and 3 have in common.

No cross-measurement arithmetic, no selector that 3 lacks, no retention policy in a name, time
bounds in ``SHOW`` (3 looks at one day without).
"""

from dashboards.measurements import identity
from dashboards.query import POOLED, Ask, Band, Both, Expression, Field, Match, Number, variable_of

_QUANTILES = {"p05": 5, "p50": 50, "p95": 95}
_EVERY = "time($__interval)"
_SHOWN_DAYS = 30  # of values offered by a variable


def over_time(ask: Ask) -> str:
    """Return the query whose answers are courses, a point for each ``$__interval``."""
    return _select(ask, {"value": ask.what}, [_EVERY])


def at_once(ask: Ask, key: str = "value") -> str:
    """Return the query whose answers are one number for each group, of the whole range."""
    if ask.top is None:
        return _select(ask, {key: ask.what}, [])
    name, count = ("top", ask.top) if ask.top > 0 else ("bottom", -ask.top)
    keys = "".join(f', "{tag}"' for tag in ask.by)
    source = _select(ask, {key: ask.what}, [])
    return f'SELECT {name}("{key}"{keys}, {count}) AS "{key}" FROM ({source})'


def columns(named: dict[str, Ask]) -> str:
    """Return the query of a table: a row for each group, a column for each question.

    They must be of one measurement, group and condition, which is what a table is.
    """
    first = next(iter(named.values()))
    if any((one.measurement, one.by, one.where) != _place(first) for one in named.values()):
        raise ValueError(f"columns of different places: {list(named)}")
    whats = {name: ask.what for name, ask in named.items()}
    return _select(first, whats, [])


def tag_values(measurements: tuple[str, ...], tag: str, where: tuple[Match, ...]) -> str:
    """Return the query of a variable."""
    conditions = [*_matches(where), f"time > now() - {_SHOWN_DAYS}d"]
    sources = ", ".join(f'"{one}"' for one in measurements)
    return f'SHOW TAG VALUES FROM {sources} WITH KEY = "{tag}" WHERE ' + " AND ".join(conditions)


def rows(measurement: str, fields: tuple[str, ...], where: tuple[Match, ...]) -> str:
    """Return the query of single points: annotations, and lists of events."""
    names = ", ".join(f'"{name}"' for name in fields)
    return f'SELECT {names} FROM "{measurement}" WHERE ' + " AND ".join(
        [*_matches(where), "$timeFilter"]
    )


def _place(ask: Ask) -> tuple[str, tuple[str, ...], tuple[Match, ...]]:
    return ask.measurement, ask.by, ask.where


def _select(ask: Ask, whats: dict[str, Expression], every: list[str]) -> str:
    fields = list(dict.fromkeys(one for what in whats.values() for one in _fields(what)))
    where = " AND ".join([*_matches(ask.where), "$timeFilter"])
    series = identity(ask.measurement)
    if not _is_nested(ask, fields, series):
        shown = _shown(whats, {one: _in_time(one) for one in fields})
        return f'SELECT {shown} FROM "{ask.measurement}" WHERE {where}{_group(every, ask.by)}'
    inner = {one: f"f{k}" for k, one in enumerate(fields)}
    parts = ", ".join(f'{_in_time(one)} AS "{key}"' for one, key in inner.items())
    tags = tuple(dict.fromkeys((*ask.by, *series)))
    inner_every = every or [_EVERY for one in fields[:1] if one.time == "rise"]
    source = f'SELECT {parts} FROM "{ask.measurement}" WHERE {where}{_group(inner_every, tags)}'
    kept = " AND ".join(
        [*(f'"f0" {one}' for one in (ask.only or Band()).conditions()), "$timeFilter"]
    )
    shown = _shown(whats, {one: _across(one, key) for one, key in inner.items()})
    return f"SELECT {shown} FROM ({source}) WHERE {kept}{_group(every, ask.by)}"


def _is_nested(ask: Ask, fields: list[Field], series: tuple[str, ...]) -> bool:
    """Return whether series by series gives something else than all points of a group at once."""
    if ask.only is not None or any(one.time == "rise" for one in fields):
        return True
    return not set(series) <= set(ask.by) and any(
        (one.time, one.across) not in POOLED for one in fields
    )


def _in_time(field: Field) -> str:
    if field.time == "rise":  # a difference is between windows
        return f'non_negative_difference(max("{field.name}"))'
    if field.time == "rate":
        return f'non_negative_derivative(max("{field.name}"), 1s)'
    return f'{field.time}("{field.name}")'


def _across(field: Field, key: str) -> str:
    if field.across in _QUANTILES:
        return f'percentile("{key}", {_QUANTILES[field.across]})'
    return f'{field.across}("{key}")'


def _shown(whats: dict[str, Expression], terms: dict[Field, str]) -> str:
    return ", ".join(f'{_arithmetic(what, terms)} AS "{name}"' for name, what in whats.items())


def _arithmetic(what: Expression, terms: dict[Field, str]) -> str:
    match what:
        case Field():
            return terms[what]
        case Number(value):
            return value if isinstance(value, str) else f"{value:g}"
        case Both(operator, left, right):
            return f"({_arithmetic(left, terms)} {operator} {_arithmetic(right, terms)})"


def _fields(what: Expression) -> list[Field]:
    return Ask("", what).fields()


def _group(every: list[str], tags: tuple[str, ...]) -> str:
    keys = [*every, *(f'"{tag}"' for tag in tags)]
    if not keys:
        return ""
    return f" GROUP BY {', '.join(keys)}" + (" fill(none)" if every else "")


def _matches(where: tuple[Match, ...]) -> list[str]:
    return [f'"{one.tag}" =~ /^{_pattern(one)}$/' for one in where]


def _pattern(match: Match) -> str:
    name = variable_of(match)
    return match.value if name is None else f"${{{name}:regex}}"
