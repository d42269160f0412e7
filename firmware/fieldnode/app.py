"""The running node: sample → block → ring → uplink, watched over by a supervisor.

Every task may die: it is logged, counted and started again; one that hangs starves the watchdog.
Without a connection the node helps itself step by step (ladder.py).
"""

import gc
import json

from fieldnode import drivers, rooms
from fieldnode.connecting import Connector
from fieldnode.core.block import CLOCK_NONE, read_header
from fieldnode.core.clock import Clock, restamped
from fieldnode.core.health import CRASH, WATCHDOG, Health, Progress
from fieldnode.core.ring import Ring
from fieldnode.core.uplink import COMMAND, DESIRED, Uplink
from fieldnode.hal.tasks import create_task
from fieldnode.ladder import CYCLE_MS
from fieldnode.recorder import BLOCK_BYTES, Recorder
from fieldnode.sensing import Sensor

if False:  # for the type checker
    from collections.abc import Callable, Coroutine
    from typing import Any

    from fieldnode.hal.base import Hal
    from fieldnode.ladder import Ladder

TICK_MS = 1000
CRASHES_MAX = 5  # resets by crash or watchdog in a row; then safe mode, to be reached at all
GOOD_MS = 600_000  # a program that has run this long has not crashed
SAFE_MS = 3_600_000  # after which a node in safe mode tries its sensors again
SYNC_MS, SYNC_RETRY_MS = 3_600_000, 60_000
REGISTERS_MS = 60_000  # how often registers are stored: 24,000 erases a year on LittleFS
RESERVE_BYTES = 3072  # the TLS context is one piece of 3,048 (unix port): taken first, then kept
LAST_GASP = 99  # event code (docs/protocol.md §7)


