"""Checks of telegrams, bit by bit: written apart from the drivers."""

ARC, X25 = 0xA001, 0x8408


def crc16(data: bytes, polynomial: int, start: int) -> int:
    """Return a reflected CRC-16, bit by bit."""
    value = start
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
    return value
