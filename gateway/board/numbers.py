"""Numbers as a person reads them: units, thousands apart, ages, sizes, durations."""

from collections.abc import Mapping

from gateway.profiles import Column
from gateway.views.engineering import decimals_of

NARROW = "\u202f"  # between thousands: no language takes it for a decimal sign
HARD = "\u00a0"  # before a unit: the two stay on one line
KILO = frozenset({"Wh", "varh", "VAh"})  # registers that people know in thousands
KILO_FROM = 10_000
MINUTE_MS, MINUTE_S = 60_000, 60
LONG_JOURNEY_MIN = 20  # nobody arrives to the second
_BINARY = 1024
NOW_MS = 10_000  # below, an age would only flicker


def grouped(number: int) -> str:
    """Return a number in groups of three."""
    return f"{number:,}".replace(",", NARROW)


def value_text(column: Column, value: float | None, further: int = 0) -> str:
    """Return an engineering value with its unit and the decimals of its scale, or some more."""
    if value is None:
        return "–"
    decimals, unit = decimals_of(column.scale) + further, column.unit
    if column.quantity == "occupancy" and unit == "1":
        value, decimals, unit = 100 * value, max(0, decimals - 2), "%"
    elif unit in KILO and abs(value) >= KILO_FROM:
        value, decimals, unit = value / 1000, decimals + 3, f"k{unit}"
    elif code := column.codes.get(f"{value:g}"):
        return code
    text = f"{value:,.{decimals}f}".replace(",", NARROW)
    return text if unit == "1" else f"{text}{HARD}{unit}"


def duration_text(duration_ms: float) -> str:
    """Return a duration in its largest unit: ``4 s``, ``12 min``, ``3 h``, ``9 d``."""
    seconds = int(max(0, duration_ms) // 1000)
    for unit, length_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s}{HARD}{unit}"
    return f"{seconds}{HARD}s"


def journey_text(seconds: float) -> str:
    """Return how long a journey takes: ``45 s``, ``3 min 05 s``, from twenty minutes ``34 min``."""
    whole = round(max(0.0, seconds))
    if whole < MINUTE_S:
        return f"{whole}{HARD}s"
    minutes, rest = divmod(whole, MINUTE_S)
    if minutes >= LONG_JOURNEY_MIN:
        return f"{round(whole / MINUTE_S)}{HARD}min"
    return f"{minutes}{HARD}min{HARD}{rest:02}{HARD}s"


def age_text(age_ms: int, words: Mapping[str, str]) -> str:
    """Return how long ago something was; what is fresh is ``now``, so that nothing flickers."""
    if age_ms < NOW_MS:
        return words["now"]
    if age_ms < MINUTE_MS:
        return words["minute"]
    duration = duration_text(age_ms) if age_ms >= 2 * MINUTE_MS else f"1{HARD}min"
    return words["ago"].format(duration=duration)


def size_text(size_bytes: int) -> str:
    """Return a size in its largest unit, in steps of 1,024."""
    size, units = float(size_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= _BINARY and len(units) > 1:
        size, units = size / _BINARY, units[1:]
    return f"{size_bytes}{HARD}B" if units[0] == "B" else f"{size:.1f}{HARD}{units[0]}"


def soon_text(seconds: float) -> str:
    """Return the bound of a delay: ``50 ms``, ``2.5 s``."""
    return f"{seconds * 1000:g}{HARD}ms" if seconds < 1 else f"{seconds:g}{HARD}s"
