"""What has been told of lines that are made of many points: only what changed goes again.

A meter's day is one line, renewed with each of its 48 slots; without a memory it would be sent
48 times.
"""

import zlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence

# Days of meters and transformers, quarters of stations: some 400 B each. What was forgotten is
# sent again, which changes nothing.
_MOST_LINES = 1 << 16

Key = tuple[str, str, str, int]


class Sent:
    """Checksums of the points of the newest lines."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, array[int]] = OrderedDict()

    def changed(self, key: Key, lines: Sequence[bytes]) -> list[bytes]:
        """Return those of the points' lines that are not as they were."""
        sums = array("I", map(zlib.crc32, lines))
        before = self._known.pop(key, array("I"))
        self._known[key] = sums
        if len(self._known) > _MOST_LINES:
            self._known.popitem(last=False)
        return [
            line
            for place, line in enumerate(lines)
            if place >= len(before) or before[place] != sums[place]
        ]

    def forget(self) -> None:
        """Send everything again."""
        self._known.clear()
