"""Drivers of meters against decoders that others wrote: the same telegrams, the same rows.

The values that the decoder finds become a row by tests/firmware/expected_rows.py; the driver,
fed in pieces, has to give exactly that row.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from dlms_cosem.utils import parse_as_dlms_data
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser
from han import obis_map
from han.autodecoder import AutoDecoder
from han.hdlc import HdlcFrameReader
from iec62056_21.messages import DataBlock, DataLine, DataSet, ReadoutDataMessage
from smllib.reader import SmlStreamReader

from fieldnode.drivers import Driver, load
from tests.faults import quick_or_soak
from tests.firmware import meters
from tests.firmware.expected_rows import Row, row_of
from tests.firmware.twice import build_dlms, build_sml, build_text
from tests.firmware.twice.streams import dribbled
from tests.firmware.twice.support import Draw

pytestmark = pytest.mark.timeout(600)

_PROFILES = ("em1", "em3", "dtm", "pq3")
_PREFIXES = {"k": Decimal(1000), "M": Decimal(1_000_000)}


def _count() -> int:
    return quick_or_soak(300, 10_000)


def _rows(driver: Driver, text: bytes, draw: Draw) -> list[tuple[Row, int]]:
    rows = []
    for piece in dribbled(text, draw):
        driver.feed(piece, 0)
        row = driver.take(0)
        if row:
            rows.append(row)
    return rows


def _agree(name: str, profile: str, text: bytes, values: Mapping[str, Decimal], draw: Draw) -> None:
    row = row_of(profile, values)
    got = _rows(load(name, profile), text, draw)
    assert got == ([] if row is None else [(row, 0)]), (text, values)


def _in_base_units(value: Decimal, unit: str) -> Decimal:
    return value * _PREFIXES.get(unit[:1], Decimal(1))


def dsmr_values(telegram: str, specification: dict[str, Any]) -> dict[str, Decimal]:
    """Return what dsmr-parser finds, by OBIS code."""
    parsed = TelegramParser(specification).parse(telegram, throw_ex=True)
    values: dict[str, Decimal] = {}
    for item in specification["objects"]:
        code = re.sub(r"\\d-\\d:|\^|\.\+\?.*|\\", "", item["obis_reference"])
        found = getattr(parsed, item["value_name"], None)
        value = getattr(found, "value", None)
        if re.fullmatch(r"\d+\.\d+\.\d+", code) and isinstance(value, Decimal | int):
            prefix = "0." if code.startswith("96.") else ""
            values[prefix + code] = _in_base_units(Decimal(value), found.unit or "")  # type: ignore[union-attr]
    return values


def test_p1_agrees_with_dsmr_parser() -> None:
    draw = Draw(21)
    for number in range(_count()):
        telegram = build_text.p1(meters.p1_lines(draw))
        values = dsmr_values(telegram.decode(), telegram_specifications.V5)
        assert len(values) >= 12
        _agree("p1", _PROFILES[number % 4], telegram, values, draw)


def test_iec_62056_21_agrees_with_its_library_as_builder_and_as_parser() -> None:
    draw = Draw(22)
    for number in range(_count()):
        lines = []
        for line in meters.iec_lines(draw):
            found = re.fullmatch(r"([^(]+)\(([^*)]*)(?:\*([^)]+))?\)", line.decode())
            assert found
            lines.append(DataLine([DataSet(found[1], found[2], found[3])]))
        block = ReadoutDataMessage(DataBlock(lines)).to_bytes()
        values = {}
        for line in ReadoutDataMessage.from_bytes(block).data_block.data_lines:
            item = line.data_sets[0]
            code = re.fullmatch(r"(\d+\.\d+)(\.\d+)?", item.address)
            if code:
                value = _in_base_units(Decimal(item.value), item.unit or "")
                values[code[1] + (code[2] or ".0")] = value
        driver = load("iec62056", _PROFILES[number % 3], {"interval_s": 60})
        rows = []
        for start_ms in (0, 60_000):  # the first readout only says how long one is
            driver.poll(start_ms)
            driver.feed(build_text.even(b"/LGZ-X\r\n"), start_ms)
            rows += _rows(driver, build_text.even(block), draw)
        assert rows == [(row_of(_PROFILES[number % 3], values), 0)]


def sml_values(text: bytes) -> dict[str, Decimal]:
    """Return what smllib finds, by OBIS code."""
    reader = SmlStreamReader()
    reader.add(text)
    frame = reader.get_frame()
    assert frame is not None
    values = {}
    for entry in frame.get_obis():
        medium, code = entry.obis.obis_code.split(":")
        code, _, last = code.partition("*")
        if medium == "1-0" and last == "255" and isinstance(entry.value, int):
            values[code] = Decimal(entry.value).scaleb(entry.scaler or 0)
    return values


def test_sml_agrees_with_smllib() -> None:
    draw = Draw(23)
    for number in range(_count()):
        text = build_sml.sml(meters.sml_entries(draw))
        values = sml_values(text)
        assert len(values) >= 3
        _agree("sml", _PROFILES[number % 3], text, values, draw)


def amshan_values(text: bytes) -> dict[str, Decimal]:
    """Return what amshan finds in a frame, by OBIS code."""
    frame = HdlcFrameReader(use_octet_stuffing=False, use_abort_sequence=False).read(text)[0]
    assert frame.is_valid
    decoded = AutoDecoder().decode_message(frame)
    assert decoded is not None
    return _by_code(decoded)


def _by_code(decoded: Mapping[str, object]) -> dict[str, Decimal]:
    return {
        obis_map.name_obis_map[name][0]: Decimal(str(round(value, 6)))
        for name, value in decoded.items()
        if isinstance(value, int | float)
    }


@pytest.mark.parametrize("maker", [meters.aidon, meters.kamstrup, meters.kaifa])
def test_dlms_agrees_with_amshan(maker: Any) -> None:
    draw = Draw(24)
    for number in range(_count()):
        text = build_dlms.hdlc(maker(draw))
        _agree("dlms", _PROFILES[number % 3], text, amshan_values(text), draw)


def test_dlms_agrees_with_dlms_cosem_on_lists_of_any_order_type_and_scaler() -> None:
    draw = Draw(25)
    for number in range(_count()):
        body = meters.any_list(draw)
        values: dict[str, Decimal] = {}
        for item in parse_as_dlms_data(body):
            code, value, scale = item if len(item) == 3 else (item[0], None, None)
            if isinstance(value, int) and scale:
                values.setdefault(".".join(map(str, code[2:5])), Decimal(value).scaleb(scale[0]))
        text = build_dlms.hdlc(b"\xe6\xe7\x00\x0f\x00\x00\x00\x00\x00" + body)
        _agree("dlms", _PROFILES[number % 3], text, values, draw)
