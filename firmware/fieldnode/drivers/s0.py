"""S0 pulses: the output of an energy meter (IEC 62053-31), or its blinking LED.

A pulse is at least 30 ms long, so is the pause; what is shorter is noise or a contact that
bounces. The register counts pulses; power follows from the time between two.
"""

from fieldnode.drivers import EDGE, Driver, number

_MIN_US = 30_000  # IEC 62053-31: pulse and pause of at least 30 ms
_BOUNCE_US = 5_000  # contacts settle in 1…5 ms
_ROW_MS = 1000
_WS_PER_KWH = 3_600_000
_WH_PER_KWH = 1000


class S0(Driver):
    """Counts pulses of ``per_kwh`` a kWh; power is 0 after ``timeout_s`` without one."""

    INPUT = EDGE

    def __init__(self, per_kwh: int, min_us: int, timeout_s: int, pulses: int) -> None:
        super().__init__()
        self._per_kwh = per_kwh
        self._min_us = min_us
        self._timeout_us = timeout_s * 1_000_000
        self._pulses = pulses
        self._level = 0
        self._pressed_us = self._released_us = -_BOUNCE_US
        self._is_counted = True
        self._counted_us = -1  # begin of the last pulse; -1: none since boot
        self._period_us = 0  # between the last two; 0: not known
        self._taken_pulses = -1

    def edge(self, channel: int, level: int, uptime_us: int) -> None:
        """Take in a level; the same one twice means that an edge was missed."""
        if level == self._level:
            return
        self._level = level
        if level:
            if uptime_us - self._released_us >= _BOUNCE_US:
                self.errors += not self._is_counted  # the one before was too short: noise
                self._pressed_us = uptime_us
                self._is_counted = False
            return
        self._released_us = uptime_us
        if not self._is_counted and uptime_us - self._pressed_us >= self._min_us:
            self._is_counted = True
            self._count()

    def _count(self) -> None:
        self._pulses += 1
        self.telegrams += 1
        if self._counted_us >= 0:
            self._period_us = self._pressed_us - self._counted_us
        self._counted_us = self._pressed_us

    def _power_w(self, uptime_us: int) -> "int | None":
        if self._counted_us < 0:
            return None
        waited_us = uptime_us - self._counted_us
        if waited_us >= self._timeout_us:
            self._period_us = 0
            return 0
        if not self._period_us:
            return None
        # Later than the period before it can only be less than that power.
        longest_us = max(self._period_us, waited_us)
        return _WS_PER_KWH * 1_000_000 // (self._per_kwh * longest_us)

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return a row at a pulse and every second: register and power of ``em1``."""
        if self._pulses == self._taken_pulses and uptime_ms - self.at_ms < _ROW_MS:
            return None
        self._taken_pulses = self._pulses
        self.at_ms = uptime_ms
        energy_wh = self._pulses * _WH_PER_KWH // self._per_kwh
        return (energy_wh, None, self._power_w(uptime_ms * 1000), None, None, None), 0

    def registers(self) -> "tuple[int, ...]":
        """Return the pulses counted."""
        return (self._pulses,)


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> S0:
    """Options: ``per_kwh`` (1000), ``min_us`` (30,000; a LED blinks for 2,000), ``timeout_s``."""
    if profile != "em1":
        raise ValueError("profile")
    per_kwh = number(options, "per_kwh", 1000, 1, 1_000_000)
    min_us = number(options, "min_us", _MIN_US, 1, 1_000_000)
    timeout_s = number(options, "timeout_s", 300, 1, 86_400)
    return S0(per_kwh, min_us, timeout_s, registers[0] if registers else 0)
