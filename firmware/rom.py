"""The image in a slot as a file system, for ``import``: MicroPython's ROMFS, read by the sector.

Where MicroPython maps the flash of both slots into memory (vfs.rom_ioctl), its own VfsRom runs an
image in place; this is for builds that do not: bytecode then goes to the heap.
"""

import io

if False:  # for the type checker
    from fieldnode.hal.base import BlockDevice


class Part:
    """Some sectors of a block device."""

    def __init__(self, device: "BlockDevice", first: int, count: int) -> None:
        self._device, self._first, self._count = device, first, count

    def readblocks(self, number: int, buffer: "bytearray | memoryview", offset: int) -> None:
        self._device.readblocks(self._first + number, buffer, offset)

    def writeblocks(self, number: int, buffer: "bytearray | memoryview", offset: int) -> None:
        if not 0 <= number < self._count:
            raise ValueError("outside of the part")
        self._device.writeblocks(self._first + number, buffer, offset)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == 4:
            return self._count
        return self._device.ioctl(operation, argument + (self._first if operation == 6 else 0))


class Rom:
    """The image of a slot as a file system; the format is MicroPython's ROMFS."""

    def __init__(self, slot: "BlockDevice") -> None:
        self._slot, self._size = slot, slot.ioctl(5, 0)

    def read(self, at: int, part: "bytearray | memoryview") -> None:
        done = 0
        at += self._size
        while done < len(part):
            size = min(len(part) - done, self._size - at % self._size)
            self._slot.readblocks(
                at // self._size, memoryview(part)[done : done + size], at % self._size
            )
            done, at = done + size, at + size

    def _numbers(self, at: int, count: int) -> "list[int]":
        part, found, index = bytearray(12), [0], 0
        self.read(at, part)
        while len(found) <= count:
            found[-1] = found[-1] << 7 | part[index] & 127
            if not part[index] & 128:
                found.append(0)
            index += 1
        found[-1] = at + index
        return found

    def entries(self, path: str) -> "tuple[int, int, int]":
        """Return kind (4 folder, 5 file) of a path, and where its content begins and ends."""
        size, at = self._numbers(3, 1)
        kind, end = 4, at + size
        for name in path.strip("/").split("/"):
            while name and at < end:
                kind, size, start = self._numbers(at, 2)
                at = start + size
                length, start = self._numbers(start, 1)
                part = bytearray(min(length, 64))
                self.read(start, part)
                if kind > 3 and part == name.encode():
                    at, end = start + length, at
                    break
            else:
                if name:
                    raise OSError(2)
        return kind, at, end

    def mount(self, *_: object) -> None: ...
    def stat(self, path: str) -> "tuple[int, ...]":
        kind, at, end = self.entries(path)
        return (0x4000 if kind == 4 else 0x8000, 0, 0, 0, 0, 0, end - at, 0, 0, 0)

    def open(self, path: str, _: str) -> "File":
        at, end = self.entries(path)[1:]
        return File(self, self._numbers(at, 2)[2], end)


class File(io.IOBase):
    """What ``import`` reads."""

    def __init__(self, rom: Rom, at: int, end: int) -> None:
        self._rom, self._at, self._end = rom, at, end

    def readinto(self, buffer: bytearray) -> int:
        size = min(len(buffer), self._end - self._at)
        self._rom.read(self._at, memoryview(buffer)[:size])
        self._at += size
        return size

    def ioctl(self, *_: object) -> int:
        return 0
