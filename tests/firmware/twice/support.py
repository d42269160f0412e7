"""What tests share that run under CPython and MicroPython alike: no pytest in here."""

import io
import os
import struct

from fieldnode.hal.sim import SECTOR_BYTES, Nor


def is_soak() -> bool:
    """Whether the full counts are wanted."""
    return os.getenv("INFRAGATE_SOAK") == "1"


def is_micropython() -> bool:
    """Which interpreter this is."""
    return os.getenv("FIELDNODE_RUNNER") == "1"


def count_of(quick: int, soak: int) -> int:
    """Return how often to repeat."""
    return soak if is_soak() else quick


class Draw:
    """Random integers, the same in both interpreters (Knuth's MMIX generator)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def __call__(self, below: int) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (self._state >> 33) % below

    def bytes(self, size: int) -> bytes:
        """Return random bytes."""
        made = bytearray(size)
        for index in range(size):
            made[index] = self(256)
        return bytes(made)


def raises(kind: type, function: object, *arguments: object) -> str:
    """Return what the exception of that kind says."""
    try:
        function(*arguments)  # type: ignore[operator]
    except Exception as error:  # pytest.raises is not there
        if isinstance(error, kind):
            return str(error)
        raise
    raise AssertionError("nothing was raised")


def block_of(seq: int, rows: int, body: bytes, clock: int = 3, base_ms: int = 10**12) -> bytes:
    """Return something with the header of a block: the ring looks at nothing else."""
    return struct.pack("<BIIIBBqH", 0x10, 7, 1, seq, rows, clock, base_ms, 1) + body


def flash_of(sectors: int, draw: "Draw | None" = None, sector_bytes: int = SECTOR_BYTES) -> Nor:
    """Return blank flash: in memory, or in a file where memory is short."""
    image = open("flash.bin", "w+b") if is_micropython() else io.BytesIO()  # noqa: SIM115
    return Nor(
        image,  # type: ignore[arg-type]
        sectors,
        draw or Draw(1),
        sector_bytes,
    )


def image(number: int) -> bytes:
    """Return the image that the signed manifest of version ``number`` is about."""
    return Draw(number).bytes(1300 + number)
