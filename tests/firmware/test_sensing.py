"""Drivers at the inputs of a board: one time for edges and polls, frequencies, changing lines."""

import asyncio
from array import array
from collections.abc import Callable

import pytest

from fieldnode.drivers import Driver, load
from fieldnode.hal.sim import VirtualClock
from fieldnode.sensing import Sensor
from tests.firmware.twice import build_text

Row = tuple[int, tuple[int | None, ...], int]
_START_MS = 1_800_000_000_000
_BOOTED_MS = 1_100_000  # the sensor starts this long after the node; ticks_us has wrapped once


class Board:
    """The part of a board that a sensor needs, with virtual time."""

    def __init__(self, clock: VirtualClock, inputs: dict[str, object]) -> None:
        self._clock = clock
        self._inputs = inputs

    def ticks_us(self) -> int:
        return self._clock.ticks_ms() * 1000 % (1 << 30)

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1000)

    def log(self, line: str) -> None: ...

    def counter(self, port: str, debounce_us: int) -> object:
        return self._inputs[port]

    def uart(self, port: str, line: tuple[int, int, int | None, int]) -> object:
        if port not in self._inputs:
            raise FileNotFoundError(port)
        return self._inputs[port]


class Input:
    """What is connected to a port: edges and cycles that a test makes."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._edges: list[int] = []
        self.cycles = 0

    def set(self, level: int) -> None:
        self._edges.append(self._clock.ticks_ms() * 1000 % (1 << 30) << 1 | level)

    def count(self) -> int:
        return self.cycles

    def take(self, into: "array[int]") -> int:
        found, self._edges = self._edges[:64], self._edges[64:]
        into[: len(found)] = array("I", found)
        return len(found)


class Rows:
    """Where rows go."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def sample(self, at_ms: int, values: tuple[int | None, ...], status: int) -> None:
        self.rows.append((at_ms, values, status))


class Bench:
    """A board with virtual time, one driver and two inputs."""

    def __init__(self, driver: Driver, tick_ms: int = 100) -> None:
        self.clock = VirtualClock(_START_MS)
        self.clock.advance(_BOOTED_MS)
        self.inputs = [Input(self.clock), Input(self.clock)]
        board = Board(self.clock, {"a": self.inputs[0], "b": self.inputs[1]})
        self.rows = Rows()
        recorder: object = self.rows
        self.sensor = Sensor(board, driver, ["a", "b"], recorder, self.uptime_ms, tick_ms)  # type: ignore[arg-type]

    def uptime_ms(self) -> int:
        return self.clock.true_ms - _START_MS

    async def run(self, duration_ms: int, each_ms: Callable[[int], None], tick_ms: int) -> None:
        for now_ms in range(duration_ms):
            each_ms(now_ms)
            if now_ms % tick_ms == 0:
                await self.sensor.tick()
            self.clock.advance(1)


async def test_axles_of_one_vehicle_stay_together_whenever_the_sensor_started() -> None:
    bench = Bench(load("axle", "pv1", {"distance_dm": 20}))

    def drive(now_ms: int) -> None:
        for at_ms, channel in ((1000, 0), (1200, 1), (1590, 0), (1790, 1)):  # 36 km/h, 5.9 m
            if now_ms in {at_ms, at_ms + 5}:
                bench.inputs[channel].set(1 if now_ms == at_ms else 0)

    await bench.run(8000, drive, 50)
    assert bench.rows.rows == [(_BOOTED_MS + 1790, (360, None, 3, 1, None, 590, 0), 0)]


@pytest.mark.parametrize("tick_ms", [50, 47])
async def test_cycles_become_frequencies(tick_ms: int) -> None:
    bench = Bench(load("doppler", "pv1"))

    def echo(now_ms: int) -> None:
        if 1000 <= now_ms < 3000:
            bench.inputs[0].cycles += 1 + (now_ms % 100 < 95)  # 1950 Hz: 100 km/h

    await bench.run(5000, echo, tick_ms)
    assert len(bench.rows.rows) == 1
    speed = bench.rows.rows[0][1][0]
    assert speed is not None
    assert abs(speed - 1000) <= 20


