"""Edges of the road: two axle sensors (piezo, tube) across the lane, or one presence sensor (PIR).

Two axle sensors give speed, wheelbases and classes: axles of one vehicle follow each other closer
than vehicles do. One presence sensor only counts, and says how long it was covered.
"""

from fieldnode.drivers import EDGE, Driver, lane, number
from fieldnode.drivers.lane import Lane

_AXLES_MAX = 12  # of one vehicle; a road train has 11
_QUIET_US = 4_000_000  # after the last axle, where the speed is not known
_BOUNCE_US = 4_000  # a tyre of 0.2 m takes 7 ms at 100 km/h
_PAIR_US = 2_500_000  # slower between the sensors it is no traffic
# So far behind the last axle the next one is of another vehicle: a trailer's behind a truck,
# a trailer's behind a car, behind a motorcycle, and the second axle of anything.
_FAR_DM, _FAR_CAR_DM, _FAR_MOTO_DM, _FAR_SECOND_DM = 90, 50, 30, 75
_PIR_GAP_MS = 300  # a PIR lets go for a moment in the middle of a vehicle
_PIR_MIN_MS = 60  # 1 m at 60 km/h

# Distance of the first two axles, in dm: motorcycles below 1.8 m (FHWA scheme F: 6 ft), cars and
# vans below 3.8 m, two-axle trucks to 5.4 m; a city bus of 12 m has 5.9 m.
_MOTO_DM, _CAR_DM, _BUS_DM = 18, 38, 54
_TWO_AXLES = ((_MOTO_DM, lane.MOTO), (_CAR_DM, lane.CAR), (_BUS_DM, lane.TRUCK))
_TOWING_DM = 33  # cars that tow have 2.5…3.2 m, tractors of semitrailers 3.5 m and more
_RIGID_DM = 85  # from first to last axle of the longest single unit


def class_of_axles(spacings_dm: "list[int]") -> int:
    """Return the class of a vehicle with these distances between its axles."""
    axles, length_dm = len(spacings_dm) + 1, sum(spacings_dm)
    if axles == 1:
        return lane.UNKNOWN
    first = spacings_dm[0]
    if axles == 2:
        for end_dm, kind in _TWO_AXLES:
            if first < end_dm:
                return kind
        return lane.BUS
    kind = lane.LONG
    if first < _TOWING_DM and axles <= 4 and length_dm > first + _MOTO_DM:
        kind = lane.CAR  # with its trailer: a lorry's third axle is close to its second
    elif axles == 3 and first >= _BUS_DM:
        kind = lane.BUS
    elif axles <= 4 and length_dm < _RIGID_DM:
        kind = lane.TRUCK
    return kind


