"""A magnetometer at the I²C bus of a board: settings, vehicles, a wire that comes off."""

from fieldnode.drivers import load
from fieldnode.hal import tasks
from fieldnode.hal.sim import VirtualClock
from fieldnode.hal.sim_i2c import I2cBus
from fieldnode.sensing import Sensor
from tests.firmware.twice.support import raises

if False:  # for the type checker
    Row = tuple[int, tuple[int | None, ...], int]

START_MS = 1_800_000_000_000
EARTH = (1200, -350, 2600)  # counts of the field without a vehicle


class Chip:
    """What both chips have: registers, and a field to measure."""

    def __init__(self) -> None:
        self.registers = bytearray(128)
        self.field = list(EARTH)
        self.writes = 0
        self.reset()

    def reset(self) -> None:
        """Power on."""
        for index in range(len(self.registers)):
            self.registers[index] = 0

    def write(self, register: int, value: int) -> None:
        self.writes += 1
        self.registers[register] = value

    def is_measuring(self) -> bool:
        """Return whether the registers of this chip set it going; MicroPython has no abc."""
        raise NotImplementedError

    def axis(self, place: int) -> int:
        """Return a byte of x, y, z, the low one first."""
        value = self.field[place // 2] & 0xFFFF if self.is_measuring() else 0
        return value >> 8 if place % 2 else value & 255


class Lis3mdl(Chip):
    """ST, DocID024204: idle at power on (§7.4), bit 7 of the register counts up (§5.1.1)."""

    def reset(self) -> None:
        super().reset()
        self.registers[0x22] = 3

    def is_measuring(self) -> bool:
        is_little = not self.registers[0x23] & 2
        return self.registers[0x22] & 3 == 0 and self.registers[0x20] >= 0x70 and is_little

    def read(self, register: int) -> int:
        return self.axis((register & 127) - 0x28)

    def after(self, register: int) -> int:
        return register + 1 if register & 128 else register


class Qmc5883l(Chip):
    """QST, 13-52-04: standby at power on, 0x0B is to be 1 (§9.2.5)."""

    def is_measuring(self) -> bool:
        return self.registers[0x09] & 3 == 1 and self.registers[0x0B] == 1

    def read(self, register: int) -> int:
        return self.axis(register)

    def after(self, register: int) -> int:
        return register + 1


class Bench:
    """The part of a board that a sensor on a bus needs, in virtual time."""

    def __init__(self, chip: Chip, options: "dict[str, object]", address: int) -> None:
        self.clock = VirtualClock(START_MS)
        self.bus = I2cBus({address: chip})
        self.rows: "list[Row]" = []
        driver = load("magneto", "tl1", dict(options, interval_s=10))
        board: object = self
        self.driver = driver
        self.sensor = Sensor(board, driver, ["1:22:21"], board, self.uptime_ms, 1000)  # type: ignore[arg-type]

    def uptime_ms(self) -> int:
        return self.clock.true_ms - START_MS

    def ticks_us(self) -> int:
        return self.clock.ticks_ms() * 1000 % (1 << 30)

    def i2c(self, port: str) -> I2cBus:
        assert port == "1:22:21"
        return self.bus

    def sample(self, at_ms: int, values: "tuple[int | None, ...]", status: int) -> None:
        self.rows.append((at_ms, values, status))

    def run(self, until_ms: int) -> None:
        async def turn() -> None:
            while self.uptime_ms() < until_ms:
                await self.sensor.tick()
                self.clock.advance(self.driver.sample_ms)

        tasks.run(turn())


def drives_by(bench: Bench, chip: Chip, at_ms: int) -> None:
    """Let a car of 1.2 s pass."""
    bench.run(at_ms)
    chip.field[0] += 400
    chip.field[2] -= 700
    bench.run(at_ms + 1200)
    chip.field = list(EARTH)


def test_vehicles_bend_the_field_of_either_chip() -> None:
    cases: "tuple[tuple[Chip, dict[str, object], int], ...]" = (
        (Lis3mdl(), {}, 0x1C),
        (Lis3mdl(), {"address": 0x1E}, 0x1E),
        (Qmc5883l(), {"chip": "qmc5883l"}, 0x0D),
    )
    for chip, options, address in cases:
        bench = Bench(chip, options, address)
        for at_ms in (3000, 6000, 13_000):
            drives_by(bench, chip, at_ms)
        bench.run(20_100)
        assert [(row[0], row[1][:2], row[2]) for row in bench.rows] == [
            (10_000, (2, 2), 0),
            (20_000, (1, 3), 0),
        ], options
        occupancy = bench.rows[0][1][2]
        assert occupancy is not None
        assert 230 <= occupancy <= 250  # 2 · 1.2 s of 10 s


def test_a_chip_that_is_silent_makes_the_interval_invalid_and_is_set_up_anew() -> None:
    chip = Lis3mdl()
    bench = Bench(chip, {}, 0x1C)
    drives_by(bench, chip, 3000)
    bench.run(10_100)
    settings = chip.writes
    bench.bus.is_broken = True
    bench.run(12_000)
    chip.reset()  # it has lost its supply, too
    bench.bus.is_broken = False
    bench.run(20_100)
    drives_by(bench, chip, 25_000)
    bench.run(30_100)
    assert [row[2] for row in bench.rows] == [0, 4, 0]
    assert [row[1][1] for row in bench.rows] == [1, 1, 2]
    assert chip.writes == 2 * settings
    assert bench.driver.errors == 95  # 1.9 s of a sample every 20 ms


def test_options() -> None:
    assert "chip" in raises(ValueError, load, "magneto", "tl1", {"chip": "hmc5843"})
    assert "address" in raises(ValueError, load, "magneto", "tl1", {"address": 3})
