"""One quarter of an hour, from rows to the lines that stay."""

import numpy as np

from gateway.model import BoolArray
from gateway.ports import Result
from gateway.profiles import Profile
from gateway.store import StoreReader
from gateway.store.derived import AlarmQuery, DerivedReader
from gateway.transport import aggregate
from gateway.transport.engine.alarms import ALARMS_MS, DOMAIN, AlarmBook
from gateway.transport.engine.live import Live
from gateway.transport.engine.nights import Nights
from gateway.transport.engine.publish import Publisher
from gateway.transport.engine.quarters import FAULT_KINDS, QUARTER_MS, lane_bins, read
from gateway.transport.series import BIN_MS, Road

_BINS = QUARTER_MS // BIN_MS + 2  # with one to either side
_MOST_ALARMS = 20_000


class QuarterWork:
    """Works quarters out.

    Args:
        reader: the readings.
        recall: alarms that are older than the book.
        profile: of the lanes.
        publisher: makes lines.
    """

    def __init__(
        self, reader: StoreReader, recall: DerivedReader, profile: Profile, publisher: Publisher
    ) -> None:
        self._reader, self._recall = reader, recall
        self._profile, self._publisher = profile, publisher

    def do(self, quarter: int, live: Live, book: AlarmBook, nights: Nights) -> list[Result]:
        """Return the lines of a quarter; its bins are kept for the day."""
        road, start_ms = live.road, quarter * QUARTER_MS
        rules = live.rules_at(start_ms)
        is_bad = self._bad(start_ms, road, live, book)
        rows = read(self._reader, self._profile, quarter)
        lanes = self._publisher.filled(lane_bins(rows, road, quarter, is_bad, rules), live)
        stations = aggregate.station_bins(lanes, road)
        day = nights.put(quarter, lanes, stations)
        nights.status.put(day, quarter, rows, road, rules.health)
        return self._publisher.state(stations, road, rules)

    def _bad(self, start_ms: int, road: Road, live: Live, book: AlarmBook) -> BoolArray:
        """Return whom health does not believe, (lanes, bins)."""
        first_ms = start_ms - BIN_MS
        span = first_ms, first_ms + _BINS * BIN_MS
        assert live.state is not None  # noqa: S101  # quarters wait for it
        if start_ms > live.state.next_ms - ALARMS_MS:
            alarms = book.lasting(*span)
        else:
            told = self._recall.alarms(DOMAIN, AlarmQuery(*span), _MOST_ALARMS)
            alarms = [one.alarm for one in told]
        row = {f"device:{name}": place for place, name in enumerate(road.devices)}
        begin_ms = first_ms + BIN_MS * np.arange(_BINS)
        is_bad = np.zeros((len(road.devices), _BINS), np.bool_)
        for one in alarms:
            if one.kind in FAULT_KINDS and one.place in row:
                until_ms = one.cleared_ms or span[1]
                is_bad[row[one.place]] |= (one.raised_ms < begin_ms + BIN_MS) & (
                    until_ms > begin_ms
                )
        return is_bad
