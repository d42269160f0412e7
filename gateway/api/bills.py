"""``GET /energy/export/…``: what is taken elsewhere, bills as CSV and Green Button."""

import re
from datetime import date
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from gateway.api.answers import Seeing, find_device
from gateway.api.documents import ProblemError
from gateway.api.params import bad
from gateway.energy.billing import month as month_of
from gateway.energy.engine.bills.exports import Exports, Shelf
from gateway.energy.engine.policies import EnergyPolicies
from gateway.views.sight import Sight

router = APIRouter(prefix="/energy/export", tags=["energy"])
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])\Z")
Month = Annotated[str, Query(max_length=7, description="a local month, `YYYY-MM`")]


@router.get(
    "/determinants", response_class=Response, responses={200: {"content": {"text/csv": {}}}}
)
def export_determinants(sight: Seeing, month: Month) -> Response:
    """Return the billing determinants of all customers for a month, a line for each."""
    first, _ = _days(month)
    text = "".join(_exports(sight).determinants(first))
    if not text:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"nothing is known of {month}", "month")
    return Response(text, media_type="text/csv", headers={"Cache-Control": "no-store"})


@router.get(
    "/green-button",
    response_class=Response,
    responses={200: {"content": {"application/atom+xml": {}}}},
)
def export_green_button(
    sight: Seeing, device: Annotated[str, Query(max_length=64)], month: Month
) -> Response:
    """Return a meter's intervals of a month with their quality, as an ESPI feed."""
    row = find_device(sight, device)
    text = _exports(sight).green_button(row.device, _days(month), sight.clock())
    if text is None:
        detail = f"no intervals of {device} in {month}"
        raise ProblemError(HTTPStatus.NOT_FOUND, detail, "month")
    return Response(text, media_type="application/atom+xml", headers={"Cache-Control": "no-store"})


def _days(text: str) -> tuple[int, int]:
    match = _MONTH.match(text)
    if match is None or int(match[1]) < date.min.year or int(match[1]) >= date.max.year:
        raise bad("month", "not a month such as 2026-03")
    return month_of(int(match[1]), int(match[2]))


def _exports(sight: Sight) -> Exports:
    energy = sight.settings.energy
    shelf = Shelf(sight.derived, sight.store.devices(), sight.profiles, sight.registry)
    return Exports(shelf, _policies(energy.tariff, energy.norm, energy.calendar))


@lru_cache(maxsize=1)
def _policies(tariff: str, norm: str, calendar: str) -> EnergyPolicies:
    """Return the policies; their files do not change while we run."""
    return EnergyPolicies.load(tariff, norm, calendar)
