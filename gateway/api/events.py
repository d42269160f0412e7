"""``GET /events``: what happened once, as the device said it or as the gateway found it."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, find_device
from gateway.api.documents import to_answer
from gateway.api.params import Paging, Spanning, page_of_store
from gateway.model import Event
from gateway.views.engineering import time_text

router = APIRouter(tags=["events"])


class EventBody(BaseModel):
    """One event; ``code`` is the event code of the meter world, 99 = last gasp."""

    time: str
    received: str
    device: str | None
    kind: str
    code: int
    detail: Any
    record: int


class EventsBody(BaseModel):
    """One page of events by time."""

    events: list[EventBody]
    next: str | None


def to_detail(text: str) -> msgspec.Raw | str:
    """Return a JSON document as it is, anything else as a text."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return msgspec.Raw(text.encode())


def to_event(event: Event, device: str | None) -> dict[str, object]:
    """Return an event as the API shows it."""
    return {
        "time": time_text(event.time_ms),
        "received": time_text(event.received_ms),
        "device": device,
        "kind": event.kind,
        "code": event.code,
        "detail": to_detail(event.detail),
        "record": event.record,
    }


@router.get("/events", response_model=EventsBody)
def read_events(
    sight: Seeing,
    span: Spanning,
    page: Paging,
    device: Annotated[str | None, Query(max_length=64)] = None,
    kind: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    """Return events by time, `from` inclusive, `to` exclusive."""
    from_ms, to_ms = span.resolve(sight.clock())
    index: int | None = None
    names: Mapping[int, str] = sight.fleet().names
    if device is not None:
        row = find_device(sight, device)
        index, names = row.device_index, {row.device_index: row.device}
    with page_of_store():
        found, following = sight.store.events(from_ms, to_ms, index, kind, page.limit, page.after)
    events = [to_event(event, names.get(event.device_index)) for event in found]
    return to_answer({"events": events, "next": following})
