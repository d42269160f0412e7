"""Builds telegrams of DSMR P1 and IEC 62056-21."""

from tests.firmware.twice.build_checks import ARC, crc16


def p1(lines: "list[bytes]", check: "bytes | None" = None) -> bytes:
    """Return the telegram of these lines."""
    body = b"/ISk5\\2MT382-1000\r\n\r\n" + b"".join([line + b"\r\n" for line in lines]) + b"!"
    if check is None:
        check = b"%04X" % crc16(body, ARC, 0)
    return body + check + b"\r\n"


def even(text: bytes) -> bytes:
    """Return the text with the parity of 7E1 as bit 7."""
    out = bytearray(text)
    for index in range(len(out)):
        ones = 0
        for bit in range(7):
            ones += out[index] >> bit & 1
        out[index] |= (ones & 1) << 7
    return bytes(out)


def iec_block(lines: "list[bytes]") -> bytes:
    """Return STX, the data block, ETX and BCC, still without parity."""
    block = b"".join([line + b"\r\n" for line in lines]) + b"!\r\n\x03"
    check = 0
    for char in block:
        check ^= char
    return b"\x02" + block + bytes((check,))
