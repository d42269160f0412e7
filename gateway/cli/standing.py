"""What an import meets: readings that are stored, and those that it has sent itself."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gateway.decode.foreign.sparkplug import PAST
from gateway.decode.foreign.sparkplug_past import ROOM, Births, Waiting, is_ours, waiting
from gateway.history import Raw, Row, Series
from gateway.history.against import (
    CORRECTIONS_LOG,
    Against,
    Known,
    against,
    known_of,
    values_of,
)
from gateway.profiles import Profiles
from gateway.store import StoreReader

# Rows of the store that are held at a time, as Python objects: 20 MB.
_PART_ROWS = 20_000


class Standing:
    """One for each run of an import."""

    def __init__(self, reader: StoreReader, profiles: Profiles) -> None:
        self._reader, self._profiles = reader, profiles
        self._sent: dict[tuple[str, str], defaultdict[int, list[Row]]] = {}
        self._numbers: dict[str, int] = {}
        self._births = Births()

    def judge(self, series: Series) -> Against:
        """Tell the rows of a series apart, and take them for sent."""
        profile = self._profiles[series.profile]
        sent = self._sent.setdefault((series.device, series.profile), defaultdict(list))
        parts = []
        for part, stored in self._with_stored(series):
            for row in part.rows:
                if row.time_ms in sent:
                    stored.setdefault(row.time_ms, []).extend(map(known_of, sent[row.time_ms]))
            parts.append(against(part, stored, profile))
        for row in series.rows:
            sent[row.time_ms].append(row)
        plain = [row for one in parts for row in one.series.rows]
        return Against(
            series._replace(rows=plain),
            [row for one in parts for row in one.better],
            [said for one in parts for said in one.corrected],
            [said for one in parts for said in one.conflicts],
        )

    def waiting(self, raw: Sequence[Raw]) -> Waiting:
        """Return which captured messages no birth before them explains, in this run or earlier."""
        messages = [(one.topic.encode(), one.payload) for one in raw]
        if not any(is_ours(topic) for topic, _ in messages):
            return Waiting(0, ())
        known = (row.key for row in self._reader.memories() if row.room == ROOM)
        return waiting(PAST, self._births, messages, known)

    def number(self, device: str, rows: int) -> int:
        """Return the number of the first of some corrections, and keep the others' places."""
        if device not in self._numbers:
            self._numbers[device] = 1 + self._last_number(device)
        first = self._numbers[device]
        self._numbers[device] = first + rows
        return first

    def _last_number(self, device: str) -> int:
        row = self._reader.device(device)
        streams = () if row is None else self._reader.streams(row.device_index)
        return max((one.high_water for one in streams if one.log == CORRECTIONS_LOG), default=0)

    def _with_stored(self, series: Series) -> Iterator[tuple[Series, dict[int, list[Known]]]]:
        """Yield the series in parts, each with what is stored of its times."""
        device = self._reader.device(series.device)
        for first in range(0, len(series.rows), _PART_ROWS):
            rows = series.rows[first : first + _PART_ROWS]
            stored = {} if device is None else self._stored(device.device_index, series, rows)
            yield series._replace(rows=rows), stored

    def _stored(self, index: int, series: Series, rows: Sequence[Row]) -> dict[int, list[Known]]:
        wanted = {row.time_ms for row in rows}
        found: dict[int, list[Known]] = {}
        span = min(wanted), max(wanted) + 1
        for page in self._reader.rows_of(series.profile, (index, index), *span):
            columns = (page.time_ms, page.values, page.status, page.quality)
            for time_ms, values, status, quality in zip(
                *(column.tolist() for column in columns), strict=True
            ):
                if time_ms in wanted:
                    known = Known(values_of(values), status, quality)
                    found.setdefault(time_ms, []).append(known)
        return found
