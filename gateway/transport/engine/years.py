"""Years of stations: average daily traffic and high hours, of the days that were told.

Worked out a station at a time, from the lines of its days, when one of them has been told (again):
nothing is kept, so that a day that changes late is counted as it is now.
"""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import numpy as np

from gateway.ports import Result
from gateway.store.derived import DerivedReader
from gateway.transport import state
from gateway.transport.engine.alarms import DOMAIN
from gateway.transport.engine.days import DAYS
from gateway.transport.engine.telling import encode, rounded

YEARS = "years"
_MOST_DAYS = 400
_LEAST_OBSERVED = 0.5  # of a day, as of a bin: from there on the others stand for what is missing
_DAY_MS, _MS_PER_MIN = 86_400_000, 60_000
_MOST_WAITING = 100_000  # stations and years: a city of ten thousand stations, ten years late


class YearWork:
    """Stations whose year is to be worked out.

    Args:
        recall: lines of days.
        utc_offset_min: of the local day.
    """

    def __init__(self, recall: DerivedReader, utc_offset_min: int) -> None:
        self._recall = recall
        self._offset_ms = utc_offset_min * _MS_PER_MIN
        self._due: dict[tuple[str, int], None] = {}  # in the order in which they came

    def note(self, lines: Iterable[Result]) -> None:
        """Note the years of days that were told; call it before they are written."""
        for one in lines:
            if one.series == DAYS and len(self._due) < _MOST_WAITING:
                self._due[one.place, self._year(one.from_ms)] = None

    def work(self, has_time: Callable[[], bool]) -> list[Result]:
        """Return lines of years while there is time; days told in this step count in the next."""
        lines = []
        while self._due and has_time():
            place, year = next(iter(self._due))
            del self._due[place, year]
            line = self._line(place, year)
            lines += [] if line is None else [line]
        return lines

    def _line(self, place: str, year: int) -> Result | None:
        span = self._start_ms(year), self._start_ms(year + 1)
        days = self._recall.results(DOMAIN, Result(DAYS, place, *span, ""), _MOST_DAYS)
        bodies = [json.loads(one.body) for one in days]
        if not bodies:
            return None
        dates = [(one.from_ms + self._offset_ms) // _DAY_MS for one in days]
        is_whole = np.array([body["observed"] >= _LEAST_OBSERVED for body in bodies])
        passed = np.array([body["vehicles"] for body in bodies], np.float64)
        hours = np.array(
            [hour for body in bodies for hour in body["hours_veh"]], np.float64
        ).reshape(len(bodies), -1)
        found = state.annual(
            np.array(dates, np.int64).astype("datetime64[D]"),
            np.where(is_whole, passed, np.nan),
            np.where(is_whole[:, None], hours, np.nan).ravel(),
        )
        body: dict[str, object] = {
            "days": found.days,
            "aadt": rounded(found.aashto, 0),
            "aadt_astm": rounded(found.astm, 0),
            "mean_daily": rounded(found.mean, 0),
            **{
                f"k{rank}": rounded(share, 4)
                for rank, share in zip((30, 50, 100), found.k, strict=True)
            },
        }
        return Result(YEARS, place, *span, encode(body))

    def _year(self, time_ms: int) -> int:
        return datetime.fromtimestamp((time_ms + self._offset_ms) / 1000, UTC).year

    def _start_ms(self, year: int) -> int:
        return round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) - self._offset_ms
