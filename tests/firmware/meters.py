"""Random telegrams of meters, for the comparison with independent decoders."""

import struct

from tests.firmware.twice.build_dlms import obis, u16, u32
from tests.firmware.twice.build_sml import sml_entry, sml_int, sml_list, sml_octets
from tests.firmware.twice.support import Draw

_TARIFFS = (b"1.8.1", b"1.8.2", b"2.8.1", b"2.8.2")
_CLOCK = b"\x07\xe4\x01\x15\x02\x10\x00\x00\xff\x00\x00\x00"
_PUSH = b"\xe6\xe7\x00\x0f\x40\x00\x00\x00"


def fixed(draw: Draw, whole: int, fraction: int, highest: int = 0) -> bytes:
    """Return a number of that many digits; small ones are as frequent as large ones."""
    top = 10 ** (1 + draw(whole + fraction))
    number = draw(min(top, highest + 1) if highest else top)
    text = str(number)
    text = "0" * (whole + fraction - len(text)) + text
    return (text[:whole] + "." + text[whole:] if fraction else text).encode()


def kwh(draw: Draw) -> bytes:
    """Return a register with its unit."""
    return fixed(draw, 6, 3) + b"*kWh"


def p1_lines(draw: Draw) -> "list[bytes]":
    """Return the lines of a DSMR 5 telegram, with or without the phases L2 and L3."""
    lines = [b"1-3:0.2.8(50)", b"0-0:1.0.0(170102192002W)", b"0-0:96.1.1(4B384547)"]
    lines += [b"1-0:%s(%s)" % (code, kwh(draw)) for code in _TARIFFS]
    lines.append(b"0-0:96.14.0(000" + str(1 + draw(2)).encode() + b")")
    for c in (1, 2):
        power = fixed(draw, 2, 3, 19_999)
        lines.append(b"1-0:%d.7.0(%s*kW)" % (c, power))
    lines.append(b"0-0:96.7.21(" + fixed(draw, 5, 0) + b")")
    lines.append(b"0-0:96.7.9(" + fixed(draw, 5, 0) + b")")
    lines.append(b"1-0:99.97.0(1)(0-0:96.7.19)(000104180320W)(0000237126*s)")
    phases = range(3 if draw(2) else 1)
    for kind in (b".32.0", b".36.0"):
        for phase in phases:
            code = str(32 + 20 * phase).encode() + kind
            lines.append(b"1-0:" + code + b"(" + fixed(draw, 5, 0) + b")")
    lines.append(b"0-0:96.13.0(" + b"3A" * (draw(1000) if draw(4) == 0 else 0) + b")")
    for phase in phases:
        code = str(20 * phase).encode()
        lines.append(b"1-0:%d.7.0(%s*V)" % (32 + 20 * phase, fixed(draw, 3, 1, 3999)))
        lines.append(b"1-0:%d.7.0(%s*A)" % (31 + 20 * phase, fixed(draw, 3, draw(3), 110)))
    for phase in phases:
        lines.append(b"1-0:%d.7.0(%s*kW)" % (21 + 20 * phase, fixed(draw, 2, 3, 9999)))
        lines.append(b"1-0:%d.7.0(%s*kW)" % (22 + 20 * phase, fixed(draw, 2, 3, 9999)))
    lines.append(b"0-1:24.1.0(003)")
    lines.append(b"0-1:96.1.0(3232323241424344313233343536373839)")
    lines.append(b"0-1:24.2.1(170102161005W)(%s*m3)" % fixed(draw, 5, 3))
    return lines


def iec_lines(draw: Draw) -> "list[bytes]":
    """Return the data lines of a readout."""
    lines = [b"F.F(00000000)", b"0.0.0(12345678)", b"C.1.0(%s)" % fixed(draw, 8, 0)]
    if draw(2):
        lines.append(b"1.8.0(%s*kWh)" % fixed(draw, 8, 1))
        lines.append(b"1.8.0*01(%s*kWh)" % fixed(draw, 8, 1))
    lines += [b"%s(%s*kWh)" % (code, fixed(draw, 8, 1)) for code in _TARIFFS]
    lines.append(b"3.8.0(%s*kvarh)" % fixed(draw, 7, 2))
    lines.append(b"4.8.0(%s*kvarh)" % fixed(draw, 7, 2))
    lines.append(b"16.7(%s%s*kW)" % (b"-" if draw(2) else b"", fixed(draw, 3, 3, 29_999)))
    for phase in range(3):
        lines.append(b"%d.7(%s*V)" % (32 + 20 * phase, fixed(draw, 3, 1, 3999)))
        lines.append(b"%d.7(%s*A)" % (31 + 20 * phase, fixed(draw, 3, 2, 11_999)))
    lines.append(b"14.7(%d.%02d*Hz)" % (45 + draw(20), draw(100)))
    lines.append(b"13.7(%s%d.%02d)" % (b"-" if draw(2) else b"", 0, draw(100)))
    return lines