class Node:
    """A node on its board.

    Args:
        hal: the board.
        config: core/config.py.
        driver: a driver (drivers/__init__.py); None: the one that the configuration names.
        commands: more than commands.py has: name → what takes the document and returns the reply.
    """

    def __init__(
        self,
        hal: "Hal",
        config: "dict[str, Any]",
        driver: "Any" = None,
        commands: "dict[str, Callable[[dict[str, Any]], dict[str, Any]]] | None" = None,
    ) -> None:
        gc.collect()  # what the imports have left
        reserve = [bytearray(RESERVE_BYTES)] if config["tls"] != "none" else []
        self.hal = hal
        self.config = config
        self.health = Health()
        self.progress = Progress()
        self.ring = Ring(hal.flash, hal.random_u32(), BLOCK_BYTES)
        self.clock = self._clock()
        reason = hal.reset_reason()
        self.boot = self.ring.note_boot(reason)
        self._origin: "tuple[int, int | None]" = (0, None)  # boot, and Unix ms at its begin
        self.is_safe = self._count_crashes(reason) > CRASHES_MAX
        facts = {
            "profile": config["profile"],
            "fw": hal.fw,
            "boot": self.boot,
            "reason": reason,
            "safe": int(self.is_safe),
        }
        base = "tg/1/%s/%s/%s/" % (config["org"], config["sector"], config["device"])
        self.uplink = Uplink(self.ring, base, facts, self.health, self._stamp)
        self.recorder = Recorder(
            self.ring, self.clock, hal.ticks_ms, self.boot, self.health, config
        )
        self._driver = driver
        self._sensor: "Sensor | None" = None
        self._registers: "tuple[int, ...]" = ()
        self._stored_ms = self._reset_ms = 0
        self._is_hard = self._is_good = False
        self._aside: "Any" = None  # a task that nobody waits for
        self.commands = commands or {}
        self.connector = Connector(hal, config, self.uplink, self.health, self.uptime_ms, self._do)
        self.connector.reserve = reserve
        self.connector.moved = self._moved
        self._ladder: "Ladder | None" = None  # there while it has something to do or to forget
        if hal.kv_get("app.step"):
            self._enter_ladder()
        self.configure()

    def _clock(self) -> Clock:
        hal = self.hal
        ticks_ms = hal.ticks_ms()
        floor_ms = max(hal.build_ms, self.ring.floor_ms)
        is_floor = hal.kv_get("app.floor")  # what the calendar has counted from, before a reset
        if is_floor:
            floor_ms = max(floor_ms, hal.unix_ms())
        clock = Clock(ticks_ms, floor_ms, hal.build_ms)
        if is_floor or not clock.set(ticks_ms, hal.unix_ms(), False):
            hal.set_unix_ms(floor_ms)  # or TLS would find every certificate too young
            if hal.unix_ms() >= floor_ms - TICK_MS:  # else an operating system keeps it
                hal.kv_put("app.floor", b"1")
        return clock

    def _count_crashes(self, reason: int) -> int:
        stored = self.hal.kv_get("app.crash")
        before = stored[0] if stored else 0
        count = min(255, before + 1) if reason in {CRASH, WATCHDOG} else 0
        if count != before:
            self.hal.kv_put("app.crash", bytes([count]))
        return count

    def uptime_ms(self) -> int:
        """Return ms since boot."""
        return self.clock.uptime_ms(self.hal.ticks_ms())

    def _stamp(self, block: bytes) -> bytes:
        _, boot, _, _, quality, _, _ = read_header(block)
        if quality != CLOCK_NONE:
            return block
        if boot != self._origin[0]:
            self._origin = boot, self.ring.time_of(boot)
        return restamped(block, self.boot, self._origin[1], self.clock.floor_ms)

    def configure(self) -> None:
        """Take over what has changed in the configuration."""
        self.recorder.configure(self.config)
        self.uplink.heartbeat_ms = self.config["heartbeat_s"] * 1000
        self.uplink.backlog_per_s = self.config["backlog_per_s"]

    async def run(self) -> None:
        """Run for ever."""
        tasks: "list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]" = [
            ("uplink", self.connector.run),
            ("sync", self._keep_time),
        ]
        if self.hal.hears_power:
            tasks.append(("gasp", self._last_gasp))
        now_ms = self.uptime_ms()
        self.progress.watch("uplink", 120_000, now_ms)
        if not self.is_safe:
            tasks.append(("sense", self._sense))
            self.progress.watch("sense", 60_000 + 2 * self.config["sample_ms"], now_ms)
        running = []
        for name, work in tasks:
            running.append(create_task(self._keep(name, work)))
        try:
            while True:
                self.tick()
                await self.hal.sleep_ms(TICK_MS)
        finally:
            for task in running:
                task.cancel()

    async def _keep(self, name: str, work: "Callable[[], Any]") -> None:
        while True:
            try:
                await work()
                break
            except Exception as error:  # the one place: a node that is out there has to go on
                self.health.count("crashes")
                self.hal.log(name + " died: " + repr(error))
                await self.hal.sleep_ms(TICK_MS)

    def _sense(self) -> "Coroutine[Any, Any, None]":
        config = self.config
        if self._driver is None:
            stored = self.hal.kv_get("app.regs")
            registers = tuple(json.loads(stored)) if stored else ()
            how = dict(config["options"], key=config["driver_secret"])
            self._driver = drivers.load(config["driver"], config["profile"], how, registers)
        if self._sensor is None:  # once: its inputs are taken from then on
            ports = [port for port in config["input"].split(",") if port]
            self._sensor = Sensor(
                self.hal, self._driver, ports, self.recorder, self.uptime_ms, config["sample_ms"]
            )
        return self._sensor.run(self._moved)

    def _moved(self, task: str) -> None:
        self.progress.moved(task, self.uptime_ms())

    async def _keep_time(self) -> None:
        wait_ms = SYNC_RETRY_MS
        while self.config["ntp"]:
            if await self._sync():
                wait_ms = SYNC_MS
            await self.hal.sleep_ms(wait_ms)
            wait_ms = min(SYNC_MS, 2 * wait_ms) if wait_ms < SYNC_MS else SYNC_RETRY_MS

    async def _sync(self) -> bool:
        servers = self.config["ntp"].split(",")
        room = rooms.enter("syncing")
        outcome = await room.sync(self.hal, self.clock, servers)
        rooms.leave("syncing", "core.sntp")
        if outcome is None:
            return False
        self.health.count("syncs")
        if outcome:
            self.recorder.commit()  # its block carries uptime, or the time before the step
            now_ms = self.uptime_ms()
            self.ring.note_time(self.boot, now_ms, self.clock.unix_ms(self.hal.ticks_ms()))
            self._origin = (0, None)
        return True

    async def _last_gasp(self) -> None:
        while True:
            await self.hal.power_fails()
            self.event(LAST_GASP)
            self._store_registers(self.uptime_ms())
            await self.hal.sleep_ms(TICK_MS)

    def event(self, code: int) -> None:
        """Store an event and everything measured before it, and send both."""
        self.recorder.commit()
        unix_ms = self.clock.unix_ms(self.hal.ticks_ms()) if self.clock.quality() else 0
        names = code, unix_ms, self.ring.keep.log, self.ring.keep.next
        if self.ring.event(b'{"c":%d,"t":%d,"log":%d,"en":%d}' % names) is None:
            self.health.count("events_lost")
        self.connector.wake()

    def tick(self) -> None:
        """Do what is due every second."""
        now_ms = self.uptime_ms()
        self.recorder.tick(now_ms)
        self.connector.tick(now_ms)
        if now_ms - self._stored_ms >= REGISTERS_MS:
            self._store_registers(now_ms)
        stuck = self.progress.stuck(now_ms)
        if stuck:
            self.hal.log("stuck: " + " ".join(stuck))
        else:
            self.hal.feed()
        self._climb(now_ms)
        if not self._is_good and now_ms >= GOOD_MS:
            self._is_good = True
            self._count_crashes(0)
        if self.is_safe and now_ms >= SAFE_MS and not self._reset_ms:
            self.reset_soon(False)
        if self._reset_ms and now_ms >= self._reset_ms:
            self.reset(self._is_hard)

    def _enter_ladder(self) -> None:
        room = rooms.enter("ladder")
        self._ladder = room.Ladder(self.hal, self.health, self.config, self.reset)
        rooms.leave("ladder")

    def _climb(self, now_ms: int) -> None:
        connector = self.connector
        is_down = not connector.is_up and now_ms - connector.since_ms >= CYCLE_MS
        if self._ladder is None and is_down:
            self._enter_ladder()
        if self._ladder is None:
            return
        if self._ladder.climb(now_ms, connector.is_up, connector.since_ms):
            self._aside = create_task(self._keep("cycle", self._cycle))
        if connector.is_up:
            self._ladder = None

    def _store_registers(self, now_ms: int) -> None:
        self._stored_ms = now_ms
        registers = self._sensor.driver.registers() if self._sensor else ()
        if registers != self._registers:
            self._registers = registers
            self.hal.kv_put("app.regs", json.dumps(list(registers)).encode())

    async def _cycle(self) -> None:
        for is_up in (False, True):
            await self.hal.network(is_up)

    def reset(self, is_hard: bool) -> None:
        """Store everything and start again."""
        self.recorder.commit()
        self._store_registers(self.uptime_ms())
        self.hal.reset(is_hard)

    def _do(self, kind: bytes, name: bytes, payload: bytes) -> None:
        if kind not in {COMMAND, DESIRED}:  # a copy of another memory: its numbers are taken
            self.hal.log("this memory is a copy: new log")
            self.ring.format(self.hal.random_u32())
            self.hal.reset(False)
            return
        room = rooms.enter("commands")
        answer = room.reply_to(self, kind, payload)
        rooms.leave("commands")
        self.uplink.reply(DESIRED if kind == DESIRED else name, answer)

    def reset_soon(self, is_hard: bool) -> None:
        """Reset when the reply is out."""
        self._is_hard = is_hard
        self._reset_ms = self.uptime_ms() + 2 * TICK_MS

    def sync_now(self) -> None:
        """Ask for the time beside everything else."""
        self._aside = create_task(self._keep("sync", self._sync))