class Axles(Driver):
    """Two axle sensors, ``distance_dm`` apart; channel 0 is the one that traffic meets first."""

    INPUT = EDGE

    def __init__(self, road: Lane, distance_dm: int) -> None:
        super().__init__()
        self._road = road
        self._distance_dm = distance_dm
        # Hits of the vehicle under way on each sensor, µs.
        self._hits: "list[list[int]]" = [[], []]
        self._last_us = -1

    def edge(self, channel: int, level: int, uptime_us: int) -> None:
        """Take in an edge; an axle is where the level becomes 1."""
        if not level or not 0 <= channel <= 1:
            return
        hits = self._hits[channel]
        if hits and uptime_us - hits[-1] < _BOUNCE_US:
            return
        if self._is_over(uptime_us, hits[-1] if hits else self._last_us):
            self._finish()
        if len(hits) == _AXLES_MAX:
            self.errors += 1
            self._finish()
        self._hits[channel].append(uptime_us)
        self._last_us = uptime_us

    def _is_over(self, now_us: int, last_us: int) -> bool:
        """Whether an axle now is too far behind that of ``last_us`` to be of the same vehicle."""
        if self._last_us < 0:
            return False
        first, second = self._hits
        if now_us - self._last_us > _QUIET_US or not first or not second:
            return now_us - self._last_us > _QUIET_US
        travel_us = abs(second[0] - first[0])
        far_dm = _FAR_SECOND_DM
        if len(first) > 1:
            far_dm = self._far_dm((first[1] - first[0]) * self._distance_dm, travel_us)
        return (now_us - last_us) * self._distance_dm > far_dm * travel_us

    def _far_dm(self, first: int, travel_us: int) -> int:
        if first < _MOTO_DM * travel_us:
            return _FAR_MOTO_DM
        return _FAR_CAR_DM if first < _TOWING_DM * travel_us else _FAR_DM

    def poll(self, uptime_ms: int) -> "bytes | None":
        """Let go of the vehicle when no axle comes any more; nothing is ever written."""
        if self._is_over(uptime_ms * 1000, self._last_us):
            self._finish()
        return None

    def _finish(self) -> None:
        first, second = self._hits
        self._hits = [[], []]
        rear_ms = self._last_us // 1000
        self._last_us = -1
        count = len(first)
        if count != len(second) or count < 2:
            # A sensor missed an axle: a vehicle all the same, if there was more than one hit.
            self.errors += 1
            if max(count, len(second)) >= 2:
                self._road.passed(rear_ms, None)
            return
        self.telegrams += 1
        travels_us = [second[index] - first[index] for index in range(count)]
        total_us = abs(sum(travels_us))
        is_back = travels_us[0] < 0
        if not total_us or total_us > _PAIR_US * count:
            self._road.passed(rear_ms, None)
            return
        speed = (count * self._distance_dm * 3_600_000 + total_us // 2) // total_us
        spacings_dm = [
            ((first[index + 1] - first[index]) * self._distance_dm * count + total_us // 2)
            // total_us
            for index in range(count - 1)
        ]
        duration_us = first[-1] - first[0]
        self._road.covered(duration_us)
        self._road.passed(
            rear_ms,
            duration_us // 1000,
            speed,
            None,
            class_of_axles(spacings_dm),
            lane.RECEDING if is_back else lane.APPROACHING,
        )

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the next row."""
        row = self._road.take(uptime_ms)
        self.at_ms = self._road.at_ms
        return row

    def registers(self) -> "tuple[int, ...]":
        """Return the vehicles counted."""
        return (self._road.count,)


class Presence(Axles):
    """One presence sensor: PIR, light barrier, or the contact of a loop detector card."""

    def __init__(self, road: Lane, gap_ms: int, min_ms: int) -> None:
        super().__init__(road, 1)
        self._gap_us = gap_ms * 1000
        self._min_us = min_ms * 1000
        self._begin_us = self._end_us = -1

    def edge(self, channel: int, level: int, uptime_us: int) -> None:
        """Take in an edge: level 1 while something is there."""
        if level:
            if self._end_us >= 0 and uptime_us - self._end_us >= self._gap_us:
                self._finish()
            self._begin_us = uptime_us if self._begin_us < 0 else self._begin_us
            self._end_us = -1
        elif self._begin_us >= 0:
            self._end_us = uptime_us

    def poll(self, uptime_ms: int) -> "bytes | None":
        """Count what has left; nothing is ever written."""
        if self._end_us >= 0 and uptime_ms * 1000 - self._end_us >= self._gap_us:
            self._finish()
        return None

    def _finish(self) -> None:
        duration_us = self._end_us - self._begin_us
        if duration_us < self._min_us:
            self.errors += 1
        else:
            self.telegrams += 1
            self._road.covered(duration_us)
            self._road.passed(self._end_us // 1000, duration_us // 1000)
        self._begin_us = self._end_us = -1


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Axles:
    """Options: those of ``Lane``; ``distance_dm`` between two axle sensors, or 0 (default).

    0 is one presence sensor; it takes ``gap_ms`` to bridge (300; a contact: 0) and ``min_ms`` (60).
    """
    distance_dm = number(options, "distance_dm", 0, 0, 100)
    gap_ms = number(options, "gap_ms", _PIR_GAP_MS, 0, 10_000)
    min_ms = number(options, "min_ms", _PIR_MIN_MS, 0, 10_000)
    if not distance_dm:
        return Presence(Lane(profile, lane.NO_CLASS, options, registers), gap_ms, min_ms)
    return Axles(Lane(profile, lane.BY_AXLES, options, registers), distance_dm)
