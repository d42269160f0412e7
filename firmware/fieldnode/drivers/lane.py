"""A traffic lane: from vehicles and covered time to rows of ``tl1`` (intervals) or ``pv1`` (each).

Speeds are in 0.1 km/h and lengths in 0.1 m throughout, as in the profiles.
"""

from array import array

from fieldnode.core.rounding import rounded
from fieldnode.drivers import STATUS_INVALID, number

UNKNOWN, MOTO, CAR, BUS, TRUCK, LONG = 0, 1, 2, 3, 4, 5
NO_CLASS, BY_LENGTH, BY_AXLES = 0, 1, 2
APPROACHING, RECEDING = 1, 2

SPEED_MAX = 3000  # 300 km/h, the limit of the profiles
_LENGTH_MAX = 600
_GAP_MAX_MS = 3_600_000
_DURATION_MAX_MS = 65_535
_COUNT_PERIOD = 1 << 32  # where cum_count begins again
_QUEUE_MAX = 16  # single vehicles not yet taken: 16 in a second are more than a lane passes
_BIN = 10  # of the speed histogram: 1 km/h, 301 bins in 602 bytes

# Upper ends of length classes: motorcycle and car as IRIS has them (2.1 and 6.1 m), the first
# with 0.5 m for the error of a loop; 13.1 m ends single units. A bus is no length: BY_LENGTH
# it is among the trucks, and its column empty.
_LENGTHS = ((26, MOTO), (61, CAR), (131, TRUCK))


def class_of_length(length_dm: int) -> int:
    """Return the class of a vehicle of that length."""
    for longest, kind in _LENGTHS:
        if length_dm < longest:
            return kind
    return LONG


