"""What rooms of foreign formats share: rows and events of one message on their way out."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from gateway.decode.foreign.options import Options
from gateway.decode.wire import MAX_INT, reject
from gateway.model import NO_SEQ, Event, Lane, QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory, Route, RowsHeader
from gateway.profiles import Profile

Row = Sequence[float | None]
# RowsHeader(…) itself takes twice as long
_header: Callable[[tuple[object, ...]], RowsHeader] = partial(tuple.__new__, RowsHeader)
MAX_DETAIL_CHARS = 4096  # of an event's document; a sender's words are in it


class Found(NamedTuple):
    """Rows of one device and profile; times are in the rows, after ``time_ms``."""

    named: tuple[str, str]  # device, part of it ("": itself)
    profile: Profile
    time_ms: int  # 0: the gateway stamps the last row
    rows: Sequence[Row]
    is_backlog: bool = False


def add_all(
    found: Sequence[Found],
    record: Record,
    directory: DeviceDirectory,
    options: Options,
    out: Collecting,
) -> None:
    """Add what one message holds, all of it or none.

    Raises:
        RejectedError: a device may not send, or a time is no time; ``out`` is unchanged.
    """
    headers = []
    for one in found:
        route = route_of(one.named, one.profile.sector, record, directory, options)
        if not 0 <= one.time_ms <= MAX_INT:
            reject(QuarantineReason.TIME, f"time {one.time_ms} is not between 1970 and 2**53 ms")
        lane = Lane.BACKLOG.value if one.is_backlog else Lane.TELEMETRY.value
        headers.append(header_of(one.profile.name, route, one.time_ms, lane, record, options))
    for header, one in zip(headers, found, strict=True):
        out.add_rows(header, one.rows)


def route_of(
    named: tuple[str, str],
    sector: str,
    record: Record,
    directory: DeviceDirectory,
    options: Options,
) -> Route:
    """Return the route of a device of a foreign topic.

    Raises:
        RejectedError: ``topic``, ``identity`` or ``unregistered``.
    """
    return directory.foreign(topic_of(record), named, options.org, sector)


def topic_of(record: Record) -> str:
    """Return the topic; ``Decoders`` has seen that it is UTF-8."""
    return record.topic.decode("utf-8", "replace")


def header_of(
    profile: str, route: Route, time_ms: int, lane: str, record: Record, options: Options
) -> RowsHeader:
    """Return the header of rows without sequence numbers."""
    return _header(
        (
            profile,
            route.device_index,
            0,
            -1,
            NO_SEQ,
            time_ms,
            lane,
            record.number,
            record.received_ms,
            route.is_registered,
            options.max_age_ms(record.source),
        )
    )


def event_of(
    kind: str, document: Mapping[str, object], time_ms: int, route: Route, record: Record
) -> Event:
    """Return an event with a document of ours; what is too long in it is left out."""
    detail = json.dumps(document, ensure_ascii=False)
    if len(detail) > MAX_DETAIL_CHARS:
        kept = {key: value for key, value in document.items() if not isinstance(value, list | dict)}
        detail = json.dumps({**kept, "cut": True}, ensure_ascii=False)[:MAX_DETAIL_CHARS]
    return Event(
        time_ms or record.received_ms,
        record.received_ms,
        route.device_index,
        kind,
        0,
        detail,
        record.number,
    )
