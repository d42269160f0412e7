"""Sensors at the serial lines of nodes: real drivers under MicroPython, a pty as the UART.

At the other end is a meter: others' encoders and decoders (dsmr-parser, smllib, amshan,
iec62056-21, pymodbus) say what its telegrams mean; rows are read out of the node's flash.
"""

import asyncio
import os
import termios
import threading
import time
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dsmr_parser import telegram_specifications
from iec62056_21.messages import DataBlock, DataLine, DataSet, ReadoutDataMessage
from pymodbus.constants import ExcCodes

from fieldnode.core.block import read_rows
from fieldnode.core.schema import schema_of
from fieldnode.drivers.etc import keyed_hash
from gateway.cli.loopback import free_port
from tests.firmware import meters
from tests.firmware.expected_rows import Row, row_of
from tests.firmware.nodes import Node
from tests.firmware.test_driver_modbus_pty import pzem, serving
from tests.firmware.test_drivers_oracle import amshan_values, dsmr_values, sml_values
from tests.firmware.twice import build_dlms, build_etc, build_sml, build_text
from tests.firmware.twice.streams import dribbled
from tests.firmware.twice.support import Draw
from tests.firmware.twice.test_driver_road import radar_frame
from tests.support.running import wait_until

# With a real driver in it a node keeps 28…31 KB (dlms has the most), the simulated board included.
HEAP_KB = 40
_ROWS = 4  # to be seen of each sensor
_WAIT_S = 90.0  # some seconds on a quiet machine


class Line:
    """The sensor's end of a serial line."""

    def __init__(self) -> None:
        self.fd, self._other = os.openpty()
        tty.setraw(self._other)
        os.set_blocking(self.fd, False)
        self.port = os.ttyname(self._other)
        self.is_over = False

    @property
    def speed(self) -> int:
        """Baud that the node has set, as a constant of termios."""
        return int(termios.tcgetattr(self._other)[4])

    def say(self, text: bytes, draw: Draw) -> None:
        """Write in pieces."""
        for piece in dribbled(text, draw):
            with suppress(BlockingIOError):  # the node does not read yet
                os.write(self.fd, piece)

    def hear(self, end: bytes) -> bytes:
        """Return what the node writes, up to ``end``; less only when the test is over."""
        heard = b""
        while end not in heard and not self.is_over:
            with suppress(BlockingIOError):
                heard += os.read(self.fd, 100)
            time.sleep(0.01)
        return heard

    def has_speed(self, speed: int) -> bool:
        """Wait until the node has set it; False when the test is over before."""
        while self.speed != speed and not self.is_over:
            time.sleep(0.01)
        return not self.is_over

    def close(self) -> None:
        self.is_over = True
        os.close(self.fd)
        os.close(self._other)


Sensor = Callable[[Line, list[Row | None]], None]  # speaks until ``is_over``; notes what it said


def _pushes(profile: str, telegram: Callable[[Draw], bytes], values: Callable[[bytes], Any]) -> Any:
    def speak(line: Line, said: list[Row | None]) -> None:
        draw = Draw(71)
        while not line.is_over:
            text = telegram(draw)
            said.append(row_of(profile, values(text)))
            line.say(text, draw)
            time.sleep(0.4)

    return speak


def _iec(line: Line, said: list[Row | None]) -> None:
    """Answer as a meter of mode C: ask, identify, acknowledge at 300 baud, then read at 9600."""
    draw = Draw(72)
    sets = [DataSet(code, f"00000{draw(999):03}.5", "kWh") for code in ("1.8.0", "2.8.0")]
    asked = build_text.even(b"/?!\r\n")
    while line.hear(b"\n") == asked and line.has_speed(termios.B300):
        line.say(build_text.even(b"/LGZ5X\r\n"), draw)
        if line.hear(b"\n") != build_text.even(b"\x06050\r\n"):
            break
        if not line.has_speed(termios.B9600):
            break
        block = ReadoutDataMessage(DataBlock([DataLine([one]) for one in sets])).to_bytes()
        line.say(build_text.even(block), draw)
        values = {
            one.data_sets[0].address: Decimal(one.data_sets[0].value) * 1000
            for one in ReadoutDataMessage.from_bytes(block).data_block.data_lines
        }
        said.append(row_of("em1", values))


