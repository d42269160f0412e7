"""Magnetometer in or beside the lane: a vehicle bends the field of the earth.

A sample is the three axes in counts of the sensor. The field without vehicle drifts with the
temperature: the baseline follows while nothing is there. Chips: LIS3MDL (ST, DocID024204: ±4 gauss,
6842 counts a gauss, 80 Hz) and QMC5883L (QST, 13-52-04: ±2 gauss, 12000 counts a gauss, 50 Hz).
"""

from fieldnode.drivers import SAMPLE, Driver, lane, number
from fieldnode.drivers.chip import Chip
from fieldnode.drivers.lane import Lane, Trigger

if False:  # for the type checker
    from fieldnode.hal.base import I2c

_BASE_SHIFT = 8  # baseline: 1/256 of the way per sample, 5 s at 50 Hz
_FINE = _BASE_SHIFT  # bits after the point: else the baseline would stop at 256 counts from it
# Address, (register, value) of the settings, first register of the axes. Of a LIS3MDL bit 7 lets
# the register count up within one reading.
CHIPS = {
    "lis3mdl": (0x1C, b"\x20\x7c\x21\x00\x22\x00\x23\x0c", 0x28 | 0x80),
    "qmc5883l": (0x0D, b"\x0b\x01\x09\x05", 0x00),
}
_HOLD_US = 200_000  # between front and rear axle the field may come back for a moment


class Magneto(Driver):
    """Counts vehicles by the state of one sensor; no speed, no classes."""

    INPUT = SAMPLE

    def __init__(self, road: Lane, chip: Chip, on: int, full: int, lock_ms: int) -> None:
        super().__init__()
        self._chip = chip
        self.sample_ms = 20
        self._road = road
        self._full = full
        self._lock_us = lock_ms * 1000
        self._base: "list[int]" = []
        self._trigger = Trigger(on, on // 2, _HOLD_US)
        self._before_us = -1

    def read(self, bus: "I2c") -> "tuple[int, ...]":
        """Return x, y, z."""
        return self._chip.read(bus)

    def sample(self, values: "tuple[int, ...]", uptime_ms: int) -> None:
        """Take in x, y, z, or nothing from a chip that is silent."""
        now_us = uptime_ms * 1000
        # at its end: saturated or broken
        if not values or max(abs(axis) for axis in values) >= self._full:
            self._road.is_faulty = True
            self.errors += 1
            self._trigger.reset()
            self._base = []
            self._before_us = now_us
            return
        if not self._base:
            self._base = [axis << _FINE for axis in values]
        bend = 0
        for index in range(len(self._base)):
            bend += abs((values[index] << _FINE) - self._base[index])
        if self._trigger.add(bend >> _FINE, now_us):
            self._count()
        self._follow(values, now_us)
        if self._trigger.is_on and self._before_us >= 0:
            self._road.covered(now_us - self._before_us)
        self._before_us = now_us

    def _count(self) -> None:
        rise_us, fall_us = self._trigger.rise_us, self._trigger.fall_us
        self.telegrams += 1
        # The hold counted as covered, and was not.
        self._road.covered(-_HOLD_US)
        self._road.passed(fall_us // 1000, (fall_us - rise_us) // 1000)

    def _follow(self, values: "tuple[int, ...]", now_us: int) -> None:
        if not self._trigger.is_on:
            for index in range(len(self._base)):
                self._base[index] += (values[index] << _FINE) - self._base[index] >> _BASE_SHIFT
        elif now_us - self._trigger.rise_us > self._lock_us:
            # Something was put there to stay, or the sensor was turned.
            self._base = []
            self._trigger.reset()
            self._road.is_faulty = True
            self.errors += 1

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the next row."""
        row = self._road.take(uptime_ms)
        self.at_ms = self._road.at_ms
        return row

    def registers(self) -> "tuple[int, ...]":
        """Return the vehicles counted."""
        return (self._road.count,)


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Magneto:
    """Options: those of ``Lane``; ``on`` (60), ``full`` (32,000 counts), ``lock_s`` (600).

    ``chip``: lis3mdl (default), qmc5883l; ``address`` where it is not the chip's first.
    """
    on = number(options, "on", 60, 2, 10_000)
    full = number(options, "full", 32_000, on + 1, 1 << 23)
    lock_ms = number(options, "lock_s", 600, 1, 86_400) * 1000
    chip = str(options.get("chip", "lis3mdl"))
    if chip not in CHIPS:
        raise ValueError("options: chip")
    address = number(options, "address", CHIPS[chip][0], 8, 119)  # UM10204: the rest is reserved
    road = Lane(profile, lane.NO_CLASS, options, registers)
    return Magneto(road, Chip(address, CHIPS[chip][1], CHIPS[chip][2]), on, full, lock_ms)
