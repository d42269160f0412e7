"""Thirty days on the virtual clock, sample by sample: nothing grows, and every row has its time.

The crystal is 40 ppm fast (0.1 s an hour), the ticks wrap after ten minutes and twice more, the
chip's calendar starts in 2000, and the time servers answer with up to 20 ms of error.
"""

import gc

from fieldnode.core import config as schema
from fieldnode.core.block import CLOCK_NONE, CLOCK_SNTP, read_header, read_rows
from fieldnode.core.clock import Clock, restamped
from fieldnode.core.health import Health
from fieldnode.core.ring import Ring
from fieldnode.hal.sim import TICKS_PERIOD_MS, VirtualClock
from fieldnode.recorder import Recorder
from tests.firmware.twice.support import Draw, count_of, flash_of, is_micropython

MINUTE_MS = 60_000
TRUE_MS = 1_795_300_200_000
ERROR_MS = 250  # crystal for an hour (144 ms), error of the server, and what is being slewed


class Life:
    def __init__(self) -> None:
        self.chip = VirtualClock(TRUE_MS, 40, TICKS_PERIOD_MS - 10 * MINUTE_MS)
        self.ring = Ring(flash_of(8), 1)
        self.clock = Clock(self.chip.ticks_ms(), TRUE_MS - 10_000_000)
        self.boot = self.ring.note_boot(1)
        self.draw = Draw(30)
        config = schema.defaults()
        config.update({"report_s": 900, "commit_s": 60, "sample_ms": MINUTE_MS})
        self.health = Health()
        self.recorder = Recorder(
            self.ring, self.clock, self.chip.ticks_ms, self.boot, self.health, config
        )
        self.rows = self.worst_ms = 0
        self.qualities: "set[int]" = set()

    def synchronise(self) -> None:
        """What syncing.py does with the answer of a server."""
        ticks_ms = self.chip.ticks_ms()
        if self.clock.set(ticks_ms, self.chip.true_ms + self.draw(41) - 20, is_sntp=True):
            self.recorder.commit()
            unix_ms = self.clock.unix_ms(ticks_ms)
            self.ring.note_time(self.boot, self.clock.uptime_ms(ticks_ms), unix_ms)

    def minute(self, number: int) -> None:
        self.chip.advance(MINUTE_MS)
        now_ms = self.clock.uptime_ms(self.chip.ticks_ms())
        power = (self.chip.true_ms - TRUE_MS) // MINUTE_MS  # says when it was measured
        self.recorder.sample(now_ms, (number, 0, power % 30_000, 2300, 5, 990), 0)
        self.recorder.tick(now_ms)

    def receipt(self) -> None:
        """Check what the hour has stored, as the gateway would see it, and trim it."""
        origin_ms = self.ring.time_of(self.boot)
        for _, stored in self.ring.pending():
            block = restamped(stored, self.boot, origin_ms, 0)
            _, _, seq, n, quality, base_ms, _ = read_header(block)
            self.qualities.add(quality)
            assert seq == self.rows
            self.rows += n
            for dt_ms, values, _ in read_rows(block, 6):
                minute = values[0]
                assert minute is not None
                error_ms = base_ms + dt_ms - (TRUE_MS + minute * MINUTE_MS)
                self.worst_ms = max(self.worst_ms, abs(error_ms))
        self.ring.ack(self.ring.rows.next - 1)


def used() -> int:
    gc.collect()
    return gc.mem_alloc() if is_micropython() else len(gc.get_objects())  # type: ignore[attr-defined]


def test_thirty_days() -> None:
    life = Life()
    hours = count_of(30 * 24, 90 * 24)
    before = 0
    for hour in range(hours):
        for minute in range(60):
            life.minute(hour * 60 + minute + 1)
            if hour == 0 and minute == 30:
                life.synchronise()  # half an hour of uptime only: restamped afterwards
        if hour:
            life.synchronise()
        life.receipt()
        if hour == 24:
            before = used()
    after = used()
    assert abs(after - before) <= 2 * 2048, (before, after)  # 64-bit words: 2 KiB on a board
    assert life.rows >= hours * 4
    assert CLOCK_NONE not in life.qualities
    assert CLOCK_SNTP in life.qualities
    assert life.worst_ms <= ERROR_MS, life.worst_ms
    assert life.health.get("rows_lost") == life.ring.keep.lost == 0
