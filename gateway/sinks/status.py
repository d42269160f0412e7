"""What each HTTP status of a database means for the lines that were sent, as data."""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from gateway.errors import (
    GatewayError,
    SinkDeniedError,
    SinkRefusedError,
    SinkUnavailableError,
)

OK = frozenset({200, 204})

# Whatever is not named here is denied: a redirect, 405 or 415 comes from a wrong url or a
# proxy, and only a person can mend that. 5xx: the server's fault, it may be over soon.
_VERDICTS: Mapping[int, type[GatewayError]] = {
    400: SinkRefusedError,  # malformed line, type conflict; InfluxDB 1 and 3 kept the good lines
    422: SinkRefusedError,  # InfluxDB 2: well-formed but rejected
    401: SinkDeniedError,
    403: SinkDeniedError,
    404: SinkDeniedError,  # no such database, or another kind of server
    408: SinkUnavailableError,
    425: SinkUnavailableError,
    429: SinkUnavailableError,
}

# A server that says "tomorrow" by mistake must not silence a sink for days.
_LONGEST_RETRY_S = 3600.0
_LONGEST_WORDS = 500  # of a server's answer in our messages; the answer may quote whole lines


class SinkTooLargeError(SinkRefusedError):
    """413: the batch, not its content, is what the server minds; the drain halves it."""


def error_of(status: int, body: bytes, retry_after: str | None, now_ms: int) -> GatewayError | None:
    """Return what an answer means, None for written."""
    if status in OK:
        return None
    words = " ".join(body.decode("utf-8", "replace").split())[:_LONGEST_WORDS]
    text = f"HTTP {status}: {words}" if words else f"HTTP {status}"
    if status == 413:  # noqa: PLR2004  # not in the table: it needs a class of its own
        return SinkTooLargeError(text)
    kind = _VERDICTS.get(status, SinkUnavailableError if status >= 500 else SinkDeniedError)  # noqa: PLR2004
    if kind is SinkUnavailableError:
        return SinkUnavailableError(text, retry_after_s(retry_after, now_ms))
    return kind(text)


def retry_after_s(header: str | None, now_ms: int) -> float | None:
    """Return the seconds a Retry-After header asks for (seconds or HTTP date), None if neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # eleven digits are 3,000 years; more only cost time to read
        return min(float(text[:11]), _LONGEST_RETRY_S)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:  # "-0000"
        date = date.replace(tzinfo=UTC)
    return min(max(date.timestamp() - now_ms / 1000, 0.0), _LONGEST_RETRY_S)