def sml_value(draw: Draw, highest: int, *, is_signed: bool) -> bytes:
    """Return a value in as many bytes as a meter may take."""
    value = draw(highest)
    size = 1
    while value >> 8 * size - 1:
        size += 1
    size += draw(9 - size)
    if is_signed and draw(2):
        value = -value
    return sml_int(value, size, 5 if is_signed or draw(2) else 6)


def sml_entries(draw: Draw) -> "list[bytes]":
    """Return the entries of a meter's list."""
    none = b"\x01"
    server = sml_octets(bytes((10, 1)) + b"ISK" + draw.bytes(5))
    entries = [
        sml_list([sml_octets(bytes((1, 0, 96, 50, 1, 1))), none, none, none, none, server, none]),
        sml_list([sml_octets(bytes((1, 0, 96, 1, 0, 255))), none, none, none, none, server, none]),
    ]
    for c in (1, 2):
        scaler = (-4, -1, 0)[draw(3)]
        for e in range(1 + draw(3)):
            value = sml_value(draw, 10 ** (1 + draw(9)) * 10**-scaler, is_signed=False)
            entries.append(sml_entry((1, 0, c, 8, e, 255), 30, scaler, value))
    value = sml_value(draw, 299_999, is_signed=True)
    entries.append(sml_entry((1, 0, 16, 7, 0, 255), 27, -1, value))
    if draw(2):
        for phase in range(3):
            value = sml_value(draw, 3999, is_signed=False)
            entries.append(sml_entry((1, 0, 32 + 20 * phase, 7, 0, 255), 35, -1, value))
            value = sml_value(draw, 11_999, is_signed=False)
            entries.append(sml_entry((1, 0, 31 + 20 * phase, 7, 0, 255), 33, -2, value))
        value = sml_int(4500 + draw(1000), 2, 6)
        entries.append(sml_entry((1, 0, 14, 7, 0, 255), 44, -2, value))
    key = sml_octets(draw.bytes(48))
    name = sml_octets(bytes((129, 129, 199, 130, 5, 255)))
    entries.append(sml_list([name, none, none, none, none, key, none]))
    return entries


def aidon(draw: Draw) -> bytes:
    """Return a message of Aidon: triples of code, value, scaler and unit."""
    items = [b"\x02\x02" + obis(1, 1, 0, 2, 129, 255) + b"\x0a\x0bAIDON_V0001"]
    items.append(b"\x02\x02" + obis(0, 0, 96, 1, 0, 255) + b"\x0a\x107359992892587665")
    items.append(b"\x02\x02" + obis(0, 0, 96, 1, 7, 255) + b"\x0a\x046525")

    def add(code: "tuple[int, int, int]", value: bytes, scaler: int, unit: int) -> None:
        c, d, e = code
        scale = b"\x02\x02\x0f" + bytes((scaler & 255, 0x16, unit))
        items.append(b"\x02\x03" + obis(1, 0, c, d, e, 255) + value + scale)

    for c in (1, 2, 3, 4):
        add((c, 7, 0), u32(draw(30_000)), 0, 27 if c < 3 else 29)
    for c in (31, 51, 71):
        add((c, 7, 0), b"\x10" + struct.pack(">h", draw(1190)), -1, 33)
    for c in (32, 52, 72):
        add((c, 7, 0), u16(draw(4000)), -1, 35)
    if draw(2):
        items.append(b"\x02\x02" + obis(0, 0, 1, 0, 0, 255) + b"\x09\x0c" + _CLOCK)
        for c in (1, 2, 3, 4):
            add((c, 8, 0), u32(draw(10 ** (1 + draw(9)))), 1, 30 if c < 3 else 32)
    return _PUSH + b"\x00" + b"\x01" + bytes((len(items),)) + b"".join(items)


