"""The profiles of docs/protocol.md §8 as a node needs them: number, columns, how they join."""

from fieldnode.core.policy import LAST, MEAN, SUM

_HOW = {"r": LAST, "g": MEAN, "c": SUM, "k": LAST}  # register, gauge, count, code

# Name: number, kind of each column, whether samples join to one row a report. Those of traffic
# come as whole intervals or single events: joined they would mean something else.
# One text, since a table of tuples would lie in the heap.
_PROFILES = (
    " em1 1 rrgggg +"
    " em3 2 rrrrgggggggggggg +"
    " dtm 3 rrrrgggggggggggg +"
    " pq3 4 gggggggggggrrrrrrrr +"
    " tl1 5 crgggccccc -"
    " pv1 6 ggkkggk -"
    " etc1 7 kgkkck -"
    " wim1 8 gcggggggggk -"
    " env1 9 rggggggggggg +"
    " wtr1 10 rrgggg +"
)


def schema_of(profile: str) -> "tuple[int, tuple[str, ...], bool]":
    """Return number, how each column joins (policy.py), whether samples join.

    Raises:
        ValueError: there is no such profile.
    """
    _, found, rest = _PROFILES.partition(" " + profile + " ")
    if not found or not profile[:1].isalpha() or len(profile) < 3:
        raise ValueError("profile")
    found, kinds, joins = rest.split(" ", 3)[:3]
    number = int(found)  # refuses what is no name but the kinds of one
    return number, tuple([_HOW[kind] for kind in kinds]), joins == "+"
