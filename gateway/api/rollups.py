"""``GET /rollups``: what the gateway keeps of every 15 minutes and every day (UTC)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from gateway.api.aggregate import MEAN_DECIMALS
from gateway.api.answers import Choosing, Seeing
from gateway.api.documents import to_answer
from gateway.api.params import Paging, Spanning, page_of_store
from gateway.api.readings import ColumnBody
from gateway.api.table import Table, to_structs
from gateway.model import ReadingBatch
from gateway.profiles import Profile
from gateway.store.rolled import shown_profile
from gateway.views.engineering import reason_lists, to_numbers, to_rfc3339

router = APIRouter(tags=["readings"])


class RollupsBody(BaseModel):
    """One page of rollups by time.

    Each has `n` (usable readings; failed and missing ones are in nothing), `good` (share of
    readings graded valid, recovered, verified or edited) and of every column of the profile:
    `…_increase` and `…_last` of a register, `…_mean`, `…_min` and `…_max` of a gauge, `…_sum` of
    a count, `…_last` of a code; null where no reading has a value. `quality` is the worst grade,
    `reasons` are those of all its readings.
    """

    profile: str
    span: str
    columns: list[ColumnBody]
    rollups: list[dict[str, Any]] = Field(description="`time` is the start of the bucket")
    next: str | None


def to_rollup_table(shown: Profile, batch: ReadingBatch, devices: Mapping[int, str]) -> Table:
    """Return rollups in engineering units; ``devices`` names the device indexes."""
    names = ("time", "device", *(column.name for column in shown.columns), "quality", "reasons")
    columns = [
        to_rfc3339(batch.time_ms),
        [devices.get(index, "") for index in batch.device_index.tolist()],
        *(to_numbers(column, batch.values[:, at]) for at, column in enumerate(shown.columns)),
        batch.quality.tolist(),
        reason_lists(batch.reasons),
    ]
    # a share is no multiple of anything
    columns[3] = [None if one is None else round(one, MEAN_DECIMALS) for one in columns[3]]
    return Table(names, columns, shown, batch)


@router.get("/rollups", response_model=RollupsBody)
def read_rollups(
    sight: Seeing,
    choice: Choosing,
    span: Spanning,
    page: Paging,
    *,
    length: Annotated[
        Literal["15m", "1d"], Query(alias="span", description="length of a bucket, in UTC")
    ] = "15m",
) -> Response:
    """Return rollups of buckets that begin in [`from`, `to`).

    A bucket is there a minute after its end, and again some seconds after late readings.
    """
    from_ms, to_ms = span.resolve(sight.clock())
    profile, index, names = choice
    with page_of_store():
        batch, following = sight.store.rollups(
            profile.name, length, index, from_ms, to_ms, page.limit, page.after
        )
    shown = shown_profile(profile, length)
    table = to_rollup_table(shown, batch, names)
    return to_answer(
        {
            "profile": profile.name,
            "span": length,
            "columns": [{"name": one.name, "unit": one.unit} for one in shown.columns],
            "rollups": to_structs(table),
            "next": following,
        }
    )
