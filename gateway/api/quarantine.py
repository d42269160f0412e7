"""``GET /quarantine``: messages that could not be read, and their exact bytes."""

import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, to_answer
from gateway.api.params import DEFAULT_LIMIT, After, Limit, bad, from_token, to_token
from gateway.api.problems import ProblemError
from gateway.model import QuarantineReason
from gateway.views.engineering import time_text
from gateway.views.text import readable

router = APIRouter(tags=["quarantine"])


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
    """One page of quarantined messages, newest first."""

    quarantine: list[QuarantineLine]
    next: str | None
