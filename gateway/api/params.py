"""Query parameters that need more than a type: times, pages, unknown names."""

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from http import HTTPStatus
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends, Query, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from gateway.api.documents import ProblemError

MAX_LIMIT = 100_000  # rows of one answer; 40 MB of JSON, half a second of one core
DEFAULT_LIMIT = 10_000
DAY_MS = 86_400_000
MAX_TIME_MS = 253_402_300_800_000  # year 10000, where RFC 3339 ends

_UNIX_MS = re.compile(r"-?\d{1,15}\Z")
_LOST_PLUS = re.compile(r" (\d\d:?\d\d)\Z")  # "+07:00" in a query string not percent-encoded


class Page(NamedTuple):
    """Which part of a long answer."""

    limit: int
    after: str | None


class Span(NamedTuple):
    """Which time, as asked for."""

    begin: str | None
    end: str | None

    def resolve(self, now_ms: int, zone: tzinfo = UTC) -> tuple[int, int]:
        """Return [from, to) in Unix ms: by default the last 24 hours, the present included."""
        end_ms = now_ms + 1 if self.end is None else parse_time_ms("to", self.end, zone)
        if self.begin is None:
            begin_ms = max(0, end_ms - DAY_MS)
        else:
            begin_ms = parse_time_ms("from", self.begin, zone)
        if begin_ms >= end_ms:
            raise bad("from", "from must be before to")
        return begin_ms, end_ms


def page_of(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="rows of one page")] = (
        DEFAULT_LIMIT
    ),
    after: Annotated[
        str | None, Query(max_length=512, description="`next` of the page before; opaque")
    ] = None,
) -> Page:
    """Return which page is asked for."""
    return Page(limit, after)


def span_of(
    from_: Annotated[
        str | None,
        Query(
            alias="from",
            max_length=64,
            description="first time, inclusive: RFC 3339, a date or Unix ms; default to − 24 h",
        ),
    ] = None,
    to: Annotated[
        str | None, Query(max_length=64, description="end, exclusive; default the present")
    ] = None,
) -> Span:
    """Return which time is asked for."""
    return Span(from_, to)


Paging = Annotated[Page, Depends(page_of)]
Spanning = Annotated[Span, Depends(span_of)]


def bad(parameter: str, detail: str) -> ProblemError:
    """Return the error of one wrong parameter."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, parameter)


def parse_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise bad("tz", f"{name!r} is not an IANA time zone such as Asia/Ho_Chi_Minh") from error


def parse_time_ms(parameter: str, text: str, zone: tzinfo = UTC) -> int:
    """Return a time in Unix ms; one without offset is a time of ``zone``."""
    if _UNIX_MS.match(text):
        time_ms = int(text)
    else:
        try:
            moment = datetime.fromisoformat(_LOST_PLUS.sub(r"+\1", text))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            time_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        except (ValueError, OverflowError) as error:
            raise bad(parameter, f"{text!r} is not RFC 3339, a date or Unix ms") from error
    if not 0 <= time_ms <= MAX_TIME_MS:
        raise bad(parameter, f"{text!r} is not between 1970 and 9999")
    return time_ms


def to_token(text: str) -> str:
    """Return a page token: opaque, safe in a URL."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def from_token(token: str) -> str:
    """Return what a page token holds."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise bad("after", "not a token of this gateway") from error


@contextmanager
def page_of_store() -> Iterator[None]:
    """Blame the token for what the store says of it: it is handed through unchanged."""
    try:
        yield
    except ValueError as error:
        raise bad("after", "not what an earlier page returned as next") from error


def refuse_unknown(request: Request) -> None:
    """Refuse parameters that the endpoint does not have: a misspelt filter filters nothing."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    # path parameters are among them; one of that name in the query does no harm
    known = {field.alias for field in get_flat_params(route.dependant)}
    for name in request.query_params:
        if name not in known:
            raise bad(name, f"no such parameter; there are: {', '.join(sorted(known)) or 'none'}")
