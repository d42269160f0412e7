"""What a rollup is: one row per device and bucket, as it is stored and as it is shown.

Rollups are pages like any other (``pages``), under the names ``em1_15m`` and ``em1_1d``: a
profile's own name has no underscore. ``time_ms`` is the start of the bucket (UTC), ``seq`` the
version (of two rows of one device and bucket the higher one was computed later and counts),
``quality`` the worst grade in the bucket, ``reasons`` all their bits, ``record`` 0. The columns,
in scaled units, NaN where there is nothing to say::

    n, good, bad        usable readings in [start, end); how many shown have a good grade; how
                        many may not be used (aggregate.UNUSABLE)
    register            before, first, last, inner: the last value before the bucket, the first
                        and the last in (start, end], and the growth between those two
    gauge               sum, nulls, min, max over [start, end)
    count               sum
    code                last

A register is kept in these four so that a late reading changes the rows after it without their
readings being read again: growth = inner + step from ``before`` to ``first``. A reading on a
border ends the bucket before it, as in ``aggregate``. Means are means of readings, not of time:
the same as ``aggregate`` gives, and nothing outside the bucket can change them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, Quality, ReadingBatch
from gateway.profiles import Column, Kind, Profile
from gateway.store.aggregate import register_steps
from gateway.store.days import DAY_MS

QUARTER_MS = 900_000
SPANS_MS = {"15m": QUARTER_MS, "1d": DAY_MS}
ROLLUP = "rollup"  # beside the shapes of profiles
N, GOOD, BAD = range(3)  # places of the columns that every rollup has
_HEAD = 3
_WIDTH = {Kind.REGISTER: 4, Kind.GAUGE: 4, Kind.COUNT: 1, Kind.CODE: 1}
_SHOWN = {
    Kind.REGISTER: ("increase", "last"),
    Kind.GAUGE: ("mean", "min", "max"),
    Kind.COUNT: ("sum",),
    Kind.CODE: ("last",),
}
# What a bill or a study may rest on without a second look.
_GOOD_GRADES = (Quality.VALID, Quality.RECOVERED, Quality.VERIFIED, Quality.EDITED)
IS_GOOD = np.array([grade in _GOOD_GRADES for grade in Quality])


def name_of(profile: str, span: str) -> str:
    """Return under which name the rollups of a profile are kept and sent."""
    return f"{profile}_{span}"


def is_rollup(name: str) -> bool:
    """Return whether pages of this name hold rollups."""
    return "_" in name


class Part(NamedTuple):
    """Where one column of a profile is in a stored rollup."""

    source: int  # its place in a reading
    place: int  # of the first of its columns here
    kind: Kind
    rollover: float | None  # in scaled units


class Layout:
    """The columns of the rollups of one profile."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.parts: list[Part] = []
        place = _HEAD
        for source, column in enumerate(profile.columns):
            rollover = None if column.rollover is None else column.rollover / column.scale
            self.parts.append(Part(source, place, column.kind, rollover))
            place += _WIDTH[column.kind]
        self.width = place
        self.registers = [part for part in self.parts if part.kind is Kind.REGISTER]
        self.lasts = [part.place + 2 for part in self.registers]

    def shown(self, stored: ReadingBatch) -> ReadingBatch:
        """Return stored rollups as boards and databases want them (``shown_profile``)."""
        values = stored.values
        total = values[:, N] + values[:, BAD]
        columns = [values[:, N], _ratio(values[:, GOOD], total)]
        for part in self.parts:
            columns += _shown(part, values)
        return ReadingBatch(
            stored.profile,
            stored.device_index,
            stored.log,
            stored.seq,
            stored.time_ms,
            stored.received_ms,
            np.stack(columns, axis=1),
            stored.status,
            stored.quality,
            stored.reasons,
            stored.record,
        )


def shown_profile(profile: Profile, span: str) -> Profile:
    """Return the profile of what ``Layout.shown`` returns."""
    base = profile.columns[0].model_copy(update={"unit": "1", "scale": 1.0})
    columns = [
        _column(base, "n", "Usable readings"),
        _column(base, "good", "Share of readings with a good grade"),
    ]
    for column in profile.columns:
        columns += [
            _column(column, f"{column.name}_{what}", f"{column.title}: {what}")
            for what in _SHOWN[column.kind]
        ]
    return profile.model_copy(
        update={
            "name": name_of(profile.name, span),
            "title": f"{profile.title}, {span}",
            "shape": "series",
            "interval_s": SPANS_MS[span] // 1000,
            "columns": tuple(columns),
        }
    )


def shown_profiles(profiles: Mapping[str, Profile]) -> dict[str, Profile]:
    """Return the profiles of all rollups by name."""
    shown = (shown_profile(profile, span) for profile in profiles.values() for span in SPANS_MS)
    return {profile.name: profile for profile in shown}


def growth(part: Part, values: FloatArray) -> FloatArray:
    """Return how much a register grew in each bucket, NaN where no difference lies in it."""
    before, first, _, inner = (values[:, part.place + k] for k in range(4))
    bridge = register_steps(before, first, part.rollover)
    return np.where(np.isnan(bridge), inner, bridge + np.nan_to_num(inner))


def _shown(part: Part, values: FloatArray) -> list[FloatArray]:
    place = part.place
    if part.kind is Kind.REGISTER:
        return [growth(part, values), values[:, place + 2]]
    if part.kind is Kind.GAUGE:
        count = values[:, N] - values[:, place + 1]
        return [_ratio(values[:, place], count), values[:, place + 2], values[:, place + 3]]
    return [values[:, place]]


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return ratio


def _column(base: Column, name: str, title: str) -> Column:
    # A copy is not validated: the names are longer than a device's columns may have.
    return base.model_copy(update={"name": name, "title": title, "obis": None})
