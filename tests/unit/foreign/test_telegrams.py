"""DSMR P1, DLMS pushes and SML: what meters say by themselves.

Recorded telegrams are read from the independent data; the others are built by the builders of the
firmware's tests, and smllib and amshan, which know nothing of us, must read the same.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from han import autodecoder
from hypothesis import assume, given
from hypothesis import strategies as st
from smllib.reader import SmlStreamReader

from gateway.decode.foreign.checksums import crc_arc, crc_kermit, crc_x25
from gateway.decode.foreign.dlms import read_push
from gateway.decode.foreign.p1 import read_p1, time_of
from gateway.decode.foreign.sml import read_sml
from gateway.decode.foreign.telegrams import Telegram
from gateway.errors import RejectedError
from gateway.topics import is_device_id
from tests.firmware.twice.build_sml import sml, sml_entry, sml_int
from tests.shared import SHARED, needs_shared
from tests.unit.foreign.rig import FEW, RECEIVED_MS, Rig

P1_BODY = (
    "/ISk5\\2MT382-1000\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(261122000030W)\r\n"
    "1-0:1.8.1(001234.567*kWh)\r\n1-0:1.8.2(000765.433*kWh)\r\n1-0:2.8.1(000012.000*kWh)\r\n"
    "1-0:2.8.2(000000.345*kWh)\r\n1-0:1.7.0(00.000*kW)\r\n1-0:2.7.0(01.250*kW)\r\n"
    "1-0:32.7.0(230.1*V)\r\n0-1:24.1.0(007)\r\n0-1:24.2.1({water})\r\n!"
)
WATER = "261122000000W)(00012.345*m3"


def p1(body: str = P1_BODY, water: str = WATER) -> bytes:
    text = body.replace("{water}", water).encode()
    return text + f"{crc_arc(text):04X}\r\n".encode()


def rows(name: str) -> list[dict[str, object]]:
    assert SHARED is not None
    lines = (SHARED / "data" / "devices" / name).read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_checks_are_those_of_the_catalogue() -> None:
    """Check values of "123456789": CRC-16/ARC, CRC-16/X-25 (IBM-SDLC), CRC-16/KERMIT."""
    text = b"123456789"
    assert (crc_arc(text), crc_x25(text), crc_kermit(text)) == (0xBB3D, 0x906E, 0x2189)


def test_a_p1_telegram_becomes_a_row_and_its_water_meter_another() -> None:
    """Import 1234.567 + 765.433 kWh = 2 MWh; power 0 − 1.25 kW; 261122000030W is 23:00:30 UTC."""
    meter, water = sorted(Rig().send("p1/house", p1()))
    assert (meter.device, meter.profile) == ("p1-house", "em3")
    assert meter.time_ms == int(datetime(2026, 11, 21, 23, 0, 30, tzinfo=UTC).timestamp()) * 1000
    assert meter.values == {"ea_imp": 2e6, "ea_exp": 12_345, "p": -1250, "u_l1": 230.1}
    assert (water.device, water.profile, water.values) == (
        "p1-house-water",
        "wtr1",
        {"vol": 12.345},
    )
    assert water.time_ms == meter.time_ms - 30_000


def test_heat_and_cold_behind_a_p1_port_are_registers_with_the_time_of_their_reading() -> None:
    """12.785 GJ = 3,551,388.889 Wh, read half an hour before; 1 kWh of cold."""
    lines = (
        "0-2:24.1.0(012)\r\n0-2:24.2.1(261121233000W)(12.785*GJ)\r\n"
        "0-3:24.1.0(010)\r\n0-3:24.2.1(261122000000W)(00001.000*kWh)\r\n!"
    )
    found = {one.device: one for one in Rig().send("p1/house", p1(P1_BODY[:-1] + lines))}
    heat, cold = found["p1-house-heat"], found["p1-house-cold"]
    assert heat.profile == "thm1"
    assert heat.values["heat"] == pytest.approx(3_551_388.889, abs=0.001)
    assert heat.time_ms == found["p1-house"].time_ms - 30_000 - 1_800_000
    assert (cold.profile, cold.values) == ("thm1", {"cold": 1000})


def test_two_meters_of_one_medium_are_told_apart_by_their_mbus_address() -> None:
    """62184801 2D2C 0B 0C: number 01481862 of KAM (0x2C2D), version 11, medium 12 (EN 13757-3)."""
    lines = (
        "0-2:24.1.0(004)\r\n0-2:96.1.0(621848012D2C0B0C)\r\n0-2:24.2.1(261122000000W)(1.0*GJ)\r\n"
        "0-3:24.1.0(012)\r\n0-3:24.2.1(261122000000W)(2.0*GJ)\r\n!"
    )
    found = {one.device for one in Rig().send("p1/house", p1(P1_BODY[:-1] + lines))}
    assert {"p1-house-heat-kam01481862", "p1-house-heat-3", "p1-house-water"} <= found


def two_gas(serial: str, second: str) -> bytes:
    lines = (
        f"0-2:24.1.0(003)\r\n0-2:96.1.0({serial})\r\n0-2:24.2.1(261122000000W)(1.0*m3)\r\n"
        f"0-3:24.1.0(003)\r\n0-3:96.1.0(zz)\r\n0-3:24.2.1({second})(2.0*m3)\r\n!"
    )
    return p1(P1_BODY[:-1] + lines)


def test_the_name_of_a_meter_does_not_depend_on_who_else_has_a_reading_now() -> None:
    now = {one.device for one in Rig().send("p1/home", two_gas("G0011", "261122000000W"))}
    later = {one.device for one in Rig().send("p1/home", two_gas("G0011", "632525252525W"))}
    assert {"p1-home-gas-g0011", "p1-home-gas-zz"} <= now
    assert later == now - {"p1-home-gas-zz"}


@pytest.mark.parametrize(
    ("topic", "serial", "device"),
    [
        ("p1/home", "A.B/C", "p1-home-gas-a-b-c"),
        ("p1/home", "x" * 60, f"p1-home-gas-{'x' * 40}-"),
        ("p1/" + "house" * 7, "y" * 30, f"p1-{'house' * 7}-gas-{'y' * 14}-"),
        ("p1/" + "house" * 20, "y" * 30, f"p1-{'house' * 7}ho-"),
    ],
)
def test_no_address_of_a_meter_costs_the_telegram(topic: str, serial: str, device: str) -> None:
    """It becomes part of a device id, which has few letters and 64 characters."""
    found = [one.device for one in Rig().send(topic, two_gas(serial, "261122000000W"))]
    assert len(set(found)) == 4
    assert all(is_device_id(one) for one in found)
    assert any(one.startswith(device) and "-gas-" in one for one in found)


def test_a_p1_telegram_is_read_on_a_native_lane() -> None:
    (meter,) = Rig().send("tg/1/site/energy/meter-1/t", p1())
    assert (meter.device, meter.values["ea_imp"]) == ("meter-1", 2e6)


@pytest.mark.parametrize("water", ["632525252525S)(00000.000*m3", "700101010000W)(00000000", ")("])
def test_a_sub_meter_without_time_is_left_out_and_the_rest_counts(water: str) -> None:
    (meter,) = Rig().send("p1/house", p1(water=water))
    assert meter.values["ea_imp"] == 2e6


def test_a_wrong_or_missing_crc_is_refused() -> None:
    good = p1()
    assert Rig().why("p1/house", good.replace(b"230.1", b"230.2")) == "checksum"
    assert Rig().why("p1/house", good[:-6] + b"\r\n") == "checksum"  # DSMR 5 must have one


def test_a_version_that_is_no_number_is_no_version() -> None:
    """³ is a digit to Python and no number; it must not stop the processor."""
    text = p1().replace(b"1-3:0.2.8(50)", b"1-3:0.2.8(\xb30)")
    (meter, *_) = sorted(Rig().send("p1/house", text[: text.index(b"!") + 1] + b"\r\n"))
    assert meter.status == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the hour that comes twice: S and W tell them apart
        ("261025023000S", "2026-10-25T00:30:00+00:00"),
        ("261025023000W", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_the_flag_of_summer_time_makes_local_time_one_instant(text: str, expected: str) -> None:
    assert datetime.fromtimestamp(time_of(text) / 1000, UTC).isoformat() == expected


def test_a_telegram_before_dsmr_4_is_marked_as_unchecked() -> None:
    text = p1().replace(b"1-3:0.2.8(50)\r\n", b"")
    (meter, *_) = sorted(Rig().send("p1/house", text[: text.index(b"!") + 1] + b"\r\n"))
    assert meter.status == 1


@needs_shared
def test_recorded_p1_telegrams_have_their_registers_and_times() -> None:
    read = 0
    for row in rows("p1_dev.jsonl"):
        telegram = read_p1(str(row["telegram"]).encode("latin-1"))
        decoded = row["decoded"] or {}
        assert isinstance(decoded, dict)
        wanted = {
            code: found[0][0]
            for code, found in decoded.items()
            if code.startswith("1-") and isinstance(found[0][0], list)
        }
        got = {code: [float(one.value), one.unit] for code, one in telegram.registers.items()}
        assert {code: got.get(code) for code in wanted} == wanted
        clock = decoded.get("0-0:1.0.0")
        if clock:
            instant = datetime.fromtimestamp(telegram.time_ms / 1000, UTC)
            assert instant.strftime("%Y-%m-%dT%H:%M:%SZ") == clock[0][0]
        read += 1
    assert read == 13


@needs_shared
def test_every_recorded_telegram_is_stored_and_the_meters_behind_it_as_recorded() -> None:
    """13 of P1, 14 pushes. One is of a heat meter alone, in GJ: 277,777.78 Wh each."""
    fates: Counter[str] = Counter()
    for row in rows("p1_dev.jsonl"):
        found = Rig().send("p1/house", str(row["telegram"]).encode("latin-1"))
        fates["meter"] += sum(one.profile == "em3" for one in found)
        decoded = row["decoded"] or {}
        assert isinstance(decoded, dict)
        # the sentinel for "no time" is 1970, and has no unit: such a meter is left out
        wanted = [
            (_instant_ms(code[0][0]), _as_stored(*code[0][1]))
            for name, code in decoded.items()
            if ":24.2." in name and isinstance(code[0][1], list)
        ]
        behind = [
            (one.time_ms, value)
            for one in found
            if one.profile != "em3"
            for value in one.values.values()
        ]
        assert [time_ms for time_ms, _ in behind] == [time_ms for time_ms, _ in wanted]
        assert [value for _, value in behind] == pytest.approx([value for _, value in wanted])
        fates["behind"] += len(behind)
        fates["heat"] += sum(one.profile == "thm1" for one in found)
    assert fates == {"meter": 12, "behind": 8, "heat": 1}
    for row in rows("dlms_push_dev.jsonl"):
        (one,) = Rig().send("han/meter", bytes.fromhex(str(row["hex"])))
        fates["stamped" if one.is_stamped else "timed"] += 1
    # twelve have no time, or one without zone
    assert (fates["stamped"], fates["timed"]) == (12, 2)


def _as_stored(value: float, unit: str) -> float:
    return value * 1e6 / 3.6 if unit == "GJ" else value


def _instant_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@needs_shared
def test_a_recorded_telegram_with_one_digit_changed_is_refused() -> None:
    for row in rows("p1_dev.jsonl"):
        if row["crc_ok"]:
            assert "1-0:1.8.1(0" in str(row["telegram"])
            damaged = (
                str(row["telegram"]).replace("1-0:1.8.1(0", "1-0:1.8.1(9", 1).encode("latin-1")
            )
            with pytest.raises(RejectedError, match="checksum"):
                read_p1(damaged)


DLMS_CODES = {
    f"{what}_{way}{phase}": f"1-0:{20 * place + c}.7.0"
    for c, what, way in (
        (1, "active_power", "import"),
        (2, "active_power", "export"),
        (3, "reactive_power", "import"),
        (4, "reactive_power", "export"),
    )
    for place, phase in enumerate(("", "_l1", "_l2", "_l3"))
}
DLMS_CODES |= {key + "_total": code.replace(".7.", ".8.") for key, code in DLMS_CODES.items()}
DLMS_CODES |= {f"current_l{n}": f"1-0:{11 + 20 * n}.7.0" for n in (1, 2, 3)}
DLMS_CODES |= {f"voltage_l{n}": f"1-0:{12 + 20 * n}.7.0" for n in (1, 2, 3)}


def compare(telegram: Telegram, expected: dict[str, object]) -> int:
    """Compare with what amshan says of a push; return how many registers there were."""
    wanted = {DLMS_CODES[key]: value for key, value in expected.items() if key in DLMS_CODES}
    found = {code: one.value for code, one in telegram.registers.items() if code in wanted}
    assert {code: float(value) for code, value in found.items()} == pytest.approx(wanted)
    clock = expected.get("meter_datetime")
    if clock:
        moment = datetime.fromisoformat(str(clock))
        if moment.tzinfo is not None:
            assert telegram.time_ms == moment.timestamp() * 1000
        else:
            assert telegram.time_ms == 0
            assert telegram.wall == moment.replace(tzinfo=UTC)
    return len(wanted)


@needs_shared
def test_recorded_dlms_pushes_have_their_registers_and_times() -> None:
    counts = []
    for row in rows("dlms_push_dev.jsonl"):
        expected = row["expected"]
        assert isinstance(expected, dict)
        counts.append(compare(read_push(bytes.fromhex(str(row["hex"]))), expected))
    assert len(counts) == 14
    assert all(counts)


@needs_shared
def test_a_push_without_zone_is_stamped_or_read_in_the_zone_of_the_configuration() -> None:
    """Kaifa's clock says 2019-02-04 23:52:22 and no deviation; in Oslo that is 22:52:22 UTC."""
    (row,) = [row for row in rows("dlms_push_dev.jsonl") if row["id"] == "dlms-amshan-005"]
    push = bytes.fromhex(str(row["hex"]))
    (stamped,) = Rig().send("han/meter", push)
    assert stamped.is_stamped
    (placed,) = Rig(zone="Europe/Oslo").send("han/meter", push)
    assert placed.time_ms == int(datetime(2019, 2, 4, 22, 52, 22, tzinfo=UTC).timestamp()) * 1000