def _radar(line: Line, said: list[Row | None]) -> None:
    """Let a vehicle of 9 km/h come nearer, and one of 18 km/h go away, again and again."""
    draw = Draw(73)
    while not line.is_over:
        for direction, kmh, kind in ((1, 9, 1), (0, 18, 2)):
            for step in range(6):
                line.say(radar_frame([(50 + step * direction // 3, direction, kmh)]), draw)
                time.sleep(0.1)
            said.append((10 * kmh, None, 0, kind))
            time.sleep(1.0)  # it has left


def _tags(line: Line, said: list[Row | None]) -> None:
    """Say each tag until it is acknowledged; once it is damaged before."""
    draw, number = Draw(74), 0
    line.has_speed(termios.B9600)  # what comes before the node has set its line is lost
    while not line.is_over:
        digit, tag = "02468ACE"[number % 8], build_etc.toc_tag(1, number)
        text = build_etc.message(digit, tag)
        line.say(text.replace(b"3E", b"3F"), draw)
        if line.hear(b"\r") != build_etc.answer(digit, "?"):
            break
        line.say(text, draw)
        if line.hear(b"\r") != build_etc.answer(digit, "@"):
            break
        said.append((0, None, 2, 0, 1, keyed_hash(b"hush", tag.encode())))
        number += 1


_SENSORS: dict[str, tuple[dict[str, Any], Sensor]] = {
    "p1": (
        {"profile": "em3"},
        _pushes(
            "em3",
            lambda draw: build_text.p1(meters.p1_lines(draw)),
            lambda text: dsmr_values(text.decode(), telegram_specifications.V5),
        ),
    ),
    "sml": (
        {"profile": "em1"},
        _pushes("em1", lambda draw: build_sml.sml(meters.sml_entries(draw)), sml_values),
    ),
    "dlms": (
        {"profile": "em1"},
        _pushes("em1", lambda draw: build_dlms.hdlc(meters.aidon(draw)), amshan_values),
    ),
    "iec62056": ({"profile": "em1", "options": {"interval_s": 30}}, _iec),
    "ld2451": ({"profile": "pv1", "sector": "transport"}, _radar),
    "etc": (
        {
            "profile": "etc1",
            "sector": "transport",
            "options": {"presence": 0},
            "driver_secret": "hush",
        },
        _tags,
    ),
}


def rows_of(node: Node, profile: str) -> list[tuple[Row, int]]:
    """Return what the flash of a node holds."""
    if not (node.folder / "flash.bin").exists():  # it has only just begun
        return []
    columns = len(schema_of(profile)[1])
    blocks = [block for _, block in node.ring().pending()]
    return [(values, status) for block in blocks for _, values, status in read_rows(block, columns)]


def has(node: Node, profile: str, count: int) -> bool:
    return len(rows_of(node, profile)) >= count


def node_at(port: str, folder: Path, image: Path, driver: str, **config: Any) -> Node:
    """Return a node with a driver at a line; its server is not there, so its flash keeps all."""
    columns = len(schema_of(config["profile"])[1])
    every = {"deadbands": [1] * columns, "sample_ms": 20, **config}
    node = Node(folder, image, driver, free_port(), driver=driver, input=port, **every)
    node.heap_kb = HEAP_KB
    return node


@pytest.mark.timeout(240)
def test_what_sensors_say_is_what_the_flash_holds(tmp_path: Path, image: Path) -> None:
    said: dict[str, list[Row | None]] = {name: [] for name in _SENSORS}
    nodes = {}
    with ExitStack() as stack:
        for name, (config, speak) in _SENSORS.items():
            line = Line()
            stack.callback(line.close)
            nodes[name] = stack.enter_context(node_at(line.port, tmp_path, image, name, **config))
            thread = threading.Thread(target=speak, args=(line, said[name]))
            thread.start()
            stack.callback(finish, line, thread)
        for name, node in nodes.items():
            wanted = 1 if name == "iec62056" else _ROWS  # its first readout only says its shape
            profile = _SENSORS[name][0]["profile"]
            has_rows = partial(has, node, profile, wanted)
            wait_until(has_rows, _WAIT_S, f"rows of {name}")
    for name, (config, _) in _SENSORS.items():
        found = rows_of(nodes[name], config["profile"])
        compare(name, [row for row, _ in found], said[name])
        assert {status for _, status in found} == {0}, name
        assert "died" not in nodes[name].console, name


def finish(line: Line, thread: threading.Thread) -> None:
    line.is_over = True
    thread.join(10)


def compare(name: str, found: list[Row], said: list[Row | None]) -> None:
    """Assert that the rows are what was said, one after the other, from some point on."""
    if name == "ld2451":  # on a crowded machine frames come late, and one vehicle becomes two
        assert {row[:4] for row in found} == {(90, None, 0, 1), (180, None, 0, 2)}
        return
    if name == "iec62056":
        said = said[1:]
    begin = said.index(found[0])
    assert found == said[begin : begin + len(found)], name


@pytest.mark.timeout(240)
async def test_a_modbus_meter_is_asked_over_its_line(tmp_path: Path, image: Path) -> None:
    """pymodbus's server answers; between its pty and the node's the test passes bytes on."""
    draw, said = Draw(75), []

    async def fill(
        code: int, start: int, address: int, count: int, registers: list[int], _: object
    ) -> ExcCodes | None:
        assert (code, start, address, count) == (4, 0, 0, 10)
        if draw(4) == 0:
            return ExcCodes.DEVICE_BUSY
        said.append(row_of("em1", pzem(draw, registers)))
        return None

    loop, line = asyncio.get_running_loop(), Line()
    options = {"meter": "pzem", "address": 7, "every_ms": 300}
    async with serving(fill) as master:
        loop.add_reader(master, lambda: os.write(line.fd, os.read(master, 256)))
        loop.add_reader(line.fd, lambda: os.write(master, os.read(line.fd, 256)))
        with node_at(line.port, tmp_path, image, "modbus", profile="em1", options=options) as node:
            end_s = loop.time() + _WAIT_S
            while len(rows_of(node, "em1")) < 2 * _ROWS:
                assert loop.time() < end_s, node.console
                await asyncio.sleep(0.3)
        assert line.speed == termios.B9600
        loop.remove_reader(line.fd)
    line.close()
    found = rows_of(node, "em1")
    begin = said.index(found[0][0])
    assert found == [(row, 0) for row in said[begin : begin + len(found)]]
