"""Packs a folder into a ROMFS image: what MicroPython runs in place, out of flash.

The format: docs.micropython.org, "ROMFS". Numbers are in groups of seven bits, highest first.
"""

import sys
from pathlib import Path

_MAGIC = b"\xd2\xcd\x31"
_DATA, _FOLDER, _FILE = 2, 4, 5


def _number(value: int) -> bytes:
    groups = [value & 127]
    while value := value >> 7:
        groups.insert(0, 128 | value & 127)
    return bytes(groups)


def _record(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + _number(len(payload)) + payload


def _content(folder: Path) -> bytes:
    out = b""
    for path in sorted(folder.iterdir()):
        name = path.name.encode("ascii")
        head = _number(len(name)) + name
        if path.is_dir():
            out += _record(_FOLDER, head + _content(path))
        else:
            out += _record(_FILE, head + _record(_DATA, path.read_bytes()))
    return out


def image_of(folder: Path) -> bytes:
    """Return the image of a folder."""
    content = _content(folder)
    size = _number(len(content))
    if (len(_MAGIC) + len(size) + len(content)) % 2:
        size = b"\x80" + size  # an image has an even length
    return _MAGIC + size + content


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(image_of(Path(sys.argv[1])))
