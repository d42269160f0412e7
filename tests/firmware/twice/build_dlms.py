"""Builds telegrams of DLMS."""

import struct

from tests.firmware.twice.build_checks import X25, crc16


def hdlc(information: bytes, *, is_segment: bool = False) -> bytes:
    """Return a frame; the flags are its own."""
    size = len(information) + 10
    head = bytes(
        (0xA0 | (0x08 if is_segment else 0) | size >> 8, size & 255, 0x41, 0x08, 0x83, 0x13)
    )
    check = crc16(head, X25, 0xFFFF) ^ 0xFFFF
    frame = head + bytes((check & 255, check >> 8)) + information
    check = crc16(frame, X25, 0xFFFF) ^ 0xFFFF
    return b"\x7e" + frame + bytes((check & 255, check >> 8)) + b"\x7e"


def u32(value: int) -> bytes:
    """Return double-long-unsigned."""
    return b"\x06" + struct.pack(">I", value)


def u16(value: int) -> bytes:
    """Return long-unsigned."""
    return b"\x12" + struct.pack(">H", value)


def obis(*code: int) -> bytes:
    """Return the octet string of a code."""
    return b"\x09\x06" + bytes(code)
