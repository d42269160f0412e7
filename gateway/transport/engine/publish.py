"""How traffic is, as lines of series."""

import numpy as np

from gateway.ports import Result
from gateway.store.derived import DerivedReader
from gateway.transport import aggregate, state
from gateway.transport.engine.live import Live
from gateway.transport.engine.telling import corridor_bodies, station_bodies
from gateway.transport.impute import Learned, Pairs, impute, pairs_of
from gateway.transport.series import BIN_MS, Bins, Road

LIVE, TRAVEL = "live", "travel"
HOUR_MS = 3_600_000
_TRAVEL_SLOTS = 10  # five minutes, the longest mean of a travel time


class Publisher:
    """Makes lines.

    Args:
        recall: what was told before.
    """

    def __init__(self, recall: DerivedReader) -> None:
        self._recall = recall
        self._pairs: Pairs | None = None
        self._learned: Learned | None = None
        self._places: list[str] = []

    def adopt(self, road: Road) -> None:
        """Go on with another road."""
        self._pairs = self._learned = None
        self._places = [f"station:{name}" for name in road.stations]
        self._corridors = [f"corridor:{name}" for name in road.corridors]

    def live(self, live: Live) -> list[Result]:
        """Return how traffic is in the five minutes up to now; of each hour the newest stays."""
        found, window = live.bins(), live.stations(_TRAVEL_SLOTS)
        if found is None or window is None:
            return []
        end_ms = found.start_ms + BIN_MS
        rules = live.rules_at(found.start_ms)
        road = live.road
        stations = aggregate.station_bins(self.filled(found, live), road)
        kmh = state.current_speeds(window, road, rules.traffic)
        from_ms = (end_ms - 1) // HOUR_MS * HOUR_MS
        known = np.flatnonzero((road.lanes > 0) & np.isfinite(stations.count[:, 0])).tolist()
        bodies = station_bodies(stations, road, rules, kmh)
        lines = [Result(LIVE, self._places[one], from_ms, end_ms, bodies[one]) for one in known]
        ways = corridor_bodies(kmh, road, rules)
        lines += [
            Result(LIVE, place, from_ms, end_ms, body)
            for place, body in zip(self._corridors, ways, strict=True)
            if body is not None
        ]
        return lines

    def filled(self, found: Bins, live: Live) -> Bins:
        """Return bins of lanes with their gaps filled."""
        rules = live.rules_at(found.start_ms).traffic.impute
        if self._pairs is None:
            self._pairs = pairs_of(live.road, rules)
        if self._learned is None:
            self._learned = Learned.nothing(len(self._pairs.target), len(live.road.device_index))
        return impute(found, live.road, self._pairs, self._learned, rules)
