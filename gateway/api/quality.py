"""``GET /quality``: completeness, grades and the nine dimensions of a device, day by day."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, find_device, profile_of
from gateway.api.documents import to_answer
from gateway.api.params import DAY_MS, MAX_LIMIT, Spanning, bad, parse_zone
from gateway.model import ReadingBatch
from gateway.views.daily import Day, DayQuality, DayTally, local_days
from gateway.views.dimensions import (
    NAME,
    DimensionTally,
    Score,
    facts_known,
    quality_policies,
)
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
    dimensions: dict[str, float | None]  # of Decision 1437/QD-TTg, II.2.d.iii; 1 is best
    groups: dict[str, float | None]  # correct, sufficient, clean, alive: the worst of each
    score: float | None  # the worst of the groups
    below: list[str]  # dimensions that miss their target


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


def judge(
    batches: Iterator[ReadingBatch], tally: DayTally, dimensions: DimensionTally, now_ms: int
) -> tuple[DayQuality, Score]:
    """Read a day once for both."""
    for batch in batches:
        tally.add([batch])
        dimensions.add([batch])
    quality = tally.result(now_ms)
    return quality, dimensions.result(quality.completeness, quality.expected)


@router.get("/quality", response_model=QualityBody)
def read_quality(
    sight: Seeing,
    device: Annotated[str, Query(max_length=64)],
    span: Spanning,
    profile: Annotated[str | None, Query(max_length=32)] = None,
    tz: Annotated[str, Query(max_length=64, description="zone whose days are meant")] = "UTC",
) -> Response:
    """Return completeness, the share of each grade and nine dimensions, per local day."""
    zone, now_ms = parse_zone(tz), sight.clock()
    from_ms, to_ms = span.resolve(now_ms, zone)
    if to_ms - from_ms > MAX_DAYS * DAY_MS:
        raise bad("from", f"at most {MAX_DAYS} days at once")
    row = find_device(sight, device)
    chosen = profile_of(sight, row, profile)
    policies = quality_policies()
    days = []
    for day in local_days(from_ms, to_ms, zone):
        inventory = facts_known(sight.registry, row.device, day.begin_ms)
        policy = policies.at(NAME, max(0, day.begin_ms))
        dimensions = DimensionTally(day, chosen, policy, inventory)
        tally = DayTally(day, chosen.interval_s * 1000)
        read = pages(sight, chosen.name, row.device_index, day)
        quality, score = judge(read, tally, dimensions, now_ms)
        days.append({**quality._asdict(), **score._asdict()})
    body = {"device": row.device, "profile": chosen.name, "interval_s": chosen.interval_s}
    return to_answer({**body, "days": days})
