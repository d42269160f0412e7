"""Updates: a signed manifest, then the image in chunks, then a trial.

The manifest has a fixed size and its signature is checked before anything in it is read, so that
what parses it has seen only what the owner of the key wrote. Layout, little endian: magic "FNM1",
board (16 bytes, zero padded), version u32 (major << 24 | minor << 16 | patch), anti-rollback
counter u32, size of the image u32, its SHA-256; then RSA-3072 PKCS#1 v1.5 with SHA-256 over that
(RFC 8017 §8.2), e = 65537. The image goes into the slot that does not run, sector by sector; its
manifest into the slot's first sector, last. What boots is up to firmware/boot.py.
"""

import hashlib
import struct
from binascii import a2b_base64, crc32

if False:  # for the type checker
    from collections.abc import Callable

    from fieldnode.hal.base import Slots

    Memory = tuple[Callable[[str], "bytes | None"], Callable[[str, "bytes | None"], None]]


CHUNK = 512  # bytes; as base64 in a command about 800 of the 2,048 that a packet may have
KEY_BYTES = 384  # RSA-3072
SIGNED_BYTES = 64
MANIFEST_BYTES = SIGNED_BYTES + KEY_BYTES

_MAGIC = b"FNM1"
_FORMAT = "<4s16sIII32s"
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 §9.2, note 1


class OtaError(Exception):
    """The update is refused; the message says why."""


def is_signed(manifest: bytes, modulus: bytes) -> bool:
    """Return whether the key's owner has signed. Compares all of the padding, not parts of it."""
    if len(manifest) != MANIFEST_BYTES or len(modulus) != KEY_BYTES:
        return False
    n = int.from_bytes(modulus, "big")
    signature = int.from_bytes(manifest[SIGNED_BYTES:], "big")
    tail = b"\0" + _SHA256 + hashlib.sha256(manifest[:SIGNED_BYTES]).digest()
    wanted = b"\0\1" + b"\xff" * (KEY_BYTES - 2 - len(tail)) + tail
    return signature < n and pow(signature, 65537, n).to_bytes(KEY_BYTES, "big") == wanted


def parse(manifest: bytes) -> "tuple[str, int, int, int, bytes]":
    """Return board, version, counter, size and SHA-256 of a manifest that is signed."""
    magic, board, version, counter, size, digest = struct.unpack_from(_FORMAT, manifest, 0)
    if magic != _MAGIC:
        raise OtaError("format")
    return board.rstrip(b"\0").decode(), version, counter, size, digest


def version_text(version: int) -> str:
    """Return a version as people write it."""
    return "%d.%d.%d" % (version >> 24, version >> 16 & 255, version & 65535)


class Update:
    """The node's side of an update.

    Args:
        boot: what chose the slot that runs.
        memory: ``kv_get`` and ``kv_put`` of the board: what survives a reset.
        key: modulus of the public key, 384 bytes; empty: every update is refused.
        board: what the manifest must name.
    """

    def __init__(self, boot: "Slots", memory: "Memory", key: bytes, board: str) -> None:
        self._boot = boot
        self._get, self._put = memory
        self._key = key
        self._board = board
        self._manifest = self._get("ota_man") or b""
        at = self._get("ota_at")
        self._at = struct.unpack("<I", at)[0] if at else 0
        if self._manifest and self._manifest == boot.manifest(boot.running):
            self._forget()  # it is in place; a cut came between the last steps
        self._size = parse(self._manifest)[3] if self._manifest else 0

    def command(self, what: str, arguments: "dict[str, object]") -> "dict[str, object]":
        """Do ``begin``, ``chunk`` or ``state`` and return the reply (docs/protocol.md §11)."""
        try:
            if what == "begin":
                self.begin(_bytes_of(arguments, "manifest"))
            elif what == "chunk":
                self.chunk(arguments.get("at"), _bytes_of(arguments, "data"))
        except OtaError as error:
            return {"error": str(error), "at": self._at}
        if what not in {"begin", "chunk", "state"}:
            return {"error": "unknown"}
        running = self._boot.manifest(self._boot.running)
        shown: "dict[str, object]" = {"at": self._at, "size": self._size, "done": self.is_done}
        shown["fw"] = version_text(parse(running)[1] if running else 0)
        shown["trial"] = self._boot.running != self._boot.active
        return shown

    @property
    def is_done(self) -> bool:
        """Whether all is in place and the next boot is the trial."""
        return self._boot.on_trial == 1 and self._boot.running == self._boot.active

    def begin(self, manifest: bytes) -> None:
        """Take the manifest of an update, or go on with it where it was cut off."""
        boot = self._boot
        if not is_signed(manifest, self._key):
            raise OtaError("signature" if self._key else "no key")
        board, version, counter, size, _ = parse(manifest)
        running = boot.manifest(boot.running)
        slot = boot.slots[1 - boot.running]
        if board != self._board:
            raise OtaError("board")
        if counter < boot.floor or version < (parse(running)[1] if running else 0):
            raise OtaError("downgrade")
        if not 0 < size <= (slot.ioctl(4, 0) - 1) * boot.size:
            raise OtaError("size")
        if boot.running != boot.active:
            raise OtaError("trial")  # what it would overwrite is where a failed trial goes back to
        if manifest != self._manifest:
            self._forget()
            slot.ioctl(6, 0)
            self._put("ota_man", manifest)
            self._manifest, self._size = manifest, size
        if self._at == size:
            self._finish()

    def chunk(self, at: object, data: bytes) -> None:
        """Write the chunk at ``at``; one that is not the next is left alone, the reply tells."""
        if not self._manifest:
            raise OtaError("begin")
        if at != self._at or self._at >= self._size:
            return
        if len(data) != min(CHUNK, self._size - self._at):
            raise OtaError("chunk")
        size, slot = self._boot.size, self._boot.slots[1 - self._boot.running]
        no, offset = 1 + self._at // size, self._at % size
        if not offset:
            slot.ioctl(6, no)
        slot.writeblocks(no, bytearray(data), offset)
        self._at += len(data)
        if self._at % size == 0 or self._at == self._size:
            self._put("ota_at", struct.pack("<I", self._at))  # a reset goes on from here
        if self._at == self._size:
            self._finish()

    def _finish(self) -> None:
        boot = self._boot
        other = 1 - boot.running
        if not boot.is_whole(other, self._manifest):
            self._forget()
            raise OtaError("sha256")
        boot.slots[other].ioctl(6, 0)
        head = self._manifest + struct.pack("<I", crc32(self._manifest))
        boot.slots[other].writeblocks(0, bytearray(head), 0)
        boot.arm()
        self._forget()

    def _forget(self) -> None:
        self._manifest = b""
        self._at = self._size = 0
        self._put("ota_man", None)  # first: an offset alone means nothing
        self._put("ota_at", None)


def _bytes_of(arguments: "dict[str, object]", name: str) -> bytes:
    text = arguments.get(name)
    data = b""
    if isinstance(text, str):
        try:
            data = a2b_base64(text)
        except ValueError:
            data = b""
    if not data:
        raise OtaError(name)
    return data
