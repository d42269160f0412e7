"""SAIDI, SAIFI, CAIDI and MAIFI (IEEE 1366; names of ESPI's measurement kinds)."""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.energy.outage.policy import OutagePolicy

_MS_PER_MIN = 60_000


class Interruption(NamedTuple):
    """One customer without power."""

    row: int
    begin_ms: int
    end_ms: int  # NEVER_MS while it lasts


class Reliability(NamedTuple):
    """Indices of a period; None where nobody was served or nothing was interrupted."""

    customers: int
    sustained: int  # interruptions longer than the policy's limit
    momentary: int
    minutes: float  # of customers without power, sustained interruptions only
    saidi_min: float | None  # ΣT·K / K
    saifi: float | None  # ΣK / K
    caidi_min: float | None  # SAIDI / SAIFI
    maifi: float | None


def reliability(
    interruptions: Iterable[Interruption],
    customers: int,
    period_ms: tuple[int, int],
    now_ms: int,
    policy: OutagePolicy,
) -> Reliability:
    """Return the indices of a period.

    An interruption counts whole in the period in which it began, as in IEEE 1366; one that
    lasts counts up to now.

    Args:
        interruptions: of all customers.
        customers: how many were served.
        period_ms: begin and end.
        now_ms: where open interruptions are cut.
        policy: how long momentary is.
    """
    sustained = momentary = 0
    minutes = 0.0
    for one in interruptions:
        if not period_ms[0] <= one.begin_ms < period_ms[1]:
            continue
        length_ms = min(one.end_ms, now_ms) - one.begin_ms
        if length_ms > policy.momentary_max_s * 1000:
            sustained += 1
            minutes += length_ms / _MS_PER_MIN
        elif one.end_ms <= now_ms:
            momentary += 1
    saidi = minutes / customers if customers else None
    saifi = sustained / customers if customers else None
    return Reliability(
        customers,
        sustained,
        momentary,
        minutes,
        saidi,
        saifi,
        minutes / sustained if sustained else None,
        momentary / customers if customers else None,
    )
