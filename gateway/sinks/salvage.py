"""A refused batch: find the lines the server means, write all others.

One bad line in 5,000 costs at most 14 further requests (13 halvings and the rest), 15 where the
server does not quote the line it refuses. Writing a line twice does no harm: it is the same point.
"""

import base64
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.errors import SinkRefusedError
from gateway.sinks.status import SinkTooLargeError

Write = Callable[[Sequence[bytes]], Awaitable[None]]
Probe = Callable[[], Awaitable[None]]

# With more bad lines than this in a batch (a whole one beyond the retention, say), halving all
# of it (2 requests a line) is cheaper than 14 a line.
_MANY = 8
# A database that refuses for days (its retention is shorter than our lag) must not fill the disk:
# a quarter of a million lines, and as many in the file before. The readings are in the store.
_MAX_REFUSED_BYTES = 64 << 20
_QUOTED_CHARACTERS = 200  # of a line; servers and status.py cut what they quote


class RefusedLine(NamedTuple):
    """A line the server will not take, byte for byte, and the server's words."""

    line: bytes
    reason: str


async def write_around(write: Write, lines: Sequence[bytes], probe: Probe) -> list[RefusedLine]:
    """Write all lines that the server takes and return the others.

    ``probe`` writes a known good point. It is asked before the first line is given up while
    nothing else was accepted: a server that refuses everything means us, not a line.

    Raises:
        SinkTooLargeError: the batch is too long; nothing was written.
        GatewayError: of ``write``, or what ``probe`` raises; some lines may be written.
    """
    try:
        await write(lines)
    except SinkRefusedError as error:
        if isinstance(error, SinkTooLargeError) and len(lines) > 1:
            raise
        search = _Search(write, lines, probe)
        await search.run(error)
        return search.found
    return []


class _Search:
    def __init__(self, write: Write, lines: Sequence[bytes], probe: Probe) -> None:
        self.found: list[RefusedLine] = []
        self._write = write
        self._lines = lines
        self._probe = probe
        self._is_trusted = False  # the server has accepted something

    async def run(self, error: SinkRefusedError) -> None:
        """Search all lines, which were just refused together with ``error``."""
        start, end = 0, len(self._lines)
        refused: SinkRefusedError | None = error
        while refused is not None:
            start = await self._next_refused(start, end, refused)
            refused = await self._try(start, end)
            if self.found and not self._is_trusted:
                await self._probe()
                self._is_trusted = True
            if refused is not None and len(self.found) >= _MANY:
                await self._halve(start, end, refused)
                return

    async def _next_refused(self, low: int, high: int, error: SinkRefusedError) -> int:
        """Find the first bad line of a refused stretch; return the line after it."""
        is_alone = high - low == 1
        while high - low > 1:
            middle = (low + high) // 2
            refused = await self._try(low, middle)
            is_alone = refused is not None
            if refused is None:
                low = middle
            else:
                high, error = middle, refused
        line = self._lines[low]
        if not is_alone and not _quotes(error, line):
            # all before it went through, but it was never refused by itself
            refused = await self._try(low, high)
            if refused is None:
                return high
            error = refused
        self.found.append(RefusedLine(line, str(error)))
        return high

    async def _halve(self, low: int, high: int, error: SinkRefusedError) -> None:
        if high - low == 1:
            self.found.append(RefusedLine(self._lines[low], str(error)))
            return
        middle = (low + high) // 2
        for begin, end in ((low, middle), (middle, high)):
            refused = await self._try(begin, end)
            if refused is not None:
                await self._halve(begin, end, refused)

    async def _try(self, low: int, high: int) -> SinkRefusedError | None:
        if low == high:
            return None
        try:
            await self._write(self._lines[low:high])
        except SinkRefusedError as error:
            return error
        self._is_trusted = True
        return None


def _quotes(error: SinkRefusedError, line: bytes) -> bool:
    text = " ".join(line.decode("utf-8", "replace").split())
    return text[:_QUOTED_CHARACTERS] in str(error)


def keep_refused(folder: Path, sink: str, lines: Sequence[RefusedLine]) -> None:
    """Append refused lines to ``folder/refused-<sink>.jsonl``, byte for byte, and sync.

    Raises:
        OSError: they are not kept; the drain tries again before it moves on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"refused-{sink}.jsonl"
    if path.exists() and path.stat().st_size > _MAX_REFUSED_BYTES:
        path.replace(path.with_suffix(".1.jsonl"))
    with path.open("ab") as file:
        for line in lines:
            entry = {"reason": line.reason, "line_base64": base64.b64encode(line.line).decode()}
            file.write(json.dumps(entry).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
