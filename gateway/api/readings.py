"""``GET /readings``: rows of one profile, in engineering units, with their grade."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, find_device, find_profile, profile_of, to_answer
from gateway.api.params import (
    DEFAULT_LIMIT,
    After,
    From,
    Limit,
    To,
    page_of_store,
    parse_window,
)
from gateway.api.parquet import to_parquet
from gateway.api.problems import ProblemError
from gateway.api.table import Table, to_csv, to_ndjson, to_structs, to_table
from gateway.profiles import Profile

router = APIRouter(tags=["readings"])

Format = Literal["json", "ndjson", "csv", "parquet"]

WRITERS: dict[Format, tuple[str, Callable[[Table], bytes]]] = {
    "ndjson": ("application/x-ndjson", to_ndjson),
    "csv": ("text/csv; charset=utf-8", to_csv),
    "parquet": ("application/vnd.apache.parquet", to_parquet),
}


class ColumnBody(BaseModel):
    """A column of a profile and its unit."""

    name: str
    unit: str


class ReadingsBody(BaseModel):
    """One page of readings by time; each has the columns of the profile beside ours."""

    profile: str
    columns: list[ColumnBody]
    readings: list[dict[str, Any]]
    next: str | None


@router.get(
    "/readings",
    response_model=ReadingsBody,
    responses={200: {"content": {media: {} for media, _ in WRITERS.values()}}},
)
def read_readings(  # noqa: PLR0913  # one parameter for each of the contract
    sight: Seeing,
    device: Annotated[str | None, Query(max_length=64)] = None,
    profile: Annotated[
        str | None, Query(max_length=32, description="may be left out if the device has only one")
    ] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    format_: Annotated[Format, Query(alias="format")] = "json",
    lineage: Annotated[
        bool, Query(description="also what a better reading replaced, and where rows came from")
    ] = False,
) -> Response:
    """Return readings by time, `from` inclusive, `to` exclusive, best reading of each time."""
    from_ms, to_ms = parse_window(from_, to, sight.clock())
    chosen, names = _choose(sight, device, profile)
    index = next(iter(names)) if device is not None else None
    with page_of_store():
        batch, following = sight.store.readings(
            chosen.name, index, from_ms, to_ms, limit, after, lineage=lineage
        )
    return _write(to_table(chosen, batch, names, lineage=lineage), format_, following)


def _choose(
    sight: Seeing, device: str | None, profile: str | None
) -> tuple[Profile, dict[int, str]]:
    if device is not None:
        row = find_device(sight, device)
        return profile_of(sight, row, profile), {row.device_index: row.device}
    if profile is None:
        raise ProblemError(422, "say which device, which profile, or both", "device")
    names = {row.device_index: row.device for row in sight.store.devices()}
    return find_profile(sight, profile), names


def _write(table: Table, format_: Format, token: str | None) -> Response:
    if format_ == "json":
        columns = [{"name": c.name, "unit": c.unit} for c in table.profile.columns]
        return to_answer(
            {
                "profile": table.profile.name,
                "columns": columns,
                "readings": to_structs(table),
                "next": token,
            }
        )
    media, write = WRITERS[format_]
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{table.profile.name}.{format_}"',
    }
    if token is not None:
        headers["X-Next-After"] = token
    return Response(write(table), media_type=media, headers=headers)
