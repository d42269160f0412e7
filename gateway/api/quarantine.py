"""``GET /quarantine``: messages that could not be read, and their exact bytes."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing
from gateway.api.documents import ProblemError, to_answer
from gateway.api.params import Paging, bad
from gateway.model import QuarantineReason
from gateway.quarantine import Entry
from gateway.views.engineering import time_text
from gateway.views.text import readable

router = APIRouter(tags=["quarantine"])

MAX_ID = (1 << 63) - 1  # what SQLite can compare


class QuarantineLine(BaseModel):
    """One message; ``id`` is its number in the journal."""

    id: int
    received: str
    topic: str
    reason: str
    detail: str
    size: int
    sha256: str
    device: str | None
    readings: int


class QuarantineBody(BaseModel):
    """One page of quarantined messages, by id."""

    quarantine: list[QuarantineLine]
    next: str | None


def to_line(entry: Entry, device: str | None) -> dict[str, object]:
    """Return an entry as the API shows it."""
    return {
        "id": entry.record,
        "received": time_text(entry.received_ms),
        "topic": readable(entry.topic),
        "reason": entry.reason,
        "detail": entry.detail,
        "size": entry.size,
        "sha256": entry.sha256,
        "device": device,
        "readings": entry.readings,
    }


def parse_id(token: str) -> int:
    """Return the id behind which a page begins."""
    if not (token.isascii() and token.isdecimal() and int(token) <= MAX_ID):
        raise bad("after", "not what an earlier page returned as next")
    return int(token)


@router.get("/quarantine", response_model=QuarantineBody)
def list_quarantine(
    sight: Seeing,
    page: Paging,
    reason: Annotated[QuarantineReason | None, Query()] = None,
) -> Response:
    """Return quarantined messages by id, without their bytes."""
    found = sight.quarantine.list(page.limit + 1, parse_id(page.after or "0"), reason)
    names = sight.fleet().names
    lines = [to_line(entry, names.get(entry.device_index)) for entry in found[: page.limit]]
    following = str(found[page.limit - 1].record) if len(found) > page.limit else None
    return to_answer({"quarantine": lines, "next": following})


@router.get(
    "/quarantine/{id}/payload",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def read_payload(
    sight: Seeing, record: Annotated[int, Path(alias="id", ge=0, le=MAX_ID)]
) -> Response:
    """Return the payload of a message, byte for byte."""
    found = sight.quarantine.get(record)
    if found is None:
        detail = f"no message {record} is in quarantine; it may have been requeued or dropped"
        raise ProblemError(HTTPStatus.NOT_FOUND, detail, "id")
    headers = {
        "Content-Disposition": f'attachment; filename="quarantine-{record}.bin"',
        "Cache-Control": "no-store",
    }
    return Response(found.payload, media_type="application/octet-stream", headers=headers)
