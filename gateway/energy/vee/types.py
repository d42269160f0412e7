"""What goes into a run of VEE, and what comes out."""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.energy.calendar import DAY_MS, Calendar
from gateway.energy.series import Meters, Window
from gateway.energy.vee.policy import VeePolicy
from gateway.model import BoolArray, FloatArray, IntArray

_Item = TypeVar("_Item", bound=np.generic)

NEVER_MS = -(1 << 62)
MS_PER_H = 3_600_000


class Method(IntEnum):
    """Where the value of a slot comes from; 1 to 6 are the steps of the ladder."""

    MEASURED = 0
    BACKLOG = 1  # measured, came late
    FLAT_SCALED = 2  # what the register says, spread evenly
    LIKE_DAY_SCALED = 3  # what the register says, in the shape of like days
    CHECK_METER = 4
    LIKE_DAY = 5  # provisional: no closing register yet
    EDITED = 6
    UNKNOWN = 7  # neither a reading nor anything to estimate from
    # of intervals that a file tells, without a register
    PARTLY = 8  # a part of the slot is told: no more than the sum of that
    SPLIT = 9  # the slot's share, by time, of a longer interval
    SOURCE_FINAL = 10  # the source says: a substitute, and final
    SOURCE_SUBSTITUTE = 11  # … a substitute
    SOURCE_ESTIMATE = 12  # … an estimate, until something better comes
    # from what is known of the world outside
    NO_POWER = 13  # nothing: an outage says so; provisional as step 5
    ABSENT = 14  # no meter was there: nothing, and nothing is missed


# what a later file must still make good
PROVISIONAL = (Method.PARTLY, Method.SOURCE_ESTIMATE)
ESTIMATES = (Method.FLAT_SCALED, Method.LIKE_DAY_SCALED, Method.CHECK_METER, Method.LIKE_DAY)


class Exchange(NamedTuple):
    """A meter taken down and another put up, with what both showed then; NaN where not noted."""

    row: int
    time_ms: int
    old_final_wh: float
    new_start_wh: float
    old_final_export_wh: float = math.nan
    new_start_export_wh: float = math.nan

    def of_export(self) -> "Exchange":
        """Return the same of the other register."""
        return self._replace(
            old_final_wh=self.old_final_export_wh,
            new_start_wh=self.new_start_export_wh,
        )


class Edit(NamedTuple):
    """A person's word on one slot; the newest edit of a slot holds."""

    row: int
    slot_ms: int  # beginning of the slot
    value_wh: float | None  # None: the value as it is, verified
    who: str
    when_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class Extra:
    """What may be known beside registers; shapes as in the window, None where nothing is."""

    interval_wh: FloatArray | None = None  # (meters, slots): the meter's own load profile
    interval_export_wh: FloatArray | None = None  # the same of what is fed in
    # how each of these came about; None: measured. Where given, there are no registers, and nothing
    # that is not told is estimated: only who wrote the file could.
    interval_method: IntArray | None = None
    is_feed_in: BoolArray | None = None  # slots of which only what is fed in is told
    check_wh: FloatArray | None = None  # (meters, slots): of a check meter at the same point
    check_index: IntArray | None = None  # (meters, slots): device index of that check meter
    clock_offset_ms: FloatArray | None = None  # (meters, marks): device clock less gateway clock
    is_outage: BoolArray | None = None  # (meters, slots): the grid was without power
    # (meters, slots): part of a slot in which there were power and a meter; None: where no outage
    lit: FloatArray | None = None
    is_disconnected: BoolArray | None = None  # (meters, slots); None: as the registry says
    exchanges: tuple[Exchange, ...] = ()
    edits: tuple[Edit, ...] = ()


class History(NamedTuple):
    """Complete days before the window, oldest first; what like-days are taken from.

    Row for row as the window. Bounded: those that a run looks at (``ladder.depth_days``), and some
    more (``late_days``) so that an older window finds the same days again. 10,000 meters x 42 days
    x 48 slots are 81 MB.
    """

    day: IntArray  # (days,) local day numbers, ascending
    energy_wh: NDArray[np.float32]  # (meters, days, slots of a day); 0 where unknown, not good
    is_good: BoolArray  # (meters, days): all slots measured, passed validation, no outage

    @classmethod
    def nothing(cls, meters: int, slots_per_day: int) -> "History":
        """Return a history without days."""
        return cls(
            np.zeros(0, np.int64),
            np.zeros((meters, 0, slots_per_day), np.float32),
            np.zeros((meters, 0), np.bool_),
        )

    def take(self, rows: IntArray | BoolArray) -> "History":
        """Return the history of some meters."""
        return History(self.day, self.energy_wh[rows], self.is_good[rows])

    def put(self, rows: IntArray, part: "History") -> None:
        """Take over, in place, what a later run found of some meters and of known days."""
        here, there = np.isin(self.day, part.day), np.isin(part.day, self.day)
        self.energy_wh[np.ix_(rows, here)] = part.energy_wh[:, there]
        self.is_good[np.ix_(rows, here)] = part.is_good[:, there]

    def before(self, day: int, depth: int) -> "History":
        """Return at most ``depth`` days that lie before ``day``."""
        stop = int(np.searchsorted(self.day, day))
        kept = slice(max(0, stop - depth), stop)
        return History(self.day[kept], self.energy_wh[:, kept], self.is_good[:, kept])


