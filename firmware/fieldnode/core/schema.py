"""The profiles of docs/protocol.md §8 as a node needs them: number, columns, how they join."""

from fieldnode.core.policy import LAST, MEAN, SUM

_HOW = {"r": LAST, "g": MEAN, "c": SUM, "k": LAST}  # register, gauge, count, code

# Name: number, kind of each column, whether samples join to one row a report. Those of traffic
# come as whole intervals or single events: joined they would mean something else.
_PROFILES = {
    "em1": (1, "rrgggg", True),
    "em3": (2, "rrrrgggggggggggg", True),
    "dtm": (3, "rrrrgggggggggggg", True),
    "pq3": (4, "gggggggggggrrrrrrrr", True),
    "tl1": (5, "crgggccccc", False),
    "pv1": (6, "ggkkggk", False),
    "etc1": (7, "kgkkck", False),
    "wim1": (8, "gcggggggggk", False),
    "env1": (9, "rggggggggggg", True),
    "wtr1": (10, "rrgggg", True),
}


def schema_of(profile: str) -> "tuple[int, tuple[str, ...], bool]":
    """Return number, how each column joins (policy.py), whether samples join.

    Raises:
        ValueError: there is no such profile.
    """
    if profile not in _PROFILES:
        raise ValueError("profile")
    number, kinds, joins = _PROFILES[profile]
    return number, tuple([_HOW[kind] for kind in kinds]), joins
