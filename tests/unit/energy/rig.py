"""Small windows for hand-computed vectors: one row per meter, half hours from a Hanoi midnight."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np

from gateway.energy import vee
from gateway.energy.calendar import Calendar, HolidayYear
from gateway.energy.series import Meters, Window, empty_window
from gateway.energy.vee.policy import VeePolicy
from gateway.model import FloatArray, Quality, Reason
from gateway.policies import load_policies

HANOI = timezone(timedelta(hours=7))
HALF_HOUR_MS = 1_800_000
DAY = 48
CALENDAR = Calendar.of(load_policies("calendar", HolidayYear), "vn-public-holidays")
NAN = float("nan")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=HANOI).timestamp() * 1000)


MONDAY_MS = ms("2026-03-09T00:00")
POLICY = load_policies("vee", VeePolicy).at("vee", MONDAY_MS)


def window_of(
    registers: Sequence[Sequence[float] | FloatArray] | FloatArray, start_ms: int = MONDAY_MS
) -> Window:
    """Return a window that shows these import registers at its marks, NaN for no reading."""
    shown = np.array(registers, np.float64)
    meters, marks = shown.shape
    window = empty_window(np.arange(meters), start_ms, HALF_HOUR_MS, marks - 1)
    window.import_wh[:] = shown
    window.export_wh[np.isfinite(shown)] = 0
    window.quality[np.isfinite(shown)] = int(Quality.VALID)
    return window


def registers_of(uses: Sequence[float] | FloatArray, begin: float = 1000.0) -> list[float]:
    """Return the registers around slots of these uses."""
    rising: list[float] = np.concatenate([[begin], begin + np.cumsum(uses)]).tolist()
    return rising


def job_of(
    window: Window,
    *,
    meters: Meters | None = None,
    history: vee.History | None = None,
    carry: vee.Carry | None = None,
    extra: vee.Extra | None = None,
    policy: VeePolicy = POLICY,
) -> vee.Job:
    return vee.Job(
        window,
        meters or POLICY.meter.meters(window.meters),
        policy,
        CALENDAR,
        history or vee.History.nothing(window.meters, DAY),
        carry or vee.Carry.nothing(window.meters),
        extra or vee.Extra(),
    )


def run_uses(uses: Sequence[float] | FloatArray) -> vee.Intervals:
    return vee.run(job_of(window_of([registers_of(uses)])))


def marked(found: vee.Intervals, reason: Reason, row: int = 0) -> list[int]:
    """Return the slots of a meter that bear a reason."""
    return np.flatnonzero(found.reasons[row] & int(reason)).tolist()


def graded(found: vee.Intervals, quality: Quality, row: int = 0) -> list[int]:
    """Return the slots of a meter that have a grade."""
    return np.flatnonzero(found.quality[row] == int(quality)).tolist()


def varied(slots: int, level: float = 200.0) -> FloatArray:
    """Return uses that no rule minds: never twice the same, never far from the level."""
    place = np.arange(slots)
    return (level + 10.0 * (place % 7) + (place % 3)).astype(np.float64)


def past_days(day_ms: int, days: int, uses: FloatArray) -> vee.History:
    """Return a history of good days before a midnight, (meters, slots) or (meters, days, slots)."""
    first = int(CALENDAR.day(np.array([day_ms]))[0]) - days
    energy = uses if uses.ndim == 3 else np.repeat(uses[:, None, :], days, axis=1)
    return vee.History(
        first + np.arange(days),
        energy.astype(np.float32),
        np.ones((len(energy), days), np.bool_),
    )
