"""Times without an offset: read in the zone that the configuration names, or not at all."""

from collections.abc import Callable

from gateway.config.sections import MappingTime
from gateway.decode.instants import compile_time

LocalTime = Callable[[str, int], int]  # text, receive time in ms → Unix ms; 0: names no instant


def local_time(zone: str | None) -> LocalTime:
    """Return what reads RFC 3339 text; one without offset is 0 where no zone is named.

    The returned function raises RejectedError (``time``) for text that is no time, or one that
    clocks have skipped.
    """
    instant = compile_time(MappingTime(zone=zone or "UTC"))

    def read(text: str, received_ms: int) -> int:
        found = instant(text, received_ms, 0)
        return found if zone is not None or _has_offset(text) else 0

    return read


def _has_offset(text: str) -> bool:
    return text.endswith("Z") or "+" in text[10:] or "-" in text[10:]  # behind the date
