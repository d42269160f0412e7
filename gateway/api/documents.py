"""JSON answers and RFC 9457 problem documents; nothing here waits for FastAPI to load."""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from pydantic import BaseModel
from starlette.responses import Response
from typing_extensions import override

from gateway.errors import GatewayError

MEDIA_TYPE = "application/problem+json"


class ProblemItem(BaseModel):
    """One wrong parameter."""

    parameter: str
    detail: str


class Problem(BaseModel):
    """RFC 9457; ``type`` is about:blank, so ``title`` is the phrase of the status."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    parameter: str | None = None
    errors: list[ProblemItem] | None = None


class ProblemError(GatewayError):
    """A request that cannot be answered; becomes a problem document with this status."""

    def __init__(self, status: int, detail: str, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.parameter = parameter


class ProblemResponse(Response):
    """A problem document."""

    media_type: str | None = MEDIA_TYPE

    @override
    def render(self, content: object) -> bytes:
        """Return the document as JSON."""
        return msgspec.json.encode(content)


def problem(
    status: int,
    detail: str,
    instance: str,
    items: Sequence[ProblemItem] = (),
    headers: dict[str, str] | None = None,
) -> ProblemResponse:
    """Return the problem document of one failed request."""
    document = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=instance,
        parameter=items[0].parameter if items else None,
        errors=list(items) or None,
    )
    return ProblemResponse(document.model_dump(exclude_none=True), status, headers)


def to_answer(content: object) -> Response:
    """Return a JSON answer; nothing of it may be cached, it is older in a second."""
    return Response(
        msgspec.json.encode(content),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
