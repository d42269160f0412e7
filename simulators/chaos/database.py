"""What VictoriaMetrics has of the readings: asked until it has all, or for too long."""

import asyncio
import json
import time
from collections.abc import Set as AbstractSet

from simulators.chaos.api import Api, ApiError
from simulators.chaos.ledger import Ledger

PATIENCE_S = 60.0  # the window that is sent again after a restart, and what has waited
_ASK_S = 1.0


async def judge_database(
    ledger: Ledger, port: int, absent: AbstractSet[tuple[str, int]]
) -> list[str]:
    """Return which readings that are stored are not in the database, each in words."""
    api, end_s = Api(port), time.monotonic() + PATIENCE_S
    missing = ["everything"]
    while missing and time.monotonic() < end_s:
        try:
            missing = await asyncio.to_thread(_missing, ledger, api, absent)
        except ApiError as error:
            missing = [str(error)]
        if missing:
            await asyncio.sleep(_ASK_S)
    return missing


def _missing(ledger: Ledger, api: Api, absent: AbstractSet[tuple[str, int]]) -> list[str]:
    # another selector each time: it remembers for 10 s that one has found nothing
    query = {"match[]": f'{{__name__="em1_quality",poll!="{time.monotonic_ns()}"}}'}
    found: dict[str, set[int]] = {}
    for line in api.get("/api/v1/export", **query).splitlines():
        series = json.loads(line)
        found.setdefault(series["metric"]["device"], set()).update(series["timestamps"])
    return [
        f"{book.name} {seq}"
        for book in ledger.books
        for seq, time_ms in enumerate(book.times_ms, 1)
        if (book.name, seq) not in absent and time_ms not in found.get(book.name, ())
    ]
