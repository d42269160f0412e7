"""Inductive loops: metal over the loop raises the frequency of its oscillator.

A sample is the frequency of each loop in mHz. A board that only counts cycles sees steps of one
cycle in a sample, 333 ppm at 60 kHz and 50 ms: ``sample_ms`` 50 and ``on_ppm`` 1500 then find
cars and what is larger; for motorcycles it has to time cycles.
Two loops in a lane give speed, direction and length; one gives count and occupancy.
"""

from fieldnode.drivers import MHZ, SAMPLE, Driver, lane, number
from fieldnode.drivers.lane import Lane, Trigger

_PPM = 1_000_000
_LOWEST_MHZ, _HIGHEST_MHZ = 5_000_000, 500_000_000  # 20…150 kHz are usual; broken or shorted else
_SLOW, _FAST = 10, 6  # baseline: 1/1024 of the way up per sample, 1/64 down: metal never lowers it
_PENDING_MAX = 4  # passages that wait for the other loop: more vehicles do not fit between two
_SHARE_MAX = 400  # of 1000: of a signal that hardly passes the threshold the ends say nothing
_PAIR_US = 3_000_000  # 3 m in 3 s are 3.6 km/h: slower vehicles count without speed


class _Loop:
    """One loop: its baseline and what covers it."""

    def __init__(self, on_ppm: int, lock_ms: int) -> None:
        self.trigger = Trigger(on_ppm, on_ppm // 2, 0)
        self._lock_us = lock_ms * 1000
        self._base_mhz = 0
        self.passages: "list[tuple[int, int, int]]" = []  # rise, fall in µs, peak in ppm

    def add(self, frequency_mhz: int, now_us: int) -> bool:
        """Take in a sample; False: the loop is ill."""
        if not _LOWEST_MHZ <= frequency_mhz <= _HIGHEST_MHZ:
            self._base_mhz = 0
            self.trigger.reset()
            return False
        if not self._base_mhz:
            self._base_mhz = frequency_mhz
        above = frequency_mhz - self._base_mhz
        if self.trigger.add(above * _PPM // self._base_mhz, now_us):
            seen = self.trigger
            self.passages.append((seen.rise_us, seen.fall_us, seen.peak))
        if not self.trigger.is_on:
            self._base_mhz += above >> (_SLOW if above > 0 else _FAST)
        elif now_us - self.trigger.rise_us > self._lock_us:
            self._base_mhz = 0  # locked on: begin anew
            self.trigger.reset()
            return False
        return True


class Loops(Driver):
    """One or two loops of a lane.

    Args:
        road: where the vehicles go.
        distance_dm: from edge to the same edge of the next loop; 0: a single one.
        zone_dm: what a loop sees of the lane, a little more than its own length.
        on_ppm: change of frequency that is a vehicle.
        lock_ms: so long nothing stands there but a loop that is out of tune.
    """

    INPUT = SAMPLE
    UNIT = MHZ

    def __init__(
        self, road: Lane, distance_dm: int, zone_dm: int, on_ppm: int, lock_ms: int
    ) -> None:
        super().__init__()
        self.sample_ms = 10  # 0.3 m at 100 km/h, and crossings are interpolated
        self._road = road
        self._distance_dm = distance_dm
        self._on_ppm = on_ppm
        self._zone_dm = zone_dm
        self._loops = [_Loop(on_ppm, lock_ms) for _ in range(2 if distance_dm else 1)]
        self._before_us = -1

    def sample(self, values: "tuple[int, ...]", uptime_ms: int) -> None:
        """Take in the frequency of each loop in mHz."""
        now_us = uptime_ms * 1000
        for index in range(len(self._loops)):
            if not self._loops[index].add(values[index], now_us):
                self._road.is_faulty = True
                self.errors += 1
        if self._before_us >= 0 and self._loops[0].trigger.is_on:
            self._road.covered(now_us - self._before_us)
        self._before_us = now_us
        if self._distance_dm:
            self._pair(now_us)
        else:
            for passage in self._loops[0].passages:
                self._alone(passage)
            self._loops[0].passages.clear()

    def _alone(self, passage: "tuple[int, int, int]") -> None:
        self.telegrams += 1
        self._road.passed(passage[1] // 1000, (passage[1] - passage[0]) // 1000)

    def _pair(self, now_us: int) -> None:
        first, second = self._loops[0].passages, self._loops[1].passages
        while first and second:
            if self._is_one(first[0], second[0]):
                self._both(first.pop(0), second.pop(0))
            else:  # the other loop missed the older one
                older = first if first[0][1] < second[0][1] else second
                self._alone(older.pop(0))
        for passages, other in ((first, 1), (second, 0)):
            # While the other loop is still covered, the partner may be there yet.
            is_covered = self._loops[other].trigger.is_on
            while passages and (
                (now_us - passages[0][1] > _PAIR_US and not is_covered)
                or len(passages) > _PENDING_MAX
            ):
                self._alone(passages.pop(0))

    def _is_one(self, one: "tuple[int, int, int]", other: "tuple[int, int, int]") -> bool:
        """Whether two passages are of one vehicle: about as long, and not far apart."""
        duration_us, its_us = one[1] - one[0], other[1] - other[0]
        apart_us = abs(one[0] - other[0])
        return duration_us < 2 * its_us and its_us < 2 * duration_us and apart_us <= _PAIR_US

    def _both(self, one: "tuple[int, int, int]", other: "tuple[int, int, int]") -> None:
        twice_us = other[0] - one[0] + other[1] - one[1]  # fronts and rears
        duration_us = (one[1] - one[0] + other[1] - other[0]) // 2
        self.telegrams += 1
        speed = length_dm = None
        if twice_us:
            # dm a µs are 360,000 km/h, or 3,600,000 tenths of it
            speed = 2 * self._distance_dm * 3_600_000 // abs(twice_us)
            seen_dm = 2 * self._distance_dm * duration_us // abs(twice_us)
            length_dm = self._length_dm(seen_dm, (one[2] + other[2]) // 2)
        direction = lane.APPROACHING if twice_us > 0 else lane.RECEDING
        rear_us = max(one[1], other[1])
        self._road.passed(
            rear_us // 1000, duration_us // 1000, speed, length_dm, direction=direction
        )

    def _length_dm(self, seen_dm: int, peak_ppm: int) -> int:
        """Return the length of what was seen over the threshold for ``seen_dm``.

        A signal grows while the vehicle drives in, over its own length or that of the zone,
        whichever is shorter; what is below the threshold at both ends was not seen.
        """
        share = 1000 * self._on_ppm // peak_ppm
        length_dm = seen_dm - self._zone_dm + 2 * share * self._zone_dm // 1000
        if length_dm < self._zone_dm and share < _SHARE_MAX:
            length_dm = (seen_dm - self._zone_dm) * 1000 // (1000 - 2 * share)
        return length_dm

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the next row."""
        row = self._road.take(uptime_ms)
        self.at_ms = self._road.at_ms
        return row

    def registers(self) -> "tuple[int, ...]":
        """Return the vehicles counted."""
        return (self._road.count,)


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Loops:
    """Options: those of ``Lane``; ``distance_dm`` (0: one loop), ``zone_dm`` and more."""
    distance_dm = number(options, "distance_dm", 0, 0, 200)
    zone_dm = number(options, "zone_dm", 20, 1, 200)
    on_ppm = number(options, "on_ppm", 200, 20, 100_000)
    lock_ms = number(options, "lock_s", 600, 1, 86_400) * 1000
    classes = lane.BY_LENGTH if distance_dm else lane.NO_CLASS
    road = Lane(profile, classes, options, registers)
    driver = Loops(road, distance_dm, zone_dm, on_ppm, lock_ms)
    driver.sample_ms = number(options, "sample_ms", 10, 5, 100)
    return driver
