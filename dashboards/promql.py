"""Questions in PromQL, without what only VictoriaMetrics has.

A metric is measurement and field, as VictoriaMetrics makes it of line protocol. A point stands
at the end of its window (in InfluxQL at its begin): ``(t − interval, t]``.
"""

from dashboards.query import Ask, Band, Both, Expression, Field, Match, Number, variable_of

_TIME = {
    "mean": "avg_over_time",
    "max": "max_over_time",
    "min": "min_over_time",
    "last": "last_over_time",
    "sum": "sum_over_time",
    "count": "count_over_time",
    "rise": "increase",
}
_ACROSS = {"mean": "avg", "max": "max", "min": "min", "sum": "sum", "count": "count"}
_QUANTILES = {"p05": "0.05", "p50": "0.5", "p95": "0.95"}


def over_time(ask: Ask) -> str:
    """Return the expression whose answers are courses."""
    return _arithmetic(ask, ask.what, "$__interval")


def at_once(ask: Ask) -> str:
    """Return the expression of one number for each group, of the whole range."""
    inner = _arithmetic(ask, ask.what, "$__range")
    if ask.top is None:
        return inner
    name = "topk" if ask.top > 0 else "bottomk"
    return f"{name}({abs(ask.top)}, {inner})"


def tag_values(
    measurements: tuple[str, ...], field: str, tag: str, where: tuple[Match, ...]
) -> str:
    """Return the query of a variable."""
    if len(measurements) == 1:
        return f"label_values({_metric(measurements[0], field, where)}, {tag})"
    names = Match("__name__", f"({'|'.join(measurements)})_{field}")
    return f"label_values({_metric('', '', (names, *where))[1:]}, {tag})"


def samples(measurement: str, field: str, where: tuple[Match, ...]) -> str:
    """Return the expression of single points, seen at each step that has one."""
    return f"last_over_time({_metric(measurement, field, where)}[$__interval])"


def _arithmetic(ask: Ask, what: Expression, window: str) -> str:
    match what:
        case Field():
            return _reduced(ask, what, window)
        case Number(value):
            return value if isinstance(value, str) else f"{value:g}"
        case Both(operator, left, right):
            parts = (_arithmetic(ask, one, window) for one in (left, right))
            return "(" + f" {operator} ".join(parts) + ")"


def _reduced(ask: Ask, field: Field, window: str) -> str:
    metric = _metric(ask.measurement, field.name, ask.where)
    if field.time == "rate":
        course = f"rate({metric}[$__rate_interval])"
    else:
        course = f"{_TIME[field.time]}({metric}[{window}])"
    course = _within(course, ask.only or Band())
    by = f" by ({', '.join(ask.by)})"
    if field.across in _QUANTILES:
        return f"quantile{by} ({_QUANTILES[field.across]}, {course})"
    return f"{_ACROSS[field.across]}{by} ({course})"


def _within(what: str, band: Band) -> str:
    return " ".join([what, *band.conditions()])


def _metric(measurement: str, field: str, where: tuple[Match, ...]) -> str:
    matches = ", ".join(f'{one.tag}=~"{_pattern(one)}"' for one in where)
    return f"{measurement}_{field}" + (f"{{{matches}}}" if matches else "")


def _pattern(match: Match) -> str:
    name = variable_of(match)
    return match.value if name is None else f"${{{name}:regex}}"
