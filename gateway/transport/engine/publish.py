"""How traffic is, as lines of series."""

import numpy as np

from gateway.model import FloatArray
from gateway.ports import Result
from gateway.store.derived import DerivedReader
from gateway.transport import aggregate, state
from gateway.transport.engine.live import Live
from gateway.transport.engine.policies import Rules
from gateway.transport.engine.quarters import QUARTER_MS
from gateway.transport.engine.remembered import learned_of
from gateway.transport.engine.singleloops import SingleLoops
from gateway.transport.engine.telling import corridor_bodies, station_bodies
from gateway.transport.impute import Learned, Pairs, impute, learn, pairs_of
from gateway.transport.policy import Impute as ImputePolicy
from gateway.transport.series import Bins, Road

LIVE, STATE = "live", "state"
HOUR_MS = 3_600_000


class Publisher:
    """Makes lines.

    Args:
        recall: what was learned before.
    """

    def __init__(self, recall: DerivedReader) -> None:
        self._recall = recall
        self.loops = SingleLoops(recall)
        self._pairs: Pairs | None = None
        self._learned: Learned | None = None
        self._places: list[str] = []
        self._corridors: list[str] = []

    def adopt(self, road: Road) -> None:
        """Go on with another road."""
        self._pairs = self._learned = None
        self.loops.adopt()
        self._places = [f"station:{name}" for name in road.stations]
        self._corridors = [f"corridor:{name}" for name in road.corridors]

    def live(self, live: Live) -> list[Result]:
        """Return how traffic is in the five minutes up to now; of each hour the newest stays."""
        found, window = live.bins(), live.stations(live.shown)
        if found is None or window is None:
            return []
        end_ms = found.start_ms + found.interval_ms
        rules = live.rules_at(found.start_ms)
        road = live.road
        stations = aggregate.station_bins(self.filled(found, live), road)
        kmh = state.current_speeds(window, road, rules.traffic)
        from_ms = (end_ms - 1) // HOUR_MS * HOUR_MS
        bodies = station_bodies(stations, road, rules, kmh, live.slow_now())
        lines = [
            Result(LIVE, self._places[one], from_ms, end_ms, bodies[one]) for one in _told(stations)
        ]
        ways = corridor_bodies(kmh, self._hours(kmh, live, rules), road, rules)
        lines += [
            Result(LIVE, place, from_ms, end_ms, body)
            for place, body in zip(self._corridors, ways, strict=True)
            if body is not None
        ]
        return lines

    @staticmethod
    def _hours(kmh: FloatArray, live: Live, rules: Rules) -> FloatArray:
        """Return the time from each station to the next one, with what queues add."""
        hours = state.link_hours(kmh, live.road, rules.traffic.measures)
        if live.state is None:
            return hours
        return state.queue_hours(hours, live.state.queues, live.road, rules.traffic, live.raster_ms)

    def state(self, stations: Bins, road: Road, rules: Rules) -> list[Result]:
        """Return how traffic was in a quarter of an hour."""
        from_ms, to_ms = stations.start_ms, stations.start_ms + QUARTER_MS
        bodies = station_bodies(stations, road, rules)
        return [
            Result(STATE, self._places[one], from_ms, to_ms, bodies[one]) for one in _told(stations)
        ]

    def filled(self, found: Bins, live: Live) -> Bins:
        """Return bins of lanes with speeds where there are only counts, and with gaps filled."""
        found = self.loops.filled(found, live)
        rules = live.rules_at(found.start_ms).traffic.impute
        learned, pairs = self._taught(live, rules)
        return impute(found, live.road, pairs, learned, rules)

    def learn(self, day: Bins, live: Live) -> tuple[Learned, Pairs]:
        """Learn of a day of lanes; return what is known now, and of which pairs."""
        rules = live.rules_at(day.start_ms).traffic.impute
        learned, pairs = self._taught(live, rules)
        self._learned = learn(learned, day, live.road, pairs, rules)
        return self._learned, pairs

    def _taught(self, live: Live, rules: ImputePolicy) -> tuple[Learned, Pairs]:
        if self._pairs is None:
            self._pairs = pairs_of(live.road, rules)
        if self._learned is None:
            self._learned = learned_of(self._recall, self._pairs, live.road)
        return self._learned, self._pairs


def _told(stations: Bins) -> list[int]:
    """Return the stations of which anything is known."""
    found: list[int] = np.flatnonzero(np.isfinite(stations.count).any(axis=1)).tolist()
    return found
