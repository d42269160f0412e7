"""``GET /energy/…`` and ``/transport/…``: what the readings mean, as alarms and derived series."""

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing
from gateway.api.documents import ProblemError, to_answer
from gateway.api.params import Paging, Spanning, bad, from_token, to_token
from gateway.ports import Result
from gateway.store.derived import AlarmQuery, NumberedAlarm
from gateway.views.engineering import time_text

DOMAINS = ("energy", "transport")


class AlarmBody(BaseModel):
    """One alarm; ``cleared`` is null while it lasts, ``place`` is ``level:name``."""

    id: int
    kind: str
    place: str
    raised: str
    found: str
    cleared: str | None
    severity: int
    confidence: float
    evidence: Any


class AlarmsBody(BaseModel):
    """One page of alarms in the order they were found."""

    alarms: list[AlarmBody]
    next: str | None


class ResultBody(BaseModel):
    """One line of a derived series; ``values`` has units in its names."""

    place: str
    begin: str
    end: str
    values: Any


class ResultsBody(BaseModel):
    """One page of a derived series, by time and place."""

    series: str
    results: list[ResultBody]
    next: str | None


def to_alarm(one: NumberedAlarm) -> dict[str, object]:
    """Return an alarm as the API shows it."""
    alarm = one.alarm
    return {
        "id": one.number,
        "kind": alarm.kind,
        "place": alarm.place,
        "raised": time_text(alarm.raised_ms),
        "found": time_text(alarm.found_ms),
        "cleared": time_text(alarm.cleared_ms) if alarm.cleared_ms else None,
        "severity": alarm.severity,
        "confidence": alarm.confidence,
        "evidence": msgspec.Raw(alarm.evidence.encode()),
    }


def to_result(one: Result) -> dict[str, object]:
    """Return a line of a series as the API shows it."""
    return {
        "place": one.place,
        "begin": time_text(one.from_ms),
        "end": time_text(one.to_ms),
        "values": msgspec.Raw(one.body.encode()),
    }


def number_of(token: str | None) -> int:
    """Return the alarm behind which a page begins."""
    text = "0" if token is None else from_token(token)
    if not text.isdecimal() or len(text) > len(str(1 << 62)):
        raise bad("after", "not what an earlier page returned as next")
    return int(text)


def line_of(token: str | None) -> tuple[int, str]:
    """Return time and place of the line behind which a page begins."""
    if token is None:
        return -1, ""
    time_ms, _, place = from_token(token).partition(" ")
    if not time_ms.isdecimal() or len(time_ms) > len(str(1 << 53)):
        raise bad("after", "not what an earlier page returned as next")
    return int(time_ms), place


def router_of(domain: str) -> APIRouter:
    """Return the branch of one domain: its alarms, and its series by name."""
    router = APIRouter(prefix=f"/{domain}", tags=[domain])

    @router.get("/alarms", response_model=AlarmsBody, name=f"read_{domain}_alarms")
    def read_alarms(  # the parameters of a question
        sight: Seeing,
        span: Spanning,
        page: Paging,
        kind: Annotated[str | None, Query(max_length=32)] = None,
        place: Annotated[str | None, Query(max_length=160, description="`level:name`")] = None,
        is_open: Annotated[bool, Query(alias="open", description="only those that last")] = False,  # noqa: FBT002
    ) -> Response:
        """Return alarms that lasted some time between `from` and `to`."""
        query = AlarmQuery(*span.resolve(sight.clock()), kind, place, is_open)
        found = sight.derived.alarms(domain, query, page.limit, number_of(page.after))
        following = to_token(str(found[-1].number)) if len(found) == page.limit else None
        return to_answer({"alarms": [to_alarm(one) for one in found], "next": following})

    @router.get("/{series}", response_model=ResultsBody, name=f"read_{domain}_series")
    def read_results(
        sight: Seeing,
        series: Annotated[str, Path(max_length=32)],
        span: Spanning,
        page: Paging,
        place: Annotated[str, Query(max_length=160, description="`level:name`; default all")] = "",
    ) -> Response:
        """Return the lines of a derived series that begin between `from` and `to`."""
        known = sight.derived.series(domain)
        if series not in known:
            there_are = ", ".join(known) or "none yet"
            detail = f"no series {series!r} of {domain}; there are: {there_are}"
            raise ProblemError(HTTPStatus.NOT_FOUND, detail, "series")
        asked = Result(series, place, *span.resolve(sight.clock()), "")
        found = sight.derived.results(domain, asked, page.limit, line_of(page.after))
        last = found[-1] if len(found) == page.limit else None
        following = to_token(f"{last.from_ms} {last.place}") if last is not None else None
        lines = [to_result(one) for one in found]
        return to_answer({"series": series, "results": lines, "next": following})

    return router
