"""``GET /alarms``: what needs a person, of every sector and of the gateway; who takes care."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from gateway.api.answers import Seeing
from gateway.api.documents import ProblemError, to_answer
from gateway.api.params import Paging, Spanning, bad, from_token, to_token
from gateway.api.speaking import PRINTABLE, SAID, Operating, speak
from gateway.store.alarms import AlarmFilter
from gateway.store.alarmwords import MOST_NOTE, MOST_PLACE, Acknowledge
from gateway.views.alarms import to_document
from gateway.views.engineering import time_text
from gateway.views.sight import Sight

router = APIRouter(tags=["alarms"])

States = Literal["open", "raised", "acknowledged", "cleared"]


class AcknowledgedBody(BaseModel):
    """Who has seen an alarm."""

    by: str
    at: str
    note: str


class LinksBody(BaseModel):
    """Where the evidence is: in this API, on the board."""

    api: str
    board: str


class LivingAlarmBody(BaseModel):
    """One alarm; ``cleared`` is null while it lasts, ``times`` how often it came."""

    id: str
    state: str
    severity: int = Field(description="1 note, 2 warning, 3 serious, 4 critical")
    domain: str
    kind: str
    place: str
    org: str
    raised: str
    found: str
    updated: str
    cleared: str | None
    last_raised: str
    times: int
    confidence: float
    acknowledged: AcknowledgedBody | None
    suppressed: str | None = Field(
        description="the maintenance window it falls into, or `alarm:ID` that it follows from"
    )
    evidence: Any
    links: LinksBody


class LivingAlarmsBody(BaseModel):
    """One page of alarms, the newest first."""

    alarms: list[LivingAlarmBody]
    next: str | None


class HappeningBody(BaseModel):
    """One line of an alarm's history."""

    at: str
    what: str
    by: str | None
    note: str


class AlarmStoryBody(LivingAlarmBody):
    """An alarm with its history."""

    history: list[HappeningBody]


class NoteBody(BaseModel):
    """What somebody says who acknowledges."""

    model_config = {"extra": "forbid"}

    note: str = Field(default="", max_length=MOST_NOTE, pattern=PRINTABLE)


AlarmId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


def asked(
    span: Spanning,
    sight: Seeing,
    state: Annotated[States | None, Query(description="open: raised or acknowledged")] = None,
    severity: Annotated[int, Query(ge=1, le=4, description="at least")] = 1,
    domain: Annotated[Literal["energy", "transport", "gateway"] | None, Query()] = None,
    kind: Annotated[str, Query(max_length=32)] = "",
) -> AlarmFilter:
    """Return which alarms are asked for; an open one is shown however long ago it began."""
    now_ms = sight.clock()
    from_ms, to_ms = span.resolve(now_ms)
    return AlarmFilter(from_ms, to_ms, domain or "", kind, "", severity, state or "")


@router.get("/alarms", response_model=LivingAlarmsBody)
def list_alarms(
    sight: Seeing,
    page: Paging,
    wanted: Annotated[AlarmFilter, Depends(asked)],
    subject: Annotated[
        str, Query(max_length=MOST_PLACE, description="`level:name`, with all below it")
    ] = "",
    suppressed: Annotated[bool | None, Query()] = None,
) -> Response:
    """Return alarms that lasted some time between `from` and `to`, the newest first."""
    wanted = wanted._replace(subject=subject, is_suppressed=suppressed)
    before = () if page.after is None else (_place_of(page.after),)
    found = sight.alarms.list(wanted, page.limit, *before)
    last = found[-1] if len(found) == page.limit else None
    following = None if last is None else to_token(f"{last.raised_ms} {last.id}")
    return to_answer({"alarms": [to_document(one) for one in found], "next": following})


@router.get("/alarms/{alarm}", response_model=AlarmStoryBody, responses={404: SAID[404]})
def read_alarm(sight: Seeing, alarm: AlarmId) -> Response:
    """Return an alarm and what has happened to it."""
    return to_answer(_story(sight, alarm))


@router.post("/alarms/{alarm}/acknowledge", response_model=AlarmStoryBody, responses=SAID)
async def acknowledge_alarm(
    sight: Seeing, operator: Operating, alarm: AlarmId, note: NoteBody
) -> Response:
    """Say that you have seen an alarm and take care; who was first stays, others add notes."""
    await run_sync(_story, sight, alarm)
    word = Acknowledge(operator.name, sight.clock(), alarm, note.note)
    return await speak(sight, word, lambda: _story(sight, alarm))


def _story(sight: Sight, alarm: str) -> dict[str, object]:
    found = sight.alarms.find(alarm)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no alarm {alarm!r} is known", "alarm")
    history = [
        {"at": time_text(one.at_ms), "what": one.what, "by": one.who or None, "note": one.note}
        for one in sight.alarms.history(alarm)
    ]
    return {**to_document(found), "history": history}


def _place_of(token: str) -> tuple[int, str]:
    raised_ms, _, alarm = from_token(token).partition(" ")
    if not (raised_ms.isascii() and raised_ms.isdecimal() and len(raised_ms) <= len(str(1 << 53))):
        raise bad("after", "not what an earlier page returned as next")
    return int(raised_ms), alarm
