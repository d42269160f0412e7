"""A board that is not there: NOR flash that loses its power, and a clock that a test moves.

``draw(below)`` is a source of random integers, so that every run can be repeated.
"""

if False:  # for the type checker
    from collections.abc import Callable
    from io import BytesIO

SECTOR_BYTES = 4096
_BLANK = b"\xff" * 1024
_VIEW = memoryview(_BLANK)
TICKS_PERIOD_MS = 1 << 30  # ticks_ms wraps here on ESP32: 31-bit small integers (firmware.md §1.10)
EPOCH_2000_MS = 946_684_800_000  # Unix ms of 2000-01-01, where the clock of an ESP32 starts


class PowerCut(Exception):  # noqa: N818 - it is no error of the program
    """The power went during this operation."""


class Nor:
    """Flash: an erase sets a sector to ones, a program only clears bits.

    Speaks MicroPython's extended block device, which ``esp32.Partition`` speaks too.

    Args:
        image: what holds the bits: a file opened "r+b", or ``io.BytesIO``. Blank where empty.
        sectors: how many.
        draw: what a cut leaves is drawn from here.
        sector_bytes: what one erase erases.

    Attributes:
        erases: erases of each sector.
        programmed: bytes programmed in all.
        operations: erases and programs since power came.
        cut_at: the operation that the power cut falls into; None: none.
    """

    def __init__(
        self,
        image: "BytesIO",
        sectors: int,
        draw: "Callable[[int], int]",
        sector_bytes: int = SECTOR_BYTES,
    ) -> None:
        self._image = image
        self._sectors = sectors
        self._size = sector_bytes
        self._draw = draw
        self.erases = [0] * sectors
        self.programmed = self.operations = self.reads = 0
        self.cut_at: "int | None" = None
        blank = image.seek(0, 2)
        self._fill(blank, sectors * sector_bytes - blank)

    def _is_cut(self) -> bool:
        self.operations += 1
        return self.cut_at is not None and self.operations >= self.cut_at

    def _place(self, number: int, offset: int, size: int) -> int:
        if offset < 0 or offset + size > self._size or not 0 <= number < self._sectors:
            raise ValueError("outside of the sector")
        return number * self._size + offset

    def _read(self, at: int, size: int) -> bytearray:
        self._image.seek(at)
        return bytearray(self._image.read(size))

    def _write(self, at: int, piece: "bytes | bytearray | memoryview") -> None:
        self._image.seek(at)
        self._image.write(piece)

    def _fill(self, at: int, size: int) -> None:
        while size > 0:
            piece = min(size, len(_BLANK))
            self._write(at, _VIEW[:piece])
            at += piece
            size -= piece

    def readblocks(self, number: int, buffer: "bytearray | memoryview", offset: int = 0) -> None:
        """Fill ``buffer``."""
        self._image.seek(self._place(number, offset, len(buffer)))
        self._image.readinto(buffer)
        self.reads += len(buffer)

    def writeblocks(self, number: int, buffer: "bytearray | memoryview", offset: int = 0) -> None:
        """Program ``buffer``; a cut leaves any part of it, and some bytes half done."""
        size = len(buffer)
        at = self._place(number, offset, size)
        if not self._is_cut():
            self._program(at, buffer)
            self.programmed += size
            return
        done = self._draw(size + 1)
        torn = bytearray(memoryview(buffer)[: min(size, done + self._draw(9))])
        for index in range(done, len(torn)):
            torn[index] |= self._draw(256)
        self._program(at, torn)
        raise PowerCut

    def _program(self, at: int, piece: "bytearray | memoryview") -> None:
        there = self._read(at, len(piece))
        if there != _VIEW[: len(there)]:
            for index in range(len(there)):
                there[index] &= piece[index]
            piece = there
        self._write(at, piece)

    def ioctl(self, operation: int, argument: int) -> int:
        """4: number of sectors; 5: bytes of one; 6: erase one."""
        if operation == 4:
            return self._sectors
        if operation == 5:
            return self._size
        if operation == 6:
            at = self._place(argument, 0, self._size)
            if self._is_cut():
                self._erase_in_part(at)
                raise PowerCut
            self.erases[argument] += 1
            self._fill(at, self._size)
        return 0

    def _erase_in_part(self, at: int) -> None:
        """Leave the sector as it was, or a part of it erased, or bits that came back anywhere."""
        how = self._draw(4)
        part = self._draw(self._size + 1)
        if how == 1:
            self._fill(at, part)
        elif how == 2:
            self._fill(at + part, self._size - part)
        elif how == 3:
            for _ in range(self._draw(200)):
                place = at + self._draw(self._size)
                self._write(place, bytes([self._read(place, 1)[0] | self._draw(256)]))

    def power_up(self) -> None:
        """Come back after a cut: no further cut is planned."""
        self.operations = 0
        self.cut_at = None

    def flip(self, number: int, offset: int, bit: int) -> None:
        """Turn one bit over, as age or radiation does."""
        at = self._place(number, offset, 1)
        self._write(at, bytes([self._read(at, 1)[0] ^ 1 << bit]))


class VirtualClock:
    """Time that passes only by ``advance``: ticks that wrap, uptime, and the chip's calendar.

    ``skew_ppm`` is how much faster than true time the chip's crystal runs.
    """

    def __init__(self, true_ms: int, skew_ppm: int = 0, ticks_ms: int = 0) -> None:
        self.true_ms = true_ms
        self._skew_ppm = skew_ppm
        self._ticks_at_boot = ticks_ms
        self._booted_ms = true_ms
        self._rtc_offset_ms = EPOCH_2000_MS - true_ms  # the calendar starts in 2000

    def advance(self, duration_ms: int) -> None:
        """Let true time pass."""
        self.true_ms += duration_ms

    def _chip_ms(self) -> int:
        passed = self.true_ms - self._booted_ms
        return passed + passed * self._skew_ppm // 1_000_000

    def ticks_ms(self) -> int:
        """Milliseconds by the crystal; wraps."""
        return (self._ticks_at_boot + self._chip_ms()) % TICKS_PERIOD_MS

    def rtc_ms(self) -> int:
        """Unix ms by the chip's calendar."""
        return self._booted_ms + self._chip_ms() + self._rtc_offset_ms

    def set_rtc(self, unix_ms: int) -> None:
        """Set the calendar."""
        self._rtc_offset_ms += unix_ms - self.rtc_ms()

    def reboot(self, keeps_rtc: bool) -> None:
        """Start again: ticks at 0; the calendar goes on after a reset, not after a power cut."""
        rtc_ms = self.rtc_ms() if keeps_rtc else EPOCH_2000_MS
        self._booted_ms = self.true_ms
        self._ticks_at_boot = 0
        self._rtc_offset_ms = rtc_ms - self.true_ms
