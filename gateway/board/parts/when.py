"""Days and moments as a page says them."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.board.looks.lines import DAY_MS, Line


def moment_text(time_ms: int, zone: ZoneInfo) -> str:
    """Return a local moment, to the second."""
    return datetime.fromtimestamp(time_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def day_text(time_ms: int, zone: ZoneInfo) -> str:
    """Return the local date of a moment."""
    return datetime.fromtimestamp(time_ms / 1000, zone).strftime("%Y-%m-%d")


def span_text(one: Line, words: Mapping[str, str], zone: ZoneInfo) -> str:
    """Return of which day, or from when to when, a line is."""
    first, last = day_text(one.from_ms, zone), day_text(one.to_ms - 1, zone)
    if one.to_ms - one.from_ms <= DAY_MS and first == last:
        return words["of_day"].format(day=first)
    return words["of_days"].format(first=first, last=last)
