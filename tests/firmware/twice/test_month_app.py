"""Thirty days of a whole node in virtual time: it samples, stores, sends and sets its clock.

Nothing grows, no row is lost, every row has its time to what its clock quality states, and the
watchdog is fed every second. The crystal is 40 ppm fast (0.1 s an hour), the ticks wrap after ten
minutes and twice more, the chip's calendar starts in 2000. Every day the server is away for twenty
minutes and the time servers for half a day, in which the quality becomes RTC; once the server is
away for an hour, and the node helps itself by a reset (ladder.py).
"""

import gc

from fieldnode.app import Node
from fieldnode.core import config as schema
from fieldnode.core.block import CLOCK_NONE, CLOCK_RTC, CLOCK_SNTP, read_header, read_rows
from fieldnode.drivers import SAMPLE, Driver
from fieldnode.hal import tasks
from fieldnode.hal.sim import TICKS_PERIOD_MS, VirtualClock
from tests.firmware.twice.support import count_of, is_micropython
from tests.firmware.twice.virtual import Board, ResetError, Server, run

if False:  # for the type checker
    from typing import Any

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
TRUE_MS = 1_795_300_200_000
SKEW_PPM = 40
# Of the server 20 ms, of the way 20; what the drift is wrong by for an hour (144 ms before it is
# learned), and the part of it that is still being slewed.
SNTP_MS = 250
# Beyond three hours without an answer the quality is RTC: the crystal's ±50 ppm at most (clock.py).
RTC_PPM = 50


class TrueTime(Driver):
    """Measures what time it really is, in ms since the beginning."""

    INPUT = SAMPLE

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.sample_ms = MINUTE_MS
        self._clock = clock
        self._is_new = False

    def sample(self, values: "tuple[int, ...]", uptime_ms: int) -> None:
        self.at_ms = uptime_ms
        self._is_new = True

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        if not self._is_new:
            return None
        self._is_new = False
        elapsed_ms = self._clock.true_ms - TRUE_MS
        return (elapsed_ms, 0, elapsed_ms % 30_000, 2300, 5, 990), 0


class Life:
    """A node, its board and its server."""

    def __init__(self) -> None:
        self.clock = VirtualClock(TRUE_MS, SKEW_PPM, TICKS_PERIOD_MS - 10 * MINUTE_MS)
        self.server = Server(b"tg/1/evn/energy/m-1/")
        self.board: "Any" = Board(self.clock, self.server, 8)
        self.config = schema.defaults()
        self.config.update({"org": "evn", "device": "m-1", "host": "server", "tls": "none"})
        self.config.update({"report_s": 900, "commit_s": 60, "ntp": "a,b", "sample_ms": MINUTE_MS})
        self.node = self.boot()
        self.boots = self.syncs = 0
        self.rows = 0
        self.worst_ms = 0
        self.qualities: "set[int]" = set()

    def boot(self) -> Node:
        return Node(self.board, self.config, TrueTime(self.clock))

    async def run(self) -> None:
        """Run the node, and again after a reset."""
        while True:
            try:
                await self.node.run()
            except ResetError:
                self.check_health()
                self.boots += 1
                self.node = self.boot()

    def check_health(self) -> None:
        health = self.node.health
        assert (health.get("rows_lost"), health.get("crashes"), self.node.ring.keep.lost) == (
            0,
            0,
            0,
        )
        self.syncs += health.get("syncs")

    def check_blocks(self) -> None:
        """Look at what has come since the last time."""
        blocks, self.server.blocks = self.server.blocks, []
        for block in blocks:
            _, _, seq, n, quality, base_ms, _ = read_header(block)
            assert seq == self.rows
            self.rows += n
            self.qualities.add(quality)
            for dt_ms, values, _ in read_rows(block, 6):
                self.check_row(base_ms + dt_ms, values[0], quality)

    def check_row(self, unix_ms: int, elapsed_ms: "int | None", quality: int) -> None:
        assert elapsed_ms is not None
        if quality == CLOCK_NONE:  # sent before the first answer: the gateway stamps it
            assert elapsed_ms < MINUTE_MS
            return
        error_ms = abs(unix_ms - TRUE_MS - elapsed_ms)
        if quality == CLOCK_SNTP:
            self.worst_ms = max(self.worst_ms, error_ms)
        else:
            assert quality == CLOCK_RTC
            assert error_ms <= SNTP_MS + 12 * HOUR_MS * RTC_PPM // 1_000_000, error_ms

    async def hour(self, number: int, away_minutes: int) -> None:
        """Let an hour pass, or a little more."""
        self.board.has_time = not 8 <= number % 24 < 20
        if away_minutes:
            self.server.go_down()
            await self.board.sleep_ms(away_minutes * MINUTE_MS)
            self.server.is_up = True
        await self.board.sleep_ms(HOUR_MS - self.clock.true_ms % HOUR_MS)
        self.check_blocks()


def used() -> int:
    gc.collect()
    return gc.mem_alloc() if is_micropython() else len(gc.get_objects())  # type: ignore[attr-defined]


async def live(life: Life, hours: int, long_hour: int, heap: "list[int]") -> None:
    running = tasks.create_task(life.run())
    hour = 0
    while hour < hours:
        away_minutes = 20 if hour % 24 == 5 else 0
        await life.hour(hour, 59 if hour == long_hour else away_minutes)
        hour = (life.clock.true_ms - TRUE_MS) // HOUR_MS + 1
        if hour in {4, 28}:
            heap.append(used())
    heap.append(used())
    running.cancel()
    for _ in range(5):  # whoever it has started ends, too
        await tasks.sleep_ms(0)


def test_a_month_of_the_whole_node() -> None:
    life = Life()
    heap: "list[int]" = []
    days = count_of(0, 29)
    hours = days * 24 + 15
    run(life.clock, live(life, hours, days // 2 * 24 + 11, heap))
    life.check_health()
    assert abs(heap[-1] - heap[-2]) <= 2 * 2048, heap  # 64-bit words: 2 KiB on a board
    assert life.rows >= (hours - 1) * 4  # the first one was a half
    assert life.node.recorder.next - life.rows <= 2  # in the open block
    assert life.node.ring.rows.next - life.node.ring.rows.done <= 2
    assert life.worst_ms <= SNTP_MS, life.worst_ms
    assert {CLOCK_SNTP, CLOCK_RTC} <= life.qualities
    assert life.server.downs == days + 2
    assert life.server.connects == life.server.downs + 1
    assert life.server.births >= hours * 3  # and a heartbeat every 15 min
    assert life.boots == 1
    assert life.syncs >= hours // 3
    assert life.board.fed >= (life.clock.true_ms - TRUE_MS) // 1010
    assert life.board.lines == []
