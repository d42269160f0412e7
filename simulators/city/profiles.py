"""Numbers and widths of the profiles, as docs/protocol.md §8 has them: the wire, not the code."""

from typing import NamedTuple


class Profile(NamedTuple):
    """What a block says of its rows."""

    number: int
    columns: int


PROFILES = {
    "em1": Profile(1, 6),
    "em3": Profile(2, 16),
    "dtm": Profile(3, 16),
    "pq3": Profile(4, 19),
    "tl1": Profile(5, 10),
    "pv1": Profile(6, 7),
    "etc1": Profile(7, 6),
    "wim1": Profile(8, 11),
    "env1": Profile(9, 12),
    "wtr1": Profile(10, 6),
}
