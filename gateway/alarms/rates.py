"""How much counters rose within a window, over restarts of who counts."""

from collections import Counter, deque
from collections.abc import Mapping

_PIECES = 20  # a window moves on in twentieths


class Rates:
    """Counters of one window; labels come from bounded sets, so its memory is bounded too."""

    def __init__(self, window_s: float) -> None:
        self._piece_ms = window_s * 1000 / _PIECES
        self._before: dict[tuple[str, ...], float] | None = None
        self._rises: deque[tuple[int, Counter[tuple[str, ...]]]] = deque(maxlen=_PIECES)

    def add(self, now_ms: int, values: Mapping[tuple[str, ...], float]) -> None:
        """Take counters as they are now; one that is lower than before begins anew."""
        piece = int(now_ms // self._piece_ms)
        if not self._rises or self._rises[-1][0] != piece:
            self._rises.append((piece, Counter()))
        # what was counted before we looked for the first time is no rise
        before = values if self._before is None else self._before
        for key, value in values.items():
            last = before.get(key, 0.0)
            self._rises[-1][1][key] += int(value - last if value >= last else value)
        self._before = dict(values)

    def rises(self, now_ms: int) -> Counter[tuple[str, ...]]:
        """Return how much each rose within the window."""
        first = int(now_ms // self._piece_ms) - _PIECES + 1
        total: Counter[tuple[str, ...]] = Counter()
        for piece, rise in self._rises:
            if piece >= first:
                total.update(rise)
        return total
