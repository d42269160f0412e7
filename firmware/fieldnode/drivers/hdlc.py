"""HDLC frames of DLMS (IEC 62056-46): flag, format and length, addresses, two checks."""

from fieldnode.drivers import crc

# Frames and messages of more are refused. Push lists have up to 600 bytes; one allocation of
# more than 1 KB is not to be had in a tired heap.
FRAME_MAX = 1024
_FLAG = 0x7E
_SEGMENTED = 0x08
_HEADER_MAX = 14  # flag, format, two addresses of four bytes, control, check


class Hdlc:
    """Finds sound frames in a stream and joins their segments to one message."""

    def __init__(self) -> None:
        self._frame = bytearray(FRAME_MAX)
        self._size = 0
        self._is_checked = False  # the header of the frame under way
        self._message = bytearray(FRAME_MAX)
        self.size = 0  # of the message
        self._is_open = False  # more segments are to come
        self.errors = 0

    @property
    def message(self) -> memoryview:
        """The message; valid until the next byte."""
        return memoryview(self._message)[: self.size]

    def add(self, byte: int) -> bool:
        """Take in a byte; True: a message is complete."""
        if self._size == 0 and byte != _FLAG:
            return False
        self._frame[self._size] = byte
        self._size += 1
        while self._size > 2:
            needed = self._needed()
            if needed and self._size < needed and self._may_be():
                return False
            if needed and self._is_sound(needed):
                is_complete = self._join(needed)
                self._frame[0] = _FLAG  # the closing flag may open the next frame
                self._size = 1
                self._is_checked = False
                return is_complete
            self._resume()
        return False

    def _needed(self) -> int:
        """Return the size of the frame with its flags, 0 where it can be none."""
        if self._frame[1] & 0xF0 != 0xA0:
            return 0
        size = (self._frame[1] & 7) << 8 | self._frame[2]
        return size + 2 if 12 <= size <= FRAME_MAX - 2 else 0  # less says nothing

    def _may_be(self) -> bool:
        """Check the header as soon as it is there: a false length must not swallow what follows."""
        if not self._is_checked and self._size >= _HEADER_MAX:
            self._is_checked = self._information() < FRAME_MAX
            return self._is_checked
        return True

    def _is_sound(self, needed: int) -> bool:
        frame = memoryview(self._frame)
        if frame[needed - 1] != _FLAG:
            return False
        fcs = frame[needed - 3] | frame[needed - 2] << 8
        return crc.x25(frame[1 : needed - 3]) == fcs

    def _resume(self) -> None:
        """Look for the next flag behind the one that did not begin a frame."""
        self._is_checked = False
        if self._frame[1] != _FLAG:  # flags may fill the line between frames
            self.errors += 1
        at = 1
        while at < self._size and self._frame[at] != _FLAG:
            at += 1
        self._size -= at
        for index in range(self._size):
            self._frame[index] = self._frame[index + at]

    def _join(self, needed: int) -> bool:
        start = self._information()
        size = needed - 3 - start
        if not self._is_open:
            self.size = 0
        if size < 0 or self.size + size > FRAME_MAX:
            self.errors += 1
            self._is_open = False
            return False
        for index in range(size):
            self._message[self.size + index] = self._frame[start + index]
        self.size += size
        self._is_open = bool(self._frame[1] & _SEGMENTED)
        return not self._is_open and self.size > 0

    def _information(self) -> int:
        """Return where the information begins; behind the end where the header check is wrong."""
        at = 3
        for _ in range(2):  # destination and source: up to the first byte with bit 0 set
            while at < 11 and not self._frame[at] & 1:
                at += 1
            at += 1
        at += 1  # control
        header = crc.x25(memoryview(self._frame)[1:at])
        is_sound = header == self._frame[at] | self._frame[at + 1] << 8
        return at + 2 if is_sound else FRAME_MAX
