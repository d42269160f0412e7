"""Reads the ring block by block, on behalf of the uplink."""

if False:  # for the type checker
    from collections.abc import Iterator

    from fieldnode.core.ring import Ring

_ROWS_AT = 13  # of a block (docs/protocol.md §6)


def rows_of(block: bytes) -> int:
    """Return how many rows a block has."""
    return block[_ROWS_AT]


class Cursor:
    """Where one lane is in the ring."""

    def __init__(self, ring: "Ring") -> None:
        self._ring = ring
        self.seek(0)

    def seek(self, seq: int) -> None:
        """Go on with row ``seq``."""
        self.at = seq
        self._blocks: "Iterator[tuple[int, bytes]] | None" = None
        self._held: "tuple[int, bytes] | None" = None

    def peek(self) -> "tuple[int, bytes] | None":
        """Return the next block without a receipt and its first row; None: there is none now."""
        ring = self._ring
        while True:
            if self._held is None and self.at < ring.rows.next:
                if self._blocks is None:
                    self._blocks = ring.pending(self.at)
                self._held = next(self._blocks, None)
            if self._held is None:
                self._blocks = None
                return None
            if self._held[0] + rows_of(self._held[1]) > ring.rows.done:
                return self._held
            self.skip()

    def skip(self) -> None:
        """Go on to the block after the one that ``peek`` gave."""
        held: "tuple[int, bytes]" = self._held  # type: ignore[assignment]
        self.at = held[0] + rows_of(held[1])
        self._held = None
