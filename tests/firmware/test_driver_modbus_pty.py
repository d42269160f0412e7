"""The Modbus master against pymodbus's server, over a pty as the serial line."""

import asyncio
import math
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import pytest
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simdevice import SimAction

from fieldnode.drivers import Driver, load
from tests.faults import quick_or_soak
from tests.firmware.expected_rows import Row, Values, row_of
from tests.firmware.twice.support import Draw

_ADDRESS = 7
_EVERY_MS = 100
_FLOAT = ModbusClientMixin.DATATYPE.FLOAT32
_LONG = ModbusClientMixin.DATATYPE.UINT32
Meter = Callable[[Draw, list[int]], Values]


def _put_float(registers: list[int], at: int, value: float) -> Decimal:
    registers[at : at + 2] = ModbusClientMixin.convert_to_registers(value, _FLOAT)
    back = ModbusClientMixin.convert_from_registers(registers[at : at + 2], _FLOAT)
    assert isinstance(back, float)
    return Decimal(back)


def _random_float(draw: Draw, highest: int) -> float:
    top = highest * 10 ** draw(6) // 100_000 + 1
    return draw(top * 1000) / 1000 * (-1 if draw(4) == 0 else 1)


def pzem(draw: Draw, registers: list[int]) -> Values:
    """Fill the registers of a PZEM-004T; return what they mean."""
    volts, amps, watts = draw(4000), draw(110_000), draw(300_000)
    wh, hertz, pf = draw(1 << 31), 450 + draw(200), draw(101)
    registers[0], registers[7], registers[8] = volts, hertz, pf
    for at, value in ((1, amps), (3, watts), (5, wh)):
        registers[at : at + 2] = ModbusClientMixin.convert_to_registers(
            value, _LONG, word_order="little"
        )
    return {
        "32.7.0": Decimal(volts).scaleb(-1),
        "31.7.0": Decimal(amps).scaleb(-3),
        "16.7.0": Decimal(watts).scaleb(-1),
        "1.8.0": Decimal(wh),
        "14.7.0": Decimal(hertz).scaleb(-1),
        "13.7.0": Decimal(pf).scaleb(-2),
    }


def _floats(
    places: dict[int, tuple[str, int, int]], draw: Draw, registers: list[int]
) -> dict[str, Decimal]:
    values = {}
    for at, (code, highest, factor) in places.items():
        value = _random_float(draw, highest)
        values[code] = _put_float(registers, at, abs(value) if factor > 1 else value) * factor
        if draw(50) == 0:
            _put_float(registers, at, math.inf)
            del values[code]
    return values


_SDM120 = {
    0: ("32.7.0", 400, 1), 6: ("31.7.0", 120, 1), 12: ("16.7.0", 30_000, 1),
    30: ("13.7.0", 1, 1), 70: ("14.7.0", 70, 1),
    72: ("1.8.0", 999_999, 1000), 74: ("2.8.0", 999_999, 1000),
}  # fmt: skip
_SDM630 = {
    0: ("32.7.0", 400, 1), 2: ("52.7.0", 400, 1), 4: ("72.7.0", 400, 1),
    6: ("31.7.0", 100, 1), 8: ("51.7.0", 100, 1), 10: ("71.7.0", 100, 1),
    12: ("36.7.0", 9000, 1), 14: ("56.7.0", 9000, 1), 16: ("76.7.0", 9000, 1),
    52: ("16.7.0", 99_000, 1), 60: ("3.7.0", 99_000, 1), 62: ("13.7.0", 1, 1),
    70: ("14.7.0", 70, 1), 72: ("1.8.0", 999_999, 1000), 74: ("2.8.0", 999_999, 1000),
    76: ("3.8.0", 999_999, 1000), 78: ("4.8.0", 999_999, 1000),
}  # fmt: skip


def sdm120(draw: Draw, registers: list[int]) -> Values:
    """Fill the registers of an SDM120."""
    return _floats(_SDM120, draw, registers)


def sdm630(draw: Draw, registers: list[int]) -> Values:
    """Fill the registers of an SDM630."""
    return _floats(_SDM630, draw, registers)


class _Line:
    """The master's end of the line, with the driver at it."""

    def __init__(self, driver: Driver, master: int) -> None:
        self._driver = driver
        self._master = master
        self._arrived = asyncio.Event()
        self._uptime_ms = 0
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        self._driver.feed(os.read(self._master, 256), self._uptime_ms)
        self._arrived.set()

    async def round(self) -> tuple[Row, int] | None:
        """Return the row of one round of requests, None where it failed."""
        errors = self._driver.errors
        while self._driver.errors == errors:
            self._uptime_ms += _EVERY_MS
            request = self._driver.poll(self._uptime_ms)
            if request:
                self._arrived.clear()
                os.write(self._master, request)
            row = self._driver.take(self._uptime_ms)
            if row:
                return row
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), 0.2)
        return None


@asynccontextmanager
async def serving(action: SimAction) -> AsyncIterator[int]:
    """Run the server at one end of a pty and give the other."""
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    registers = SimData(0, count=80, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(_ADDRESS, simdata=[registers], action=action)
    server = ModbusSerialServer(device, port=os.ttyname(slave), baudrate=9600)
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0.1)
    yield master
    asyncio.get_running_loop().remove_reader(master)
    await server.shutdown()  # type: ignore[no-untyped-call]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    os.close(master)
    os.close(slave)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("meter", "profile"), [(pzem, "em1"), (sdm120, "em1"), (sdm630, "em3"), (sdm630, "dtm")]
)
async def test_every_reading_is_what_the_server_has(meter: Meter, profile: str) -> None:
    draw = Draw(31)
    wanted: list[Values] = []
    refused: list[int] = []

    async def fill(
        code: int, start: int, address: int, count: int, registers: list[int], _: object
    ) -> ExcCodes | None:
        assert (code, start) == (4, 0)
        if address == 0:
            if draw(20) == 0:
                refused.append(count)
                return ExcCodes.DEVICE_BUSY
            wanted.append(meter(draw, registers))
        return None

    rounds = quick_or_soak(150, 10_000)
    good = 0
    async with serving(fill) as master:
        options = {"meter": meter.__name__, "address": _ADDRESS, "every_ms": _EVERY_MS}
        line = _Line(load("modbus", profile, dict(options)), master)
        for _ in range(rounds):
            row = await line.round()
            if row is not None:
                assert row == (row_of(profile, wanted[-1]), 0)
                good += 1
    assert good == len(wanted) >= rounds * 9 // 10
    assert good + len(refused) == rounds
