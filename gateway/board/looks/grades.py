"""How good the data is: grades now, the account of each day, who lacks what."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.board.looks.lines import Line
from gateway.model import Quality, Reason
from gateway.ports import StreamRow
from gateway.views.fleet import Fleet
from gateway.views.missing import completeness_of

GRADES = tuple(quality.name.lower() for quality in Quality)
MOST_LACKING = 5000


class Grades(NamedTuple):
    """The newest reading of every device."""

    by_sector: Mapping[str, Mapping[str, int]]  # sector → grade → devices
    reasons: Sequence[tuple[int, int]]  # bit of a reason, devices; most frequent first


class Lack(NamedTuple):
    """A device of whose numbers some are missing."""

    device: str
    missing: int
    ranges: int


class DayShare(NamedTuple):
    """Half hours of all meters of a day by grade."""

    from_ms: int
    slots: Mapping[str, int]
    open_slots: int


def grades_of(fleet: Fleet) -> Grades:
    """Return the grades of newest readings; profiles of their own count on their own."""
    by_sector: dict[str, Counter[str]] = {}
    reasons: Counter[int] = Counter()
    for device in fleet.devices:
        for row in device.latest:
            by_sector.setdefault(device.row.sector, Counter())[GRADES[row.quality]] += 1
            if row.reasons:
                reasons.update(bit.value for bit in Reason if row.reasons & bit)
    return Grades(by_sector, reasons.most_common())


def lacks_of(streams: Sequence[StreamRow], names: Mapping[int, str]) -> list[Lack]:
    """Return devices with missing numbers, those that lack most first."""
    of_device: dict[int, list[StreamRow]] = {}
    for row in streams:
        if row.ranges not in {"", "[]"}:  # whoever has everything has no ranges
            of_device.setdefault(row.device_index, []).append(row)
    found = []
    for index, rows in of_device.items():
        whole = completeness_of(rows)
        if whole.missing:
            found.append(Lack(names.get(index, ""), whole.missing, len(whole.gaps)))
    return sorted(found, key=lambda one: -one.missing)[:MOST_LACKING]


def days_of(lines: Sequence[Line]) -> list[DayShare]:
    """Sum up lines of ``days`` of energy by day."""
    found: dict[int, Counter[str]] = {}
    still: Counter[int] = Counter()
    for one in lines:
        found.setdefault(one.from_ms, Counter()).update(one.values.get("quality_slots") or {})
        still[one.from_ms] += int(one.values.get("open_slots") or 0)
    return [DayShare(begin_ms, slots, still[begin_ms]) for begin_ms, slots in sorted(found.items())]
