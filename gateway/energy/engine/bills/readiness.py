"""How fast the meters of a month became ready for their bills after its end."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gateway.columns import pack_columns, unpack_columns
from gateway.energy.billing import NOT_YET_MS, progress, ready_since
from gateway.energy.engine.days.kin import all_groups, kin_of
from gateway.energy.engine.days.pieces import Piece, month_of, name_of
from gateway.energy.engine.days.remembered import matched
from gateway.energy.engine.findings.bodies import encode, number, numbers
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.outages.reliability import WHOLE, Month
from gateway.energy.engine.policies import EnergyPolicies
from gateway.model import BoolArray, IntArray
from gateway.ports import Memo, Result

READINESS = "readiness"
_MS_PER_H = 3_600_000


class Since(NamedTuple):
    """Since when meters have been ready."""

    device_index: IntArray  # ascending
    since_ms: IntArray  # NOT_YET_MS


class Readiness:
    """Keeps it, and makes the curve of a month.

    Args:
        recall: what was kept.
        roster: who is a customer.
        policies: the hours that are told.
    """

    def __init__(self, recall: RecallsMemos, roster: Roster, policies: EnergyPolicies) -> None:
        self._recall, self._roster, self._policies = recall, roster, policies

    def memos(
        self, piece: Piece, meters: IntArray, is_ready: BoolArray, now_ms: int
    ) -> Iterator[Memo]:
        """Yield what is to be kept of meters in the month of a piece."""
        kept = self._kept(piece)
        # a day tells of its own meters only: others came later in the month, or had gone
        every = np.unique(np.concatenate([meters, *(known.device_index for known in kept)]))
        since = np.full(len(every), NOT_YET_MS, np.int64)
        kin = [piece._replace(profile=name) for name in kin_of(self._roster, piece.profile)]
        theirs = [(one, known) for one in kin for known in self._kept(one)]
        for known in (*(known for _, known in theirs), *kept):
            here, there = matched(every, known.device_index)
            since[here] = known.since_ms[there]
        mine, _ = matched(every, meters)
        since[mine] = ready_since(since[mine], is_ready, now_ms)
        yield _memo(piece, Since(every, since))
        for one, known in theirs:  # whom files tell of and registers is counted once, here
            is_theirs = ~np.isin(known.device_index, meters)
            if not is_theirs.all():
                yield _memo(one, Since(known.device_index[is_theirs], known.since_ms[is_theirs]))

    def _kept(self, piece: Piece) -> list[Since]:
        first, _ = month_of(piece.day)
        return [_unpacked(k) for k in self._recall.memos(DOMAIN, _name(piece), first, first + 1)]

    def lines(self, month: Month, now_ms: int) -> Iterator[Result]:
        """Yield the curve of a month that is over."""
        first = int(self._policies.calendar.day(np.array([month.begin_ms]))[0])
        groups = all_groups(self._roster)
        parts = [part for group in groups for part in self._kept(Piece(first, *group))]
        if not parts:
            return
        device_index = np.concatenate([part.device_index for part in parts])
        since_ms = np.concatenate([part.since_ms for part in parts])
        rows = self._roster.rows_of(device_index)
        is_customer = np.append(self._roster.is_customer(month.end_ms - 1), False)[rows]
        since_ms = since_ms[is_customer]
        if not len(since_ms):
            return
        hours = np.array(self._policies.billing_at(month.end_ms - 1).progress_h, np.int64)
        at_ms = month.end_ms + hours * _MS_PER_H
        told = at_ms <= now_ms
        body: dict[str, object] = {
            "meters": len(since_ms),
            "ready": int((since_ms <= now_ms).sum()),
            "share": number(float((since_ms <= now_ms).mean())),
            "hours_after_end": hours[told].tolist(),
            "share_ready": numbers(progress(since_ms, at_ms[told])),
        }
        yield Result(READINESS, WHOLE, month.begin_ms, month.end_ms, encode(body))


def _memo(piece: Piece, since: Since) -> Memo:
    return Memo(_name(piece), month_of(piece.day)[0], pack_columns(since._asdict()))


def _name(piece: Piece) -> str:
    return f"ready/{name_of(piece)}"


def _unpacked(memo: Memo) -> Since:
    columns, _ = unpack_columns(memo.data)
    return Since(columns["device_index"], columns["since_ms"])
