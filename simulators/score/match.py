"""Which alarm is of which truth, by kind, place and time. Pure: no file, no network, no clock."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import median, quantiles
from typing import NamedTuple


class Fact(NamedTuple):
    """One entry of a truth file."""

    kind: str
    places: frozenset[str]  # everything an alarm may rightly name
    from_ms: int
    to_ms: int
    magnitude: Mapping[str, float]


class Claim(NamedTuple):
    """Something that the gateway says, an alarm or what a device itself reports.

    ``kinds``: what it may mean; the first is what it counts as where it is wrong.
    """

    kinds: tuple[str, ...]
    place: str
    at_ms: int
    estimate: Mapping[str, float] = {}


class Hit(NamedTuple):
    """A fact with the claims that are of it, in the order of time."""

    fact: Fact
    claims: Sequence[Claim]


def match(
    facts: Sequence[Fact], claims: Sequence[Claim], slack_ms: int
) -> tuple[list[Hit], list[Claim]]:
    """Return for each fact what was said of it, and the claims of which nothing is true.

    Args:
        facts: the truth.
        claims: what was said.
        slack_ms: how long before the begin and after the end of a fact a claim is still of it:
            a reading is as old as its interval.
    """
    ordered = sorted(claims, key=lambda claim: claim.at_ms)
    hits = [Hit(fact, [c for c in ordered if _is_of(c, fact, slack_ms)]) for fact in facts]
    right = {id(claim) for hit in hits for claim in hit.claims}
    return hits, [claim for claim in ordered if id(claim) not in right]


def _is_of(claim: Claim, fact: Fact, slack_ms: int) -> bool:
    in_time = fact.from_ms - slack_ms <= claim.at_ms <= fact.to_ms + slack_ms
    return in_time and fact.kind in claim.kinds and claim.place in fact.places


def false_alarms(wrong: Sequence[Claim], slack_ms: int) -> Mapping[str, int]:
    """Count alarms by kind: what is said again of the same place soon after is the same alarm."""
    last: dict[tuple[str, str], int] = {}
    count: dict[str, int] = {}
    for claim in wrong:
        key = (claim.kinds[0], claim.place)
        before = last.get(key)
        last[key] = claim.at_ms
        if before is None or claim.at_ms - before > slack_ms:
            count[claim.kinds[0]] = count.get(claim.kinds[0], 0) + 1
    return count


def score(
    facts: Sequence[Fact], claims: Sequence[Claim], reported: Collection[str], slack_ms: int
) -> dict[str, dict[str, object]]:
    """Return one entry for each kind that is true or was claimed.

    Args:
        facts: the truth.
        claims: what was said.
        reported: kinds that the gateway could have said anything of.
        slack_ms: see ``match``.
    """
    hits, wrong = match(facts, claims, slack_ms)
    false = false_alarms(wrong, slack_ms)
    kinds = sorted({fact.kind for fact in facts} | set(false))
    return {
        kind: _entry([hit for hit in hits if hit.fact.kind == kind], false.get(kind, 0))
        | {"reported": kind in reported}
        for kind in kinds
    }


def _entry(hits: Sequence[Hit], false_positive: int) -> dict[str, object]:
    found = [hit for hit in hits if hit.claims]
    # an alarm within the slack before the begin is not faster than light: it counts as at once
    delays_s = [max(0.0, (hit.claims[0].at_ms - hit.fact.from_ms) / 1000) for hit in found]
    return {
        "true_positive": len(found),
        "false_positive": false_positive,
        "false_negative": len(hits) - len(found),
        "precision": _share(len(found), false_positive),
        "recall": _share(len(found), len(hits) - len(found)),
        "delay_p50_s": median(delays_s) if delays_s else None,
        "delay_p95_s": percentile_95(delays_s) if delays_s else None,
        "estimate_errors": _errors(found),
    }


def percentile_95(values: Sequence[float]) -> float:
    """Return the 95th percentile, between the nearest two values."""
    return values[0] if len(values) == 1 else quantiles(values, n=20, method="inclusive")[-1]


def _share(right: int, wrong: int) -> float | None:
    return round(right / (right + wrong), 4) if right + wrong else None


def _errors(found: Sequence[Hit]) -> dict[str, dict[str, float]]:
    """Return relative errors of what alarms estimate, by the name of the quantity."""
    errors: dict[str, list[float]] = {}
    for hit in found:
        for name, error in _relative(hit):
            errors.setdefault(name, []).append(error)
    return {
        name: {"n": len(all_of), "median": median(all_of), "worst": max(all_of, key=abs)}
        for name, all_of in sorted(errors.items())
    }


def _relative(hit: Hit) -> Iterator[tuple[str, float]]:
    """Yield the error of each quantity's last estimate: it is the best one."""
    last: dict[str, float] = {}
    for claim in hit.claims:
        last |= claim.estimate
    for name, estimate in last.items():
        true = hit.fact.magnitude.get(name)
        if true:
            yield name, round((estimate - true) / true, 6)
