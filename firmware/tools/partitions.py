"""The partition table of a 4 MiB board: ``python -m firmware.tools.partitions > partitions.bin``.

MicroPython's own program and file system stay where its images expect them (ports/esp32,
partitions-4MiB.csv); what its file system leaves is ours. The format is ESP-IDF's: entries of
32 bytes, then the MD5 of all of them ("Partition Tables" of its programming guide).
"""

import hashlib
import struct
import sys

TABLE_BYTES = 0xC00
_ENTRY = "<2sBBII16sI"
_APP, _DATA = 0, 1
FLASH_BYTES = 4 << 20
SECTOR_BYTES = 4096

SLOT_BYTES = 0x1F000

# name, type, subtype, first byte, bytes. Subtypes from 0x80 on are for those who have no own.
PARTITIONS = (
    ("nvs", _DATA, 0x02, 0x9000, 0x6000),
    ("phy_init", _DATA, 0x01, 0xF000, 0x1000),
    ("factory", _APP, 0x00, 0x10000, 0x1F0000),
    ("vfs", _DATA, 0x81, 0x200000, 0x10000),  # boot.mpy, rom.mpy, main.py
    ("boot", _DATA, 0x80, 0x210000, 2 * SECTOR_BYTES),
    ("romfs", _DATA, 0x8F, 0x212000, 2 * SLOT_BYTES),  # both slots; the name that is mapped
    ("ring", _DATA, 0x80, 0x250000, 0x1B0000),  # 1.7 MiB: ten days of four values each 10 s
)


def table() -> bytes:
    """Return the table, as it lies at 0x8000."""
    entries = b"".join(
        struct.pack(_ENTRY, b"\xaa\x50", kind, subtype, start, size, name.encode(), 0)
        for name, kind, subtype, start, size in PARTITIONS
    )
    checked = entries + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries).digest()  # noqa: S324
    return checked.ljust(TABLE_BYTES, b"\xff")


if __name__ == "__main__":
    sys.stdout.buffer.write(table())
