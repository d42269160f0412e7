"""Sets of sequence numbers as sorted, disjoint, inclusive ranges that never touch."""

from bisect import bisect_right
from collections.abc import Iterator

Range = tuple[int, int]


def contains(ranges: list[Range], number: int) -> bool:
    """Return whether ``number`` is in one of the ranges."""
    place = bisect_right(ranges, number, key=_start)
    return place > 0 and ranges[place - 1][1] >= number


def add(ranges: list[Range], first: int, last: int) -> int:
    """Put first … last into the set and return how many of them were new."""
    left = bisect_right(ranges, first, key=_start)
    if left > 0 and ranges[left - 1][1] >= first - 1:
        left -= 1  # touches or overlaps its left neighbour
    right = bisect_right(ranges, last + 1, key=_start)
    swallowed = ranges[left:right]
    if not swallowed:
        ranges.insert(left, (first, last))
        return last - first + 1
    merged = (min(first, swallowed[0][0]), max(last, swallowed[-1][1]))
    before = sum(end - start + 1 for start, end in swallowed)
    ranges[left:right] = [merged]
    return merged[1] - merged[0] + 1 - before


def holes(ranges: list[Range], start: int) -> Iterator[Range]:
    """Yield what is missing from ``start`` up to the highest range."""
    wanted = start
    for first, last in ranges:
        if first > wanted:
            yield wanted, first - 1
        wanted = max(wanted, last + 1)


def end_of_run(ranges: list[Range], start: int) -> int:
    """Return the last number that is reached from ``start`` without a hole, else start − 1."""
    place = bisect_right(ranges, start, key=_start)
    if place > 0 and ranges[place - 1][1] >= start:
        return ranges[place - 1][1]
    return start - 1


def _start(item: Range) -> int:
    return item[0]
