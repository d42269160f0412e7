"""A point of a derived measurement, and its line."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.sinks.line_protocol import UnwritableError, series_prefix

# Series that are remembered as prefixes: 100,000 devices of a few measurements, ~150 B each.
_MAX_PREFIXES = 1 << 18

_DECIMALS = 6  # of what is computed here; a coordinate needs as many

Fields = Mapping[str, float | None]
Tags = Mapping[str, str]


class Point(NamedTuple):
    """One point; a field that is None is not known and has no place in the line."""

    measurement: str
    tags: Tags
    fields: Fields
    time_ms: int


class Writer:
    """Makes lines of points; keeps the beginnings of lines, which repeat."""

    def __init__(self) -> None:
        self.unwritable = 0  # points so far that no line can carry
        self._prefixes: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}

    def lines(self, points: Iterable[Point]) -> list[bytes]:
        """Return the lines of points; a point without any known field has none."""
        return [line for point in points if (line := self._line(point)) is not None]

    def _line(self, point: Point) -> bytes | None:
        pairs = [
            f"{name}={round(float(value), _DECIMALS)!r}"
            for name, value in point.fields.items()
            if value is not None and math.isfinite(value)
        ]
        if not pairs:
            return None
        try:
            prefix = self._prefix(point)
        except UnwritableError:
            self.unwritable += 1
            return None
        return prefix + f"{','.join(pairs)} {point.time_ms}".encode()

    def _prefix(self, point: Point) -> bytes:
        key = (point.measurement, tuple(point.tags.items()))
        known = self._prefixes.get(key)
        if known is None:
            if len(self._prefixes) >= _MAX_PREFIXES:
                self._prefixes.clear()
            # a backslash is read differently by the servers, see ``readings``
            tags = {name: text.replace("\\", "/") for name, text in point.tags.items() if text}
            known = self._prefixes[key] = series_prefix(point.measurement, tags)
        return known


def known(body: Mapping[str, object], *names: str) -> dict[str, float | None]:
    """Return the numbers of a body by their names; yes and no become 1 and 0."""
    return {name: number(body.get(name)) for name in names}


def number(value: object) -> float | None:
    """Return a value as a float, None for what is none."""
    return float(value) if isinstance(value, bool | int | float) else None


def ratio(part: float | None, whole: float | None) -> float | None:
    """Return a share, None where it is not known or of nothing."""
    return part / whole if part is not None and whole is not None and whole > 0 else None
