"""``/maintenance``: work at a place, whose alarms are kept meanwhile and not called out."""

import secrets
from http import HTTPStatus
from typing import Annotated, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from gateway.api.answers import Seeing
from gateway.api.documents import ProblemError, to_answer
from gateway.api.params import bad, parse_time_ms
from gateway.api.speaking import PRINTABLE, SAID, Operating, speak
from gateway.store.alarms import Stage, Window
from gateway.store.alarmwords import MOST_NOTE, MOST_PLACE, EndMaintenance, Maintain
from gateway.views.alarms import to_window
from gateway.views.sight import Sight

router = APIRouter(tags=["alarms"])

SUBJECT = rf"^(all|[a-z_]{{1,32}}:[^\s\x00-\x1f]{{1,{MOST_PLACE - 40}}})$"
States = Literal["open", "past", "all"]
WindowId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}$")]


class WindowBody(BaseModel):
    """A maintenance window: alarms at its subject, and below it, are kept but not called out."""

    id: str
    state: Stage
    subject: str
    begin: str
    end: str
    reason: str
    by: str
    since: str
    ended_by: str | None = Field(description="who ended it early")
    ended: str | None


class WindowsBody(BaseModel):
    """Windows: those that are not over by their beginning, then those that are, the last first."""

    maintenance: list[WindowBody]


class WorkBody(BaseModel):
    """Work that is to be done somewhere."""

    model_config = {"extra": "forbid"}

    subject: str = Field(pattern=SUBJECT, description="`level:name`, `sector:energy`, or `all`")
    begin: str | None = Field(default=None, max_length=64, description="default now")
    end: str = Field(max_length=64)
    reason: str = Field(min_length=1, max_length=MOST_NOTE, pattern=PRINTABLE)


@router.get("/maintenance", response_model=WindowsBody)
def list_windows(
    sight: Seeing,
    state: Annotated[States, Query(description="open: now or planned")] = "open",
) -> Response:
    """Return maintenance windows, those that are not over by default."""
    return to_answer(_windows(sight, state))


@router.post("/maintenance", response_model=WindowsBody, responses={202: SAID[202], 403: SAID[403]})
async def open_window(sight: Seeing, operator: Operating, work: WorkBody) -> Response:
    """Have the alarms of a place, and of all below it, kept but not called out for a time."""
    now_ms = sight.clock()
    from_ms = now_ms if work.begin is None else parse_time_ms("begin", work.begin)
    to_ms = parse_time_ms("end", work.end)
    if to_ms <= max(from_ms, now_ms):
        raise bad("end", "the end must be ahead, and behind begin")
    window = secrets.token_hex(4)
    word = Maintain(operator.name, now_ms, window, work.subject, from_ms, to_ms, work.reason)
    return await speak(sight, word, lambda: _windows(sight))


@router.delete("/maintenance/{window}", response_model=WindowsBody, responses=SAID)
async def end_window(sight: Seeing, operator: Operating, window: WindowId) -> Response:
    """End a maintenance window: what still lasts there is called out."""
    known = await run_sync(sight.alarms.windows, sight.clock())
    if window not in {one.id for one in known}:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no maintenance window {window!r}", "window")
    word = EndMaintenance(operator.name, sight.clock(), window)
    return await speak(sight, word, lambda: _windows(sight))


def _windows(sight: Sight, state: States = "open") -> dict[str, object]:
    now_ms, found = sight.clock(), list[Window]()
    if state != "past":
        found += sight.alarms.windows(now_ms)
    if state != "open":
        found += sight.alarms.past_windows(now_ms)
    return {"maintenance": [to_window(one, now_ms) for one in found]}