@needs_shared
def test_pushes_in_hdlc_frames_are_the_same_and_a_damaged_frame_is_refused() -> None:
    """Frame: A0 and length, addresses 03 and 21, control 13, both checks low byte first."""
    for row in rows("dlms_push_dev.jsonl"):
        push = bytes.fromhex(str(row["hex"]))
        head = (0xA000 | len(push) + 9).to_bytes(2) + b"\x03\x21\x13"
        head += crc_x25(head).to_bytes(2, "little")
        frame = head + push + crc_x25(head + push).to_bytes(2, "little")
        assert read_push(b"\x7e" + frame + b"\x7e") == read_push(push)
        damaged = bytearray(b"\x7e" + frame + b"\x7e")
        damaged[len(damaged) // 2] ^= 1
        with pytest.raises(RejectedError, match="checksum"):
            read_push(bytes(damaged))


@pytest.fixture(scope="module")
def silence() -> Iterator[None]:
    """Amshan logs what it cannot read, thousands of times."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


# Type of a Kamstrup with current transformers: amshan has its scale and never finds the type.
CT_METER = b"\x0a\x12685"
OBIS_CODE = re.compile(b"\x09\x06.{6}", re.DOTALL)  # damaged it is another quantity, in no list


@needs_shared
@FEW
@given(data=st.data())
@pytest.mark.usefixtures("silence")
def test_what_amshan_reads_of_a_damaged_push_we_read_the_same_or_refuse(
    data: st.DataObject,
) -> None:
    row = data.draw(st.sampled_from(rows("dlms_push_dev.jsonl")))
    push = bytearray.fromhex(str(row["hex"]))
    place = data.draw(st.integers(40, len(push) - 1)) if len(push) > 41 else 28
    assume(not any(one.start() <= place < one.end() for one in OBIS_CODE.finditer(push)))
    push[place] ^= 1 << data.draw(st.integers(0, 7))
    assume(CT_METER not in push)
    try:
        ours = read_push(bytes(push))
        theirs = autodecoder.AutoDecoder().decode_message_payload(bytes(push)) or {}
    except (RejectedError, LookupError, AttributeError):
        return  # refused by us, or more than amshan can take
    for key, code in DLMS_CODES.items():
        if key in theirs and code in ours.registers:
            value = theirs[key]
            assert isinstance(value, int | float)
            assert float(ours.registers[code].value) == pytest.approx(value)


SML_UNITS = {1: 30, 2: 30, 16: 27, 32: 35, 31: 33, 14: 44}


@st.composite
def sml_entries(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    codes = draw(st.lists(st.sampled_from(sorted(SML_UNITS)), min_size=1, unique=True))
    return [
        (
            c,
            draw(st.integers(-4, 2)),
            draw(st.integers(-(2**31), 2**31 - 1)),
            draw(st.sampled_from([4, 8])),
        )
        for c in codes
    ]


def sml_telegram(entries: list[tuple[int, int, int, int]]) -> bytes:
    built = [
        sml_entry(
            (1, 0, c, 8 if c < 3 else 7, 0, 255), SML_UNITS[c], scaler, sml_int(value, size, 5)
        )
        for c, scaler, value, size in entries
    ]
    return sml(built)


@FEW
@given(entries=sml_entries())
def test_sml_telegrams_are_read_as_smllib_reads_them(
    entries: list[tuple[int, int, int, int]],
) -> None:
    telegram = sml_telegram(entries)
    reader = SmlStreamReader()
    reader.add(telegram)
    frame = reader.get_frame()
    assert frame is not None
    theirs = {entry.obis.obis_code.split("*")[0]: entry for entry in frame.get_obis()}
    ours = read_sml(telegram).registers
    for code, register in ours.items():
        entry = theirs[code]
        assert register.value == Decimal(str(entry.value)).scaleb(entry.scaler or 0)
    assert len(ours) == len(entries)


@FEW
@given(entries=sml_entries(), place=st.integers(8, 10_000), bit=st.integers(0, 7))
def test_a_bit_that_flips_in_an_sml_telegram_is_noticed(
    entries: list[tuple[int, int, int, int]], place: int, bit: int
) -> None:
    telegram = bytearray(sml_telegram(entries))
    telegram[place % len(telegram)] ^= 1 << bit
    with pytest.raises(RejectedError):
        read_sml(bytes(telegram))


def test_a_list_of_an_sml_telegram_that_claims_billions_of_items_costs_nothing() -> None:
    """FF FF FF FF 0F is the head of a list of 2**20 items and more; the check is right."""
    body = (
        b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\x0f\x1b\x1b\x1b\x1b\x1a\x00"
    )
    with pytest.raises(RejectedError):
        read_sml(body + crc_x25(body).to_bytes(2, "little"))


def test_the_seconds_index_of_an_sml_meter_is_no_clock() -> None:
    (meter,) = Rig().send("sml/meter", sml_telegram([(1, -1, 12345, 4)]))
    assert meter.is_stamped
    assert meter.time_ms == RECEIVED_MS
    assert meter.values == {"ea_imp": 1234.5}
