"""``GET /aggregate``: readings of one device and column in buckets of time."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from gateway.api.answers import Seeing, find_device, profile_of
from gateway.api.documents import to_answer
from gateway.api.params import DAY_MS, MAX_LIMIT, Spanning, bad, parse_zone
from gateway.model import FloatArray, IntArray, ReadingBatch
from gateway.profiles import Column, Kind, Profile
from gateway.store.aggregate import Buckets, Function, aggregate
from gateway.store.rollup import UNUSABLE
from gateway.units import UNITS
from gateway.views.engineering import decimals_of, engineer, to_rfc3339
from gateway.views.sight import Sight

router = APIRouter(tags=["readings"])

MAX_ROWS = 4_000_000  # of one answer: a year at one reading in 8 s; 64 MB of columns
MEAN_DECIMALS = 6  # beyond those of the column, for what is divided


class BucketBody(BaseModel):
    """One bucket; ``n`` readings (differences for increase) are in it."""

    time: str
    value: float | int | None
    n: int


class AggregateBody(BaseModel):
    """Buckets by time; those without readings are left out."""

    device: str
    profile: str
    column: str
    fn: Function
    unit: str
    every: str | None
    tz: str
    buckets: list[BucketBody]


def unit_of(column: Column, fn: Function) -> str:
    """Return the unit of a result: the hours of an integral join the unit, W become Wh."""
    if fn is Function.COUNT:
        return "1"
    if fn is Function.INTEGRAL:
        return f"{column.unit}h" if f"{column.unit}h" in UNITS else f"{column.unit}·h"
    return column.unit


def to_buckets(buckets: Buckets, column: Column, fn: Function) -> list[dict[str, object]]:
    """Return buckets as the API shows them, rounded like the column."""
    decimals = decimals_of(column.scale)
    if fn in {Function.MEAN, Function.INTEGRAL}:
        decimals += MEAN_DECIMALS
    is_integral = decimals == 0 or fn is Function.COUNT
    rows = zip(
        to_rfc3339(buckets.start_ms), buckets.values.tolist(), buckets.n.tolist(), strict=True
    )
    return [
        {"time": time, "value": _rounded(value, decimals, is_integral=is_integral), "n": n}
        for time, value, n in rows
    ]


def _rounded(value: float, decimals: int, *, is_integral: bool) -> float | int | None:
    if np.isnan(value):
        return None
    return int(value) if is_integral and value.is_integer() else round(value, decimals)


class ColumnReader:
    """Reads one column of one device page by page, and only as much as may be held."""

    def __init__(self, sight: Sight, profile: Profile, device_index: int, place: int) -> None:
        self._sight = sight
        self._profile = profile
        self._device_index = device_index
        self._place = place
        self._times: list[IntArray] = []
        self._values: list[FloatArray] = []
        self._count = 0

    def read(self, from_ms: int, to_ms: int) -> None:
        """Add the readings of [from_ms, to_ms)."""
        after: str | None = None
        while True:
            batch, after = self._sight.store.readings(
                self._profile.name, self._device_index, from_ms, to_ms, MAX_LIMIT, after
            )
            self._add(batch)
            if after is None:
                return

    def read_last_before(self, time_ms: int, reach_ms: int) -> None:
        """Add the last reading before a time: looks near first, since a dense hour is long."""
        for back_ms in (reach_ms, DAY_MS, 32 * DAY_MS):
            batch, after = self._sight.store.readings(
                self._profile.name, self._device_index, time_ms - back_ms, time_ms, MAX_LIMIT
            )
            while after is not None:
                batch, after = self._sight.store.readings(
                    *(self._profile.name, self._device_index, time_ms - back_ms, time_ms),
                    MAX_LIMIT,
                    after,
                )
            usable = batch.take(~np.isin(batch.quality, UNUSABLE))
            if len(usable):
                self._add(usable.take(np.array([len(usable) - 1])))
                return

    def columns(self) -> tuple[IntArray, FloatArray]:
        """Return times and engineering values."""
        none = np.empty(0, np.int64)
        return np.concatenate([none, *self._times]), np.concatenate([np.empty(0), *self._values])

    def _add(self, batch: ReadingBatch) -> None:
        self._count += len(batch)
        if self._count > MAX_ROWS:
            raise bad("from", f"more than {MAX_ROWS} readings: ask for a shorter time")
        self._times.append(batch.time_ms)
        values = engineer(self._profile.columns[self._place], batch.values[:, self._place])
        # an unusable reading still ends the time of the one before it: no value, but a place
        self._values.append(np.where(np.isin(batch.quality, UNUSABLE), np.nan, values))


@router.get("/aggregate", response_model=AggregateBody)
def read_aggregate(  # noqa: PLR0913  # the parameters of the contract
    sight: Seeing,
    device: Annotated[str, Query(max_length=64)],
    column: Annotated[str, Query(max_length=32)],
    fn: Annotated[Function, Query()],
    span: Spanning,
    *,
    profile: Annotated[str | None, Query(max_length=32)] = None,
    every: Annotated[
        str | None, Query(max_length=16, description="15m, 1h, 1d, 1w, 1mo; one bucket if left out")
    ] = None,
    tz: Annotated[str, Query(max_length=64, description="zone in which days begin")] = "UTC",
) -> Response:
    """Return sum, mean, min, max, count, integral over hours or increase of a register."""
    row = find_device(sight, device)
    chosen = profile_of(sight, row, profile)
    place = chosen.column_index(column)
    if place is None:
        names = ", ".join(one.name for one in chosen.columns)
        raise bad("column", f"{chosen.name} has no column {column!r}; it has: {names}")
    kind = chosen.columns[place]
    if fn is Function.INCREASE and kind.kind is not Kind.REGISTER:
        raise bad("fn", f"increase needs a register, {column} is a {kind.kind}")
    from_ms, to_ms = span.resolve(sight.clock(), parse_zone(tz))
    reader = ColumnReader(sight, chosen, row.device_index, place)
    is_increase = fn is Function.INCREASE
    if is_increase:
        reader.read_last_before(from_ms, 2000 * chosen.interval_s or 3_600_000)
    reader.read(from_ms, to_ms + 1 if is_increase else to_ms)
    times_ms, values = reader.columns()
    try:
        buckets = aggregate(
            times_ms,
            values,
            fn=fn,
            every=every,
            from_ms=from_ms,
            to_ms=to_ms,
            tz=tz,
            interval_ms=1000 * chosen.interval_s,
            rollover=kind.rollover,
        )
    except ValueError as error:
        raise bad("every", str(error)) from error
    return to_answer(
        {
            "device": row.device,
            "profile": chosen.name,
            "column": column,
            "fn": fn,
            "unit": unit_of(kind, fn),
            "every": every,
            "tz": tz,
            "buckets": to_buckets(buckets, kind, fn),
        }
    )
