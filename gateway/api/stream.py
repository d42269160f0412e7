"""``GET /stream``: server-sent events, the account once a second and what changed since.

Events are ``accounting``, ``latest`` (newest readings) and ``alarms`` (each that changed).
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from itertools import islice

import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Scope

from gateway.api.accounting import to_accounting
from gateway.api.answers import Seeing
from gateway.api.devices import to_latest
from gateway.api.documents import ProblemError
from gateway.ports import LatestRow
from gateway.views.alarms import to_call
from gateway.views.sight import Sight
from gateway.views.visitor import is_still

router = APIRouter(tags=["stream"])

PERIOD_S = 1.0
MAX_STREAMS = 64  # each keeps a connection open; with the board's that is what one Pi serves
MAX_TOKEN = (1 << 63) - 1
MAX_ALARMS = 200  # per event, some 200 kB; what is more comes a second later
MAX_CHANGES = 1000  # per event, 300 kB; what is more comes with the next one, newest value only


class Changes:
    """What one stream has not sent yet; a device that changed twice meanwhile is sent once."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        # beyond every change there is: only the token of the present moment comes back
        _, self._token = sight.store.changed_since(MAX_TOKEN)
        self._waiting: dict[tuple[int, str], LatestRow] = {}  # one per device and profile

    def take(self) -> list[dict[str, object]]:
        """Return at most ``MAX_CHANGES`` newest readings that came since the last call."""
        changed, self._token = self._sight.store.changed_since(self._token)
        for row in changed:
            self._waiting[row.device_index, row.profile] = row
        keys = list(islice(self._waiting, MAX_CHANGES))
        rows = [self._waiting.pop(key) for key in keys]
        names = self._sight.fleet().names
        return [
            to_latest(names.get(row.device_index, ""), row, self._sight.profiles[row.profile])
            for row in rows
            if row.profile in self._sight.profiles
        ]


class AlarmChanges:
    """The alarms that one stream has not sent yet."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._change = sight.alarms.last_change()

    def take(self) -> list[dict[str, object]]:
        """Return at most ``MAX_ALARMS`` that changed since the last call, as they are now."""
        changed = self._sight.alarms.changed_since(self._change, MAX_ALARMS)
        self._change = changed[-1].change if changed else self._change
        return [to_call(one) for one in changed]


class Streams:
    """How many streams are open, and whether the server is going down."""

    def __init__(self) -> None:
        self.count = 0
        self.closing = asyncio.Event()


def to_event(name: str, content: object) -> bytes:
    """Return one server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(content))


async def _events(sight: Sight, streams: Streams, scope: Scope) -> AsyncIterator[bytes]:
    streams.count += 1
    closing = asyncio.ensure_future(streams.closing.wait())
    try:
        yield b"retry: 2000\n\n"
        changes = await run_sync(Changes, sight)
        alarms = await run_sync(AlarmChanges, sight)
        # to the end also where who listens was removed, or has another password
        while not streams.closing.is_set() and is_still(scope):
            fleet = await run_sync(sight.fleet)
            yield to_event("accounting", to_accounting(fleet.totals))
            if latest := await run_sync(changes.take):
                yield to_event("latest", latest)
            if changed := await run_sync(alarms.take):
                yield to_event("alarms", changed)
            # wait() leaves the period or the end, whichever comes first, without raising
            await asyncio.wait([closing], timeout=PERIOD_S)
    finally:
        closing.cancel()
        streams.count -= 1


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def read_stream(sight: Seeing, request: Request) -> Response:
    """Send the account once a second, newest readings and alarms that changed, until you go."""
    streams: Streams = request.app.state.streams
    if streams.count >= MAX_STREAMS:
        detail = f"{MAX_STREAMS} streams are open already; poll /api/v1/latest instead"
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _events(sight, streams, request.scope), media_type="text/event-stream", headers=headers
    )
