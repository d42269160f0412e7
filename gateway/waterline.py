"""How far the journal is on disk: one number that every process of a gateway sees at once.

The accounts are those of the last checkpoint, up to half a second old. A message that was
acknowledged since is received and pending, and whoever asks shall hear that.
"""

import mmap

BYTES = 8  # an aligned word: it is read whole or not at all


class Waterline:
    """Memory that forked processes share; made before the first of them."""

    def __init__(self) -> None:
        self._number = memoryview(mmap.mmap(-1, BYTES)).cast("Q")

    def rise(self, record: int) -> None:
        """Note the last record on disk."""
        self._number[0] = record

    def read(self) -> int:
        """Return the last record on disk; 0 before the journal is open."""
        return self._number[0]
