"""Meters of which files tell and registers, too: each of their days is billed by one of both.

Memos of a day are kept by profile. A day of which a memo of registers has the meter is that of the
registers, whichever came first; any other is that of the file. Nothing but the memos says so:
what a meter sends today tells nothing of the days before it went live.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from gateway.energy.billing import DayFigures
from gateway.energy.engine.days.pieces import GROUP, Piece, month_of, name_of
from gateway.energy.engine.days.remembered import DayMemo, figures_of, matched, unpack
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.roster import Roster
from gateway.model import BoolArray, IntArray

Kin = dict[str, dict[int, DayMemo]]  # by profile and day


def kin_of(roster: Roster, profile: str) -> list[str]:
    """Return the profiles that may tell of the same meters: files beside registers, and back."""
    if roster.is_told(profile):
        return sorted(roster.registers)
    return sorted(roster.told) if roster.has_register(profile) else []


def tellers(roster: Roster, device_index: int) -> list[str]:
    """Return the profiles that days of a meter may be of, none where it is no meter."""
    profile = roster.profile_of.get(device_index, "")
    if roster.has_register(profile):
        return [profile, *kin_of(roster, profile)]
    return [profile] if roster.is_told(profile) else []


def all_groups(roster: Roster) -> list[tuple[str, int]]:
    """Return the groups that devices may have days of, by profile: those of registers first."""
    groups = {(name, index // GROUP) for index, name in roster.profile_of.items()}
    groups |= {(name, of) for known, of in groups for name in kin_of(roster, known) if known}
    return sorted(groups, key=lambda one: (roster.is_told(one[0]), *one))


def kin_days(recall: RecallsMemos, roster: Roster, piece: Piece) -> Kin:
    """Return the days of the month of a piece that another profile has of its group."""
    found: Kin = {}
    for profile in kin_of(roster, piece.profile):
        kept = recall.memos(DOMAIN, name_of(piece._replace(profile=profile)), *month_of(piece.day))
        memos = [memo for one in kept if (memo := unpack(one.data)) is not None]
        if memos:
            found[profile] = {memo.day: memo for memo in memos}
    return found


def has(kin: Kin, day: int, device_index: IntArray) -> BoolArray:
    """Return which devices another profile has that day."""
    known = [days[day].device_index for days in kin.values() if day in days]
    return np.isin(device_index, np.concatenate([np.zeros(0, np.int64), *known]))


def touched_by(roster: Roster, kin: Kin, piece: Piece, days: Sequence[DayMemo]) -> set[Piece]:
    """Return the pieces of files of which registers take a day, or give it back.

    Asked of the memos and not of what is new, so that it is found again after a crash.

    Args:
        roster: profiles.
        kin: what is kept of files.
        piece: of registers.
        days: what is known of it now, and what was before if anything was.
    """
    if not roster.has_register(piece.profile):
        return set()
    now, *before = (one.device_index for one in days)
    is_given_back = any(len(np.setdiff1d(one, now)) for one in before)
    return {
        piece._replace(profile=profile)
        for profile in kin_of(roster, piece.profile)
        if is_given_back or has({profile: kin.get(profile, {})}, piece.day, now).any()
    }


def by_day(memos: Iterable[DayMemo], device_index: IntArray) -> list[DayFigures]:
    """Return the figures of meters for each day; of two memos the first that has a meter counts.

    Args:
        memos: of registers first.
        device_index: the meters, ascending.
    """
    days = groupby(sorted(memos, key=lambda one: one.day), key=lambda one: one.day)
    return [_joined(list(ones), device_index) for _, ones in days]


def _joined(memos: Sequence[DayMemo], device_index: IntArray) -> DayFigures:
    first, *others = memos
    made = figures_of(first, device_index)
    taken = np.isin(device_index, first.device_index)
    for one in others:
        here, there = matched(device_index, one.device_index)
        here, there = here[~taken[here]], there[~taken[here]]
        taken[here] = True
        if one.figures.rates != made.rates:  # rates of another tariff cannot be added
            continue
        columns = one.figures._asdict()
        for name, into in made._asdict().items():
            if isinstance(into, np.ndarray):
                into[here] = columns[name][there]
    return made
