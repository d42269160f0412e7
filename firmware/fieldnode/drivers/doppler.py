"""Doppler modules (HB100 and alike): the frequency of the echo is the speed.

A sample is the frequency in mHz, 0 where there is none. A vehicle is a run of samples of about
one speed; a jump of speed is the next vehicle. One channel cannot tell the direction.
"""

from fieldnode.drivers import MHZ, SAMPLE, Driver, lane, number
from fieldnode.drivers.lane import Lane

_C_M_S = 299_792_458
_SLOWEST = 50  # 5 km/h: below it is rain, leaves and mains hum
_HOLD_MS = 300  # an echo fades for a moment
_SAMPLES_MIN = 4  # 200 ms: what is shorter is noise
_JUMP_PERCENT = 25


class Doppler(Driver):
    """Counts vehicles and measures them."""

    INPUT = SAMPLE
    UNIT = MHZ

    def __init__(self, road: Lane, carrier_mhz: int, cosine: int) -> None:
        super().__init__()
        self.sample_ms = 50
        self._road = road
        # v = f · c / (2 · carrier · cos): in 0.1 km/h of mHz, over one common divisor
        self._divisor = 2 * carrier_mhz * 1_000_000 * cosine
        self._begin_ms = self._last_ms = 0
        self._count = self._sum = 0
        self._strays = 0  # samples in a row that do not fit

    def speed(self, frequency_mhz: int) -> int:
        """Return the speed, in 0.1 km/h, of an echo with that frequency in mHz."""
        return (frequency_mhz * _C_M_S * 36 + self._divisor // 2) // self._divisor

    def sample(self, values: "tuple[int, ...]", uptime_ms: int) -> None:
        """Take in a frequency in mHz."""
        speed = self.speed(values[0])
        if speed < _SLOWEST or speed > lane.SPEED_MAX:
            if self._count and uptime_ms - self._last_ms > _HOLD_MS:
                self._end()
            return
        if self._count and abs(speed * self._count - self._sum) * 100 > _JUMP_PERCENT * self._sum:
            self._strays += 1
            if self._strays < 3:
                return
            self._end()
        if not self._count:
            self._begin_ms = uptime_ms
        self._strays = 0
        self._count += 1
        self._sum += speed
        self._last_ms = uptime_ms

    def _end(self) -> None:
        if self._count < _SAMPLES_MIN:
            self.errors += 1
        else:
            self.telegrams += 1
            duration_ms = self._last_ms - self._begin_ms + self.sample_ms
            self._road.covered(duration_ms * 1000)
            speed = (2 * self._sum + self._count) // (2 * self._count)
            self._road.passed(self._last_ms, duration_ms, speed)
        self._count = self._sum = self._strays = 0

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the next row."""
        row = self._road.take(uptime_ms)
        self.at_ms = self._road.at_ms
        return row

    def registers(self) -> "tuple[int, ...]":
        """Return the vehicles counted."""
        return (self._road.count,)


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Doppler:
    """Options: those of ``Lane``; ``carrier_mhz`` (10,525), ``cosine``: 1000 · cos of the angle."""
    carrier_mhz = number(options, "carrier_mhz", 10_525, 1000, 100_000)
    cosine = number(options, "cosine", 1000, 100, 1000)
    return Doppler(Lane(profile, lane.NO_CLASS, options, registers), carrier_mhz, cosine)
