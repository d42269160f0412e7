"""Runs a driver: owns its line, feeds it and passes its rows on (drivers/__init__.py)."""

from array import array

from fieldnode import rooms
from fieldnode.hal.tasks import create_task

if False:  # for the type checker
    from collections.abc import Callable
    from typing import Any

    from fieldnode.hal.base import Hal, I2c, PulseCounter, Uart
    from fieldnode.recorder import Recorder

UART_TICK_MS = 50
EDGE_TICK_MS = 500  # a board keeps 64 edges between two looks; S0 makes up to 33 a second
AGAIN_MS = 5000  # a line that is not there is looked for again
_READ_BYTES = 128
_US = 1 << 30  # ticks_us wraps there
_MHZ_US = 1_000_000_000  # one cycle in a microsecond, in mHz


class Sensor:
    """One driver on its inputs.

    Args:
        hal: the board.
        driver: what ``drivers.load`` gave.
        ports: names of its inputs.
        recorder: gets the rows.
        uptime_ms: the node's.
        tick_ms: how often the driver is looked after (``sample_ms`` of the configuration).
    """

    def __init__(
        self,
        hal: "Hal",
        driver: "Any",
        ports: "list[str]",
        recorder: "Recorder",
        uptime_ms: "Callable[[], int]",
        tick_ms: int,
    ) -> None:
        self._hal = hal
        self.driver = driver
        self._recorder = recorder
        self._uptime_ms = uptime_ms
        self._tick_ms = tick_ms
        self._uart: "Uart | None" = None
        self._port = ""
        self._is_deaf = False
        self._line = None
        # Uptime in µs, extended from ticks that wrap every 18 min; one origin with uptime_ms,
        # since drivers compare the two.
        self._us = uptime_ms() * 1000
        self._ticks_us = hal.ticks_us()
        self._counts: "list[int]" = []  # of the sample before
        self._sampled_us = 0
        self._tick_ms = driver.sample_ms or tick_ms
        if driver.INPUT == "uart" and ports:
            self._line = driver.line
            self._port = ports[0]
            self._open()
            self._tick_ms = min(tick_ms, UART_TICK_MS)
            ports = ports[1:]  # a driver may want to know of edges beside its line
        self._bus: "I2c | None" = None
        if driver.INPUT == "sample" and driver.UNIT != "mhz" and ports:
            self._bus = rooms.enter("drivers.chip").connect(hal, ports[0])
            ports = []
        self._counters: "list[PulseCounter]" = []
        for port in ports:
            self._counters.append(hal.counter(port, 0))
        most = 64 if ports and driver.INPUT != "sample" else 0
        self._edges = array("I", [0] * most)
        if most:
            self._tick_ms = min(self._tick_ms, EDGE_TICK_MS)

    async def run(self, moved: "Callable[[str], None]") -> None:
        """Look after the driver for ever; ``moved("sense")`` is called at each tick."""
        self._is_deaf = False
        reader = create_task(self._listen()) if self._port else None
        try:
            while not self._is_deaf:
                await self.tick()
                moved("sense")
                await self._hal.sleep_ms(self._tick_ms)
        finally:
            if reader:
                reader.cancel()
        raise OSError("listener")

    def _open(self) -> None:
        """Open the line; a device that was pulled out comes back as another one."""
        if self._uart:
            self._uart.close()
            self._uart = None
        try:
            self._uart = self._hal.uart(self._port, self.driver.line)
            self._line = self.driver.line
        except OSError as error:
            self._hal.log("line: " + repr(error))

    async def _listen(self) -> None:
        try:
            while True:
                data = await self._uart.read(_READ_BYTES) if self._uart else b""
                if data:
                    self.driver.feed(data, self._uptime_ms())
                else:
                    self._open()
                    await self._hal.sleep_ms(AGAIN_MS)
        finally:
            self._is_deaf = True  # who ticks would not notice, and would feed the watchdog

    async def tick(self) -> None:
        """Do what is due now."""
        driver, now_ms = self.driver, self._uptime_ms()
        self._take_edges()
        if driver.INPUT == "sample":
            self._sample(now_ms)
        piece = driver.poll(now_ms)
        if self._uart:
            if piece:
                try:
                    await self._uart.write(piece)
                except OSError:  # pulled out: who listens opens it again
                    driver.errors += 1
                    return
            if driver.line != self._line:
                self._line = driver.line
                self._uart.set_line(driver.line)
        while True:
            row = driver.take(now_ms)
            if row is None:
                return
            self._recorder.sample(driver.at_ms, row[0], row[1])

    def _sample(self, now_ms: int) -> None:
        if self._bus:
            self.driver.sample(self.driver.read(self._bus), now_ms)
            return
        span_us = self._us - self._sampled_us
        counts, frequencies = [], []
        for index, counter in enumerate(self._counters):
            counts.append(counter.count())
            if self._counts and span_us:
                cycles = counts[index] - self._counts[index]
                frequencies.append(_MHZ_US * cycles // span_us)
        if self.driver.UNIT != "mhz":
            self.driver.sample(tuple(counts), now_ms)
            return
        if frequencies:
            self.driver.sample(tuple(frequencies), now_ms)
        self._counts = counts
        self._sampled_us = self._us

    def _take_edges(self) -> None:
        ticks_us = self._hal.ticks_us()
        self._us += (ticks_us - self._ticks_us) % _US
        self._ticks_us = ticks_us
        if not self._edges:
            return
        for channel, counter in enumerate(self._counters):
            for index in range(counter.take(self._edges)):
                edge = self._edges[index]
                age_us = (ticks_us - (edge >> 1)) % _US
                self.driver.edge(channel, edge & 1, self._us - age_us)
