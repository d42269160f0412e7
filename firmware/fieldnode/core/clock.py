"""What time it is, and how sure we are.

A node counts uptime by its crystal and learns Unix time later, perhaps never. Its state is the
clock quality of a block: NONE (uptime only), FLOOR (a lower bound: build time or the latest time
in the ring; good enough to start TLS), RTC (set once, now on the crystal), SNTP (set within
``SNTP_VALID_MS``). Blocks written before the first synchronisation carry uptime; ``restamped``
gives them their time when the pair (uptime, Unix) of their boot is known. All in ms, integers:
floats are single precision on ESP32, a Unix time in one is 64 s off (firmware.md §1.10).
"""

from fieldnode.core.block import (
    CLOCK_FLOOR,
    CLOCK_NONE,
    CLOCK_RTC,
    CLOCK_SNTP,
    read_header,
    restamp,
)

TICKS_PERIOD_MS = 1 << 30  # ticks_ms wraps at 2^30 on 32-bit ports: every 12.4 days
SNTP_VALID_MS = 3 * 3_600_000  # synchronised hourly; two may fail
DOUBTS = 3  # answers in a row before the floor that show the floor to be wrong
STEP_MS = 1000  # a larger error is stepped, a smaller one slewed: rows keep their order
SLEW_PPM = 500  # as ntpd (RFC 5905): 1 s in 33 min
DRIFT_MAX_PPB = 200_000  # crystals have ±10…50 ppm; more than 200 is a bad measurement
_DRIFT_SPAN_MS = 1_800_000  # below, network jitter of ±20 ms would be more than 10 ppm
_PPB = 1_000_000_000


class Clock:
    """Uptime and Unix time from ticks; call ``uptime_ms`` at least once in 12 days."""

    def __init__(self, ticks_ms: int, floor_ms: int, build_ms: int = 0) -> None:
        self._ticks_ms = ticks_ms
        self._build_ms = build_ms
        self._doubts = 0
        self._uptime_ms = 0
        self.floor_ms = floor_ms
        self._origin_ms = 0  # Unix ms at uptime 0; 0: unknown
        self._slew_ms = 0  # what is still to be added to the origin
        self._slewed_at_ms = 0
        self._set_at_ms = 0  # uptime of the last synchronisation
        self._drift_ppb = 0  # how much slower than true time the crystal runs
        self._is_sntp = False

    def uptime_ms(self, ticks_ms: int) -> int:
        """Return ms since boot, however often the ticks have wrapped."""
        self._uptime_ms += (ticks_ms - self._ticks_ms) % TICKS_PERIOD_MS
        self._ticks_ms = ticks_ms
        return self._uptime_ms

    def quality(self) -> int:
        """Return the clock quality of a block written now."""
        if not self._origin_ms:
            return CLOCK_NONE
        is_fresh = self._uptime_ms - self._set_at_ms <= SNTP_VALID_MS
        return CLOCK_SNTP if self._is_sntp and is_fresh else CLOCK_RTC

    def unix_ms(self, ticks_ms: int) -> int:
        """Return the best guess of Unix time; before the first synchronisation a lower bound."""
        uptime_ms = self.uptime_ms(ticks_ms)
        if not self._origin_ms:
            return self.floor_ms + uptime_ms
        self._slew(uptime_ms)
        return self._at(uptime_ms)

    def _at(self, uptime_ms: int) -> int:
        drift_ms = (uptime_ms - self._set_at_ms) * self._drift_ppb // _PPB
        return self._origin_ms + uptime_ms + drift_ms

    def _slew(self, uptime_ms: int) -> None:
        step_ms = (uptime_ms - self._slewed_at_ms) * SLEW_PPM // 1_000_000
        if step_ms:
            self._slewed_at_ms = uptime_ms
            step_ms = min(step_ms, abs(self._slew_ms))
            step_ms = step_ms if self._slew_ms > 0 else -step_ms
            self._slew_ms -= step_ms
            self._origin_ms += step_ms

    def base(self, ticks_ms: int) -> "tuple[int, int]":
        """Return clock quality and base of a block that is opened now."""
        unix_ms = self.unix_ms(ticks_ms)
        quality = self.quality()
        return quality, unix_ms if quality else self._uptime_ms

    def set(self, ticks_ms: int, unix_ms: int, is_sntp: bool) -> "bool | None":
        """Learn the time; True where a TIME record is due: the first time, and after a step.

        A time before the floor cannot be, and is ignored (None); but one wrong answer before a
        cut makes a floor that lies ahead, so that ``DOUBTS`` in a row lower it to the build's.
        """
        if unix_ms < self.floor_ms:
            self._doubts += is_sntp
            if self._doubts < DOUBTS or unix_ms < self._build_ms:
                return None
            self.floor_ms = self._build_ms
        self._doubts = 0
        uptime_ms = self.uptime_ms(ticks_ms)
        error_ms = unix_ms - self.unix_ms(ticks_ms) if self._origin_ms else STEP_MS + 1
        is_step = abs(error_ms) > STEP_MS
        if is_step:
            self._origin_ms = unix_ms - uptime_ms
            self._slew_ms = 0
        else:
            self._learn_drift(error_ms - self._slew_ms, uptime_ms - self._set_at_ms)
            self._origin_ms = unix_ms - error_ms - uptime_ms
            self._slew_ms = error_ms
        self._slewed_at_ms = self._set_at_ms = uptime_ms
        self._is_sntp = is_sntp
        return is_step

    def _learn_drift(self, error_ms: int, span_ms: int) -> None:
        if span_ms >= _DRIFT_SPAN_MS and self._is_sntp:
            change_ppb = error_ms * _PPB // span_ms // 2  # half: a moving average
            drift_ppb = self._drift_ppb + change_ppb
            self._drift_ppb = max(-DRIFT_MAX_PPB, min(DRIFT_MAX_PPB, drift_ppb))

    def tls_ms(self, ticks_ms: int) -> int:
        """Return the time to check certificates against: 2000-01-01 would refuse every one."""
        return max(self.floor_ms, self.unix_ms(ticks_ms))


def restamped(block: bytes, this_boot: int, origin_ms: "int | None", floor_ms: int) -> bytes:
    """Return the block as it is to be sent.

    Args:
        block: as it was stored.
        this_boot: a block of this boot without clock stays: its time may still be learned.
        origin_ms: Unix ms at uptime 0 of the block's boot, where known (``Ring.time_of``).
        floor_ms: the latest time known from before the block.
    """
    _, boot, _, _, clock, base_ms, _ = read_header(block)
    if clock != CLOCK_NONE:
        return block
    if origin_ms is not None:
        return restamp(block, CLOCK_RTC, origin_ms + base_ms)
    if boot == this_boot or not floor_ms:
        return block
    return restamp(block, CLOCK_FLOOR, floor_ms + base_ms)
