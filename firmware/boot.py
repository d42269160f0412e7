"""Which slot runs. The one part that no update replaces: it imports nothing of the application.

A slot is a run of flash sectors. The first holds the manifest of fieldnode/core/ota.py and its
CRC-32, written last; from the second on lies the image, a ROMFS. The state is a log of records of
16 bytes in two sectors, each written by one program: the newest sound one counts, so a power cut
leaves the state before or after. A slot whose SHA-256 is wrong never runs, and a slot on trial
gets TRIES boots to say ``good``; after that it is void and the old one is back.
"""

import hashlib
import struct
from binascii import crc32

if False:  # for the type checker
    from collections.abc import Sequence

    from fieldnode.hal.base import BlockDevice

TRIES = 3  # boots that a new image has to prove itself
SAFE = 3  # boots in a row that did not last, and the program starts without its sensors
SWAP = 6  # that many, and an older image takes over, where there is a sound one
HEAD = 452  # bytes of manifest and CRC
_FORMAT, _BYTES = "<IBBBBII", 16  # serial, active, on trial, tries left, crashes, floor, crc


class Boot:
    """``running`` is the slot chosen; ``floor`` the lowest anti-rollback counter that may run."""

    def __init__(self, state: "BlockDevice", slots: "Sequence[BlockDevice]") -> None:
        self._state, self.slots = state, slots
        self.size = state.ioctl(5, 0)
        self._serial = self.active = self.on_trial = self.tries = self.crashes = self.floor = 0
        self._no, self._at = 1, self.size  # behind the end of sector 1: the next is sector 0
        self.running = 0
        self.is_safe = False
        part = bytearray(_BYTES)
        for no in (0, 1):
            end = 0
            for at in range(0, self.size, _BYTES):
                state.readblocks(no, part, at)
                if part != b"\xff" * _BYTES:
                    end = at + _BYTES
                fields = struct.unpack(_FORMAT, part)
                if crc32(part[:-4]) == fields[6] and fields[0] > self._serial:
                    self._serial, self.active, self.on_trial, self.tries = fields[:4]
                    self.crashes, self.floor = fields[4:6]
                    self._no = no
            if self._no == no and self._serial:
                self._at = end

    def save(self) -> None:
        if self._at >= self.size:
            self._no, self._at = 1 - self._no, 0
            self._state.ioctl(6, self._no)
        self._serial += 1
        fields = self._serial, self.active, self.on_trial, self.tries, self.crashes, self.floor
        record = bytearray(struct.pack(_FORMAT, *fields, 0))
        struct.pack_into("<I", record, 12, crc32(memoryview(record)[:-4]))
        self._at += _BYTES
        self._state.writeblocks(self._no, record, self._at - _BYTES)

    def manifest(self, slot: int) -> "bytes | None":
        """Return the manifest of a slot, None where there is none or it may not run any more."""
        head = bytearray(HEAD)
        self.slots[slot].readblocks(0, head, 0)
        if crc32(head[:-4]) != struct.unpack_from("<I", head, HEAD - 4)[0]:
            return None
        return bytes(head[:-4]) if struct.unpack_from("<I", head, 24)[0] >= self.floor else None

    def is_whole(self, slot: int, head: "bytes | None" = None) -> bool:
        """Compare the image with its manifest, or with one that is not written yet."""
        head = head or self.manifest(slot)
        if head is None:
            return False
        left, at = struct.unpack_from("<I", head, 28)[0], self.size
        part, check = bytearray(512), hashlib.sha256()
        while left > 0 and at < self.size * self.slots[slot].ioctl(4, 0):
            self.slots[slot].readblocks(at // self.size, part, at % self.size)
            check.update(memoryview(part)[: min(512, left)])
            left, at = left - 512, at + 512
        return left <= 0 and check.digest() == head[32:64]

    def choose(self) -> int:
        """Count this boot and say which slot is to run."""
        other = 1 - self.active
        if self.on_trial and not (self.tries and self.is_whole(other)):
            self.slots[other].ioctl(6, 0)  # it had its chances: void from here on
            self.on_trial = self.tries = 0
        self.crashes = min(self.crashes + 1, 255)
        if self.on_trial:
            self.running, self.tries = other, self.tries - 1
        else:
            if (self.crashes > SWAP or not self.is_whole(self.active)) and self.is_whole(other):
                self.active, self.crashes = other, 1
            self.running = self.active
            self.is_safe = self.crashes > SAFE
        self.save()
        return self.running

    def arm(self) -> None:
        """Put the slot that does not run on trial, from the next boot on."""
        self.on_trial, self.tries, self.crashes = 1, TRIES, 0
        self.save()

    def good(self, has_receipt: bool) -> None:
        """Note that this boot has lasted; with the gateway's receipt that a trial is passed."""
        is_passed = self.running != self.active and has_receipt
        if is_passed:
            self.active, self.on_trial, self.tries = self.running, 0, 0
            head = self.manifest(self.running) or bytes(HEAD)
            self.floor = max(self.floor, struct.unpack_from("<I", head, 24)[0])
        if is_passed or (self.crashes and self.running == self.active):
            self.crashes = 0
            self.save()
