"""Times as the gateway's API writes them."""

from datetime import UTC, datetime


def rfc3339(time_ms: int) -> str:
    """Return a time as the gateway's API writes it."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