class Carry(NamedTuple):
    """What a run must know of the slots before its window, (meters,) each."""

    zero_run: IntArray  # slots in a row without use, up to the window
    flat_run: IntArray  # slots in a row with the same use
    estimated_run: IntArray
    last_wh: FloatArray  # use in the last slot, NaN unknown
    known_ms: IntArray  # newest mark with a good register, NEVER_MS where there was none
    live_run: IntArray  # slots in a row with the same use as before, for which gauges vouch

    @classmethod
    def nothing(cls, meters: int) -> "Carry":
        """Return the beginning of everything."""
        return cls(
            np.zeros(meters, np.int64),
            np.zeros(meters, np.int64),
            np.zeros(meters, np.int64),
            np.full(meters, np.nan),
            np.full(meters, NEVER_MS, np.int64),
            np.zeros(meters, np.int64),
        )

    def take(self, rows: IntArray | BoolArray) -> "Carry":
        """Return that of some meters."""
        return Carry._make(column[rows] for column in self)

    def put(self, rows: IntArray, part: "Carry") -> None:
        """Take over, in place, that of some meters."""
        for column, found in zip(self, part, strict=True):
            column[rows] = found


class Job(NamedTuple):
    """A run: one window and all that is known of its meters."""

    window: Window
    meters: Meters
    policy: VeePolicy
    calendar: Calendar
    history: History
    carry: Carry
    extra: Extra

    @property
    def slot_h(self) -> float:
        """Return the length of a slot in hours."""
        return self.window.interval_ms / MS_PER_H

    def lit(self) -> FloatArray | None:
        """Return the part of each slot in which there were power and a meter; None: all of all."""
        if self.extra.lit is not None or self.extra.is_outage is None:
            return self.extra.lit
        return np.where(self.extra.is_outage, 0.0, 1.0)


class Days(NamedTuple):
    """The complete local days of a window."""

    first: int  # slot at which the first of them begins
    per_day: int  # slots of a day
    number: IntArray  # local day numbers

    @classmethod
    def of(cls, window: Window, calendar: Calendar) -> "Days":
        """Return them; a window within one day has none."""
        per_day = DAY_MS // window.interval_ms
        of_mark = calendar.day(window.mark_ms())
        starts = np.flatnonzero(of_mark[1:] != of_mark[:-1]) + 1
        at_midnight = calendar.start_ms(int(of_mark[0])) == window.start_ms
        first = 0 if at_midnight else int(starts[0]) if len(starts) else window.slots
        count = (window.slots - first) // per_day
        return cls(first, per_day, of_mark[first] + np.arange(count))

    @property
    def stop(self) -> int:
        """Return the slot behind the last complete day."""
        return self.first + self.per_day * len(self.number)

    def stops(self) -> list[int]:
        """Return the slot behind each of the days."""
        return [self.first + self.per_day * (k + 1) for k in range(len(self.number))]

    def cube(self, slots: NDArray[_Item]) -> NDArray[_Item]:
        """Return columns of slots as (meters, days, slots of a day)."""
        part = slots[:, self.first : self.stop]
        return part.reshape(len(slots), len(self.number), self.per_day)

    def spread(self, of_day: BoolArray, shape: tuple[int, ...]) -> BoolArray:
        """Return for each slot what holds of its day; False outside of complete days."""
        slots = np.zeros(shape, np.bool_)
        slots[:, self.first : self.stop] = np.repeat(of_day, self.per_day, axis=1)
        return slots


@dataclass(frozen=True, slots=True)
class Intervals:
    """What a run found: shape (meters, slots), registers (meters, marks)."""

    device_index: IntArray
    start_ms: int
    interval_ms: int
    import_wh: FloatArray
    export_wh: FloatArray  # NaN where unknown: export is never guessed
    quality: IntArray  # model.Quality
    reasons: IntArray  # model.Reason bits
    method: NDArray[np.int8]  # Method
    is_final: BoolArray  # no later reading can change it
    register_wh: (
        FloatArray  # import as shown by the meter; NaN where it showed none, or a wrong one
    )
    day: IntArray  # the complete local days of the window
    is_good_day: BoolArray  # (meters, days): fit to be a like day
    midnights: tuple[Carry, ...]  # for a window that begins where each of these days ends
    carry: Carry  # for the window that begins where this one ends
    check_index: IntArray | None = (
        None  # (meters, slots): whose value it is by CHECK_METER, else −1
    )
    clock_offset_ms: FloatArray | None = None  # (meters, slots): NaN where not known

    @property
    def slots(self) -> int:
        """Return the number of intervals."""
        return int(self.import_wh.shape[1])

    def slot_ms(self) -> IntArray:
        """Return the beginning of every slot."""
        return self.start_ms + self.interval_ms * np.arange(self.slots, dtype=np.int64)
