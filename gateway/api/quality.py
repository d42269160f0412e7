"""``GET /quality``: completeness and grades of a device, day by day."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, find_device, profile_of
from gateway.api.documents import to_answer
from gateway.api.params import DAY_MS, MAX_LIMIT, Spanning, bad, parse_zone
from gateway.model import ReadingBatch
from gateway.views.daily import Day, DayTally, local_days
from gateway.views.sight import Sight

router = APIRouter(tags=["quality"])

MAX_DAYS = 92  # a quarter; at one reading a second that is 8 million rows, some 10 s of reading


class DayBody(BaseModel):
    """One local day."""

    date: str
    readings: int
    expected: int | None
    measured: int | None
    completeness: float | None
    share: dict[str, float]


class QualityBody(BaseModel):
    """Days of one device and profile."""

    device: str
    profile: str
    interval_s: int
    days: list[DayBody]


def pages(sight: Sight, profile: str, device_index: int, day: Day) -> Iterator[ReadingBatch]:
    """Yield the readings of a day in bounded pieces."""
    after = None
    while True:
        batch, after = sight.store.readings(
            profile, device_index, day.begin_ms, day.end_ms, MAX_LIMIT, after
        )
        yield batch
        if after is None:
            return


@router.get("/quality", response_model=QualityBody)
def read_quality(
    sight: Seeing,
    device: Annotated[str, Query(max_length=64)],
    span: Spanning,
    profile: Annotated[str | None, Query(max_length=32)] = None,
    tz: Annotated[str, Query(max_length=64, description="zone whose days are meant")] = "UTC",
) -> Response:
    """Return completeness and the share of each grade, per local day."""
    zone, now_ms = parse_zone(tz), sight.clock()
    from_ms, to_ms = span.resolve(now_ms, zone)
    if to_ms - from_ms > MAX_DAYS * DAY_MS:
        raise bad("from", f"at most {MAX_DAYS} days at once")
    row = find_device(sight, device)
    chosen = profile_of(sight, row, profile)
    days = []
    for day in local_days(from_ms, to_ms, zone):
        tally = DayTally(day, chosen.interval_s * 1000)
        tally.add(pages(sight, chosen.name, row.device_index, day))
        days.append(tally.result(now_ms)._asdict())
    body = {"device": row.device, "profile": chosen.name, "interval_s": chosen.interval_s}
    return to_answer({**body, "days": days})
