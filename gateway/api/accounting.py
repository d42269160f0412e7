"""``GET /accounting``: where every message and every reading went."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, find_device
from gateway.api.documents import to_answer
from gateway.ports import CountRow, Totals
from gateway.views.accounts import accounts_of

router = APIRouter(tags=["accounting"])


class AccountBody(BaseModel):
    """received = stored + duplicate + quarantined + pending, always."""

    received: int
    stored: int
    duplicate: int
    quarantined: int
    pending: int


class AccountingBody(AccountBody):
    """The top level counts readings; a message not yet decoded counts as one."""

    messages: AccountBody
    readings: AccountBody


def to_accounting(row: Totals | CountRow) -> dict[str, object]:
    """Return an account as the API shows it."""
    accounts = accounts_of(row)
    readings = accounts.readings._asdict()
    return {**readings, "messages": accounts.messages._asdict(), "readings": readings}


@router.get("/accounting", response_model=AccountingBody)
def read_accounting(
    sight: Seeing,
    device: Annotated[str | None, Query(max_length=64, description="only this device")] = None,
) -> Response:
    """Return the account of the gateway, or of one device."""
    if device is None:
        return to_answer(to_accounting(sight.accounting()))
    return to_answer(to_accounting(sight.look_at(find_device(sight, device)).counts))
