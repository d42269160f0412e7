"""Check sums of meter telegrams, eight bits at a time.

CRC-16/ARC (DSMR P1), CRC-16/X-25 (HDLC, SML) and CRC-16/KERMIT (SML of some makers) are reflected
polynomials that differ in a start value and a final inversion only.
"""

from collections.abc import Sequence
from functools import partial


def _table(polynomial: int) -> Sequence[int]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def _crc(table: Sequence[int], start: int, inversion: int, data: bytes) -> int:
    crc = start
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ inversion


_CCITT = _table(0x8408)  # 0x1021 reflected

crc_arc = partial(_crc, _table(0xA001), 0, 0)  # 0x8005 reflected
crc_x25 = partial(_crc, _CCITT, 0xFFFF, 0xFFFF)
crc_kermit = partial(_crc, _CCITT, 0, 0)