class Lane:
    """Collects vehicles.

    Args:
        profile: tl1 or pv1.
        classes: how the detector tells classes apart.
        options: ``interval_s`` (30) of tl1; ``lane``, its number in pv1 (0: not known).
        registers: vehicles counted before the last reset.

    Attributes:
        count: vehicles since the counter was new.
        is_faulty: set by the detector: what this interval says is not valid.
        at_ms: end of the row last taken.
    """

    def __init__(
        self,
        profile: str,
        classes: int,
        options: "dict[str, object]",
        registers: "tuple[int, ...]",
    ) -> None:
        if profile not in {"tl1", "pv1"}:
            raise ValueError("profile")
        self._is_interval = profile == "tl1"
        self._interval_ms = number(options, "interval_s", 30, 1, 86_400) * 1000
        self._number = number(options, "lane", 0, 0, 32)
        self._classes = classes
        self.count = registers[0] if registers else 0
        self.is_faulty = False
        self.at_ms = 0
        self.lost = 0  # single vehicles dropped because nobody took them
        self._rear_ms = -1  # when the last vehicle had passed
        self._queue: "list[tuple[int, tuple[int | None, ...]]]" = []
        self._speeds = array("H", bytes(2 * (SPEED_MAX // _BIN + 1) if self._is_interval else 0))
        self._begin()

    def _begin(self) -> None:
        self._vehicles = self._measured = self._speed_sum = 0
        self._covered_us = 0
        self._by_class = [0] * 6
        for index in range(len(self._speeds)):
            self._speeds[index] = 0

    def covered(self, duration_us: int) -> None:
        """Add time that a vehicle covered the detector."""
        self._covered_us += duration_us

    def passed(
        self,
        rear_ms: int,
        duration_ms: "int | None",
        speed: "int | None" = None,
        length_dm: "int | None" = None,
        kind: int = UNKNOWN,
        direction: int = 0,
    ) -> None:
        """Count a vehicle whose rear left the detector at uptime ``rear_ms``.

        Impossible speeds and lengths are None here; the vehicle counts all the same.
        """
        if speed is not None and not 0 < speed <= SPEED_MAX:
            speed = length_dm = None
        if length_dm is not None and not 0 < length_dm <= _LENGTH_MAX:
            length_dm = None
        if kind == UNKNOWN and self._classes == BY_LENGTH and length_dm is not None:
            kind = class_of_length(length_dm)
        self.count = (self.count + 1) % _COUNT_PERIOD
        self._vehicles += 1
        self._by_class[kind] += 1
        if not self._is_interval:
            self._enqueue(rear_ms, duration_ms, (speed, length_dm, kind, direction))
        elif speed is not None:
            self._measured += 1
            self._speed_sum += speed
            self._speeds[(speed + _BIN // 2) // _BIN] += 1
        self._rear_ms = max(rear_ms, self._rear_ms)

    def _enqueue(
        self, rear_ms: int, duration_ms: "int | None", seen: "tuple[int | None, ...]"
    ) -> None:
        gap_ms = None
        if self._rear_ms >= 0:
            gap_ms = rear_ms - (duration_ms or 0) - self._rear_ms
            gap_ms = gap_ms if 0 <= gap_ms <= _GAP_MAX_MS else None
        if duration_ms is not None:
            duration_ms = min(max(duration_ms, 0), _DURATION_MAX_MS)
        if len(self._queue) == _QUEUE_MAX:
            self._queue.pop(0)
            self.lost += 1
        self._queue.append((rear_ms, seen + (gap_ms, duration_ms, self._number)))

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the interval that has ended, or the next vehicle."""
        if not self._is_interval:
            if not self._queue:
                return None
            self.at_ms, row = self._queue.pop(0)
            return row, 0
        span_ms = uptime_ms - self.at_ms
        if span_ms < self._interval_ms:
            return None
        # Whole intervals, so that rows stay in step; the app asks every few ms.
        span_ms -= span_ms % self._interval_ms
        self.at_ms += span_ms
        row = self._row(span_ms)
        status = STATUS_INVALID if self.is_faulty else 0
        self.is_faulty = False
        self._begin()
        return row, status

    def _row(self, span_ms: int) -> "tuple[int | None, ...]":
        # µs per ms: per mille; what began in the interval before may end a little below 0 here
        occupancy = max(0, min(1000, rounded(self._covered_us, span_ms)))
        mean = rounded(self._speed_sum, self._measured) if self._measured else None
        kinds: "list[int | None]" = [None] * 5
        if self._classes:
            kinds = list(self._by_class[1:])
        if self._classes == BY_LENGTH:
            kinds[BUS - 1] = None
        return (self._vehicles, self.count, occupancy, mean, self._v85()) + tuple(kinds)

    def _v85(self) -> "int | None":
        """Return the speed that 85 of 100 do not exceed, to 1 km/h."""
        if not self._measured:
            return None
        left = (85 * self._measured + 99) // 100
        index = 0
        while left > self._speeds[index]:
            left -= self._speeds[index]
            index += 1
        return index * _BIN


class Trigger:
    """Tells from a signal when something comes and goes, between the samples too.

    Args:
        on: from here on it is there.
        off: below, for ``hold_us``, it is gone.
        hold_us: bridges the dip in the middle of a vehicle.

    Attributes:
        is_on: whether it is there.
        rise_us, fall_us: when the signal last crossed ``on``, interpolated.
        peak: the most since ``rise_us``.
    """

    def __init__(self, on: int, off: int, hold_us: int) -> None:
        self._on = on
        self._off = off
        self._hold_us = hold_us
        self.is_on = False
        self.rise_us = self.fall_us = self.peak = 0
        self._value = self._at_us = 0
        self._off_us = -1  # below ``off`` since then; -1: it is not

    def add(self, value: int, now_us: int) -> bool:
        """Take in a sample; True: it was there from ``rise_us`` to ``fall_us``, and is gone."""
        is_gone = False
        if self._value < self._on <= value:
            if not self.is_on:
                self.rise_us = self._crossing(value, now_us)
                self.peak = 0
            self.is_on = True
        elif self._value >= self._on > value:
            self.fall_us = self._crossing(value, now_us)
        self.peak = max(self.peak, value)
        if not self.is_on or value >= self._off:
            self._off_us = -1
        else:
            self._off_us = now_us if self._off_us < 0 else self._off_us
            if now_us - self._off_us >= self._hold_us:
                is_gone = True
                self.is_on = False
        self._value = value
        self._at_us = now_us
        return is_gone

    def reset(self) -> None:
        """Forget what is there."""
        self.is_on = False
        self._value = 0

    def _crossing(self, value: int, now_us: int) -> int:
        part = (now_us - self._at_us) * (self._on - self._value)
        return self._at_us + part // (value - self._value)
