"""Readers that fail: a sequential test of each lane, passage by passage (Wald 1945)."""

from math import log
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray
from gateway.transport.tolls.passages import Outcome, Passages
from gateway.transport.tolls.policy import TollPolicy

_UNREAD = frozenset({int(Outcome.NO_TAG), int(Outcome.READ_FAILURE), int(Outcome.MANUAL)})
_NEVER_MS = -1


class ReaderState(NamedTuple):
    """What the test knows of each lane; survives a restart."""

    evidence: FloatArray  # that the reader fails, nats, 0 … the policy's
    since_ms: IntArray  # of the first passage of that evidence, or of the failure under way
    is_failed: IntArray  # 0 or 1
    reads: IntArray  # read in a row
    back_ms: IntArray  # of the first of those

    @classmethod
    def fresh(cls, lanes: int) -> "ReaderState":
        """Return the state of lanes that nothing is known of."""
        zeros = (np.zeros(lanes, np.int64) for _ in range(3))
        since_ms, is_failed, reads = zeros
        return cls(np.zeros(lanes), since_ms, is_failed, reads, np.full(lanes, _NEVER_MS))


class ReaderChange(NamedTuple):
    """A reader fails, or works again."""

    lane: int
    is_failed: int  # 0 or 1
    from_ms: int  # of the first passage that tells of it
    found_ms: int  # of the passage that gave certainty


def watch_readers(
    seen: Passages, state: ReaderState, policy: TollPolicy
) -> tuple[list[ReaderChange], ReaderState]:
    """Go on with passages in order of time; a function of state and passages alone."""
    rule = policy.reader
    step = {
        True: log(rule.failed_share / rule.healthy_share),
        False: log((1 - rule.failed_share) / (1 - rule.healthy_share)),
    }
    columns = [column.tolist() for column in state]
    evidence, since_ms, is_failed, reads, back_ms = columns
    changes: list[ReaderChange] = []
    rows = zip(seen.lane.tolist(), seen.time_ms.tolist(), seen.outcome.tolist(), strict=True)
    for lane, time_ms, outcome in rows:
        unread = outcome in _UNREAD
        if unread:
            reads[lane] = 0
        else:
            back_ms[lane] = time_ms if not reads[lane] else back_ms[lane]
            reads[lane] += 1
        if is_failed[lane]:
            if reads[lane] >= rule.clear_reads:
                is_failed[lane], evidence[lane] = 0, 0.0
                changes.append(ReaderChange(lane, 0, back_ms[lane], time_ms))
            continue
        if evidence[lane] <= 0:
            since_ms[lane] = time_ms
        evidence[lane] = max(0.0, evidence[lane] + step[unread])
        if evidence[lane] >= rule.evidence:
            is_failed[lane] = 1
            changes.append(ReaderChange(lane, 1, since_ms[lane], time_ms))
    whole = (np.array(column, np.int64) for column in columns[1:])
    return changes, ReaderState(np.array(evidence, np.float64), *whole)
