"""Builds telegrams of Modbus from random values; shared by both interpreters and the oracles."""

import struct

from tests.firmware.twice.build_checks import ARC, crc16


def modbus_answer(request: bytes, registers: "list[int]") -> bytes:
    """Return a meter's answer to a request of input registers."""
    first, count = struct.unpack(">HH", request[2:6])
    body = request[:2] + bytes((2 * count,))
    body += b"".join([struct.pack(">H", value) for value in registers[first : first + count]])
    check = crc16(body, ARC, 0xFFFF)
    return body + bytes((check & 255, check >> 8))