def kamstrup(draw: Draw) -> bytes:
    """Return a message of Kamstrup: codes and values in turn, no scalers."""
    items = [b"\x0a\x0eKamstrup_V0001", obis(1, 1, 0, 0, 5, 255), b"\x0a\x105706567000000000"]
    items += [obis(1, 1, 96, 1, 1, 255), b"\x0a\x12000000000000000000"]
    is_three = draw(2)
    for c in (1, 2, 3, 4):
        items += [obis(1, 1, c, 7, 0, 255), u32(draw(30_000))]
    for c in (31, 51, 71):
        is_there = c == 31 or is_three
        items += [obis(1, 1, c, 7, 0, 255), u32(draw(11_999))] if is_there else [b"\0", b"\0"]
    for c in (32, 52, 72):
        is_there = c == 32 or is_three
        items += [obis(1, 1, c, 7, 0, 255), u16(draw(400))] if is_there else [b"\0", b"\0"]
    if draw(2):
        items += [obis(0, 1, 1, 0, 0, 255), b"\x09\x0c" + _CLOCK]
        for c in (1, 2, 3, 4):
            items += [obis(1, 1, c, 8, 0, 255), u32(draw(10 ** (1 + draw(9))))]
    body = b"\x02" + bytes((len(items),)) + b"".join(items)
    return b"\xe6\xe7\x00\x0f\x00\x00\x00\x00\x0c" + _CLOCK + body


def kaifa(draw: Draw) -> bytes:
    """Return a message of Kaifa: values without codes, of one or three phases."""
    count = (1, 9, 13, 14, 18)[draw(5)]
    items = (
        [] if count == 1 else [b"\x09\x07KFM_001", b"\x09\x106970631402614476", b"\x09\x08MA304H3E"]
    )
    items += [u32(draw(30_000)) for _ in range(1 if count == 1 else 4)]
    phases = {1: 0, 9: 1, 14: 1}.get(count, 3)
    items += [u32(draw(119_999)) for _ in range(phases)]
    items += [u32(draw(4000)) for _ in range(phases)]
    if count in {14, 18}:
        items.append(b"\x09\x0c" + _CLOCK)
        items += [u32(draw(10 ** (1 + draw(9)))) for _ in range(4)]
    return _PUSH + b"\x09\x0c" + _CLOCK + b"\x02" + bytes((count,)) + b"".join(items)


# Type, format and highest value of the integers of DLMS.
_INTEGERS = (
    (5, ">i", 2**31), (6, ">I", 2**32), (15, ">b", 2**7), (16, ">h", 2**15),
    (17, ">B", 2**8), (18, ">H", 2**16), (20, ">q", 2**53), (21, ">Q", 2**53),
)  # fmt: skip
_CODES = [(c, 8, 0) for c in (1, 2, 3, 4)] + [(c, 8, e) for c in (1, 2) for e in (1, 2)]
_CODES += [(c, 7, 0) for c in (16, 1, 2, 3, 4, 36, 21, 22, 32, 52, 72, 31, 51, 71, 13, 14)]


def any_list(draw: Draw) -> bytes:
    """Return an array of code, value, scaler and unit, in any order, of any integer type."""
    items = []
    codes = list(_CODES)
    for _ in range(1 + draw(len(codes))):
        c, d, e = codes.pop(draw(len(codes)))
        tag, form, highest = _INTEGERS[draw(len(_INTEGERS))]
        value = draw(min(highest, 10 ** (1 + draw(12))))
        if form in {">b", ">h", ">i", ">q"} and draw(2):
            value = -value
        integer = bytes((tag,)) + struct.pack(form, value)
        scaler = (draw(10) - 6) & 255
        items.append(
            b"\x02\x03" + obis(1, 0, c, d, e, 255) + integer
            + b"\x02\x02\x0f" + bytes((scaler, 0x16, 27))
        )  # fmt: skip
        if draw(4) == 0:
            items.append(b"\x02\x02" + obis(0, 0, 96, 1, draw(9), 255) + b"\x09\x03abc")
    return b"\x01" + bytes((len(items),)) + b"".join(items)
