"""``GET /readings``: rows of one profile, in engineering units, with their grade."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Choosing, Seeing
from gateway.api.documents import to_answer
from gateway.api.params import Paging, Spanning, page_of_store
from gateway.api.parquet import to_parquet
from gateway.api.table import Table, to_csv, to_ndjson, to_structs, to_table

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
def read_readings(
    sight: Seeing,
    choice: Choosing,
    span: Spanning,
    page: Paging,
    *,
    format_: Annotated[Format, Query(alias="format")] = "json",
    lineage: Annotated[
        bool, Query(description="also what a better reading hides, and where rows came from")
    ] = False,
) -> Response:
    """Return readings by time, `from` inclusive, `to` exclusive, the best of each time."""
    from_ms, to_ms = span.resolve(sight.clock())
    profile, index, names = choice
    with page_of_store():
        batch, following = sight.store.readings(
            profile.name, index, from_ms, to_ms, page.limit, page.after, lineage=lineage
        )
    return _write(to_table(profile, batch, names, lineage=lineage), format_, following)


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