class Line:
    """A UART: keeps what is written and the settings; reads what a test puts in."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.settings: list[tuple[int, int, int | None, int]] = []
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_broken = self.is_closed = False

    async def read(self, most: int) -> bytes:
        data = await self.arrived.get()
        assert len(data) <= most
        return data

    async def write(self, data: bytes) -> None:
        if self.is_broken:
            raise OSError
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def set_line(self, line: tuple[int, int, int | None, int]) -> None:
        self.settings.append(line)


async def test_a_line_changes_its_baud_after_the_acknowledgement() -> None:
    clock = VirtualClock(_START_MS)
    line = Line()
    board = Board(clock, {"uart": line})
    driver = load("iec62056", "em1", {"interval_s": 60})
    rows: object = Rows()
    uptime = lambda: clock.true_ms - _START_MS  # noqa: E731
    sensor = Sensor(board, driver, ["uart"], rows, uptime, 1000)  # type: ignore[arg-type]
    task = asyncio.create_task(sensor.run(lambda _: None))
    line.arrived.put_nowait(build_text.even(b"/LGZ5X\r\n"))
    await asyncio.sleep(0.12)
    clock.advance(300)
    await asyncio.sleep(0.12)
    task.cancel()
    assert line.written == [build_text.even(b"/?!\r\n"), build_text.even(b"\x06050\r\n")]
    assert line.settings == [(9600, 8, None, 1)]


async def test_a_line_that_was_pulled_out_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldnode.sensing.AGAIN_MS", 10)
    clock = VirtualClock(_START_MS)
    inputs: dict[str, object] = {}
    board = Board(clock, inputs)  # at first there is no such line: its uart() fails
    driver = load("p1", "em1")
    rows: object = Rows()
    sensor = Sensor(board, driver, ["usb"], rows, lambda: 0, 1000)  # type: ignore[arg-type]
    moved: list[str] = []
    task = asyncio.create_task(sensor.run(moved.append))
    for times in (1, 2):
        inputs["usb"] = line = Line()
        line.arrived.put_nowait(build_text.p1([b"1-0:1.8.0(000001.000*kWh)"]))
        await asyncio.sleep(0.15)
        assert driver.telegrams == times
        del inputs["usb"]
        line.is_broken = True
        line.arrived.put_nowait(b"")
        await asyncio.sleep(0.05)
        assert line.is_closed
    task.cancel()
    assert len(moved) > 3


async def test_what_a_line_cannot_be_written_is_no_end_of_the_sensor() -> None:
    line = Line()
    line.is_broken = True
    driver = load("modbus", "em1")
    rows: object = Rows()
    board = Board(VirtualClock(_START_MS), {"usb": line})
    sensor = Sensor(board, driver, ["usb"], rows, lambda: 0, 1000)  # type: ignore[arg-type]
    await sensor.tick()
    assert line.written == []


async def test_who_listens_does_not_die_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task that ticks goes on without bytes, and would feed the watchdog for ever."""
    line = Line()
    driver = load("p1", "em1")
    rows: object = Rows()
    board = Board(VirtualClock(_START_MS), {"usb": line})
    sensor = Sensor(board, driver, ["usb"], rows, lambda: 0, 1000)  # type: ignore[arg-type]
    monkeypatch.setattr(driver, "feed", {}.__getitem__)  # TypeError
    line.arrived.put_nowait(b"/")
    with pytest.raises(OSError, match="listener"):
        await asyncio.wait_for(sensor.run(lambda _: None), 2)
    monkeypatch.undo()
    task = asyncio.create_task(sensor.run(lambda _: None))  # as app.py does: started again
    line.arrived.put_nowait(build_text.p1([b"1-0:1.8.0(000001.000*kWh)"]))
    await asyncio.sleep(0.1)
    task.cancel()
    assert driver.telegrams == 1


async def test_a_slow_sample_rate_loses_no_edges() -> None:
    """A board keeps 64 of them between two looks: 32 pulses, at 20 kW six seconds."""
    bench = Bench(load("s0", "em1"), 3_600_000)
    assert bench.sensor._tick_ms <= 1000
