"""Where readings go to: databases."""

from collections.abc import Sequence
from typing import Protocol


class Sink(Protocol):
    """A database that takes lines. Never called concurrently with itself; keeper process."""

    name: str

    async def connect(self) -> None:
        """Create the database where that is possible, write the canary point and read it back.

        Raises:
            SinkUnavailableError, SinkDeniedError: as ``write``.
        """

    async def write(self, lines: Sequence[bytes]) -> None:
        """Write all lines or raise.

        Raises:
            SinkUnavailableError: keep the batch; honour ``retry_after_s``.
            SinkDeniedError: 401, 403, 404: keep everything, alarm, at most one try in 30 s.
            SinkRefusedError: the content is wrong (400, 413, 422): the drain bisects.
        """

    async def started_at(self) -> str | None:
        """Return a token that changes when the server restarts, None where it has none."""

    async def close(self) -> None:
        """Close connections; nothing is called afterwards."""
