"""Score the rooms of transport on simulated cities whose truth is known.

python -m tools.score_transport [health …] [--seeds 30] [--first 50000] [--lanes 100]

Thresholds were tuned on seeds below 1,000; what is printed is of others.
"""

import argparse
import sys
from collections.abc import Callable

from tools.road_scores import causes, flows, health, incidents


def main() -> None:
    """Print a table for each score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", nargs="*", help=f"some of: {', '.join(_SCORES)}; none = all")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=50_000)
    parser.add_argument("--lanes", type=int, default=100)
    wanted = parser.parse_args()
    seeds = range(wanted.first, wanted.first + wanted.seeds)
    for name in wanted.scores or _SCORES:
        print(f"-- {name}", flush=True)
        for line in _SCORES[name](seeds, wanted.lanes):
            print(line, flush=True)


def _health(seeds: range, lanes: int) -> list[str]:
    total = health.HealthScore()
    for seed in seeds:
        health.score(seed, lanes, total)
        found = f"{sum(total.found.values())} of {sum(total.faults.values())} faults found"
        print(f"   seed {seed}: {found}, {len(total.false)} false", file=sys.stderr, flush=True)
    return health.report(total)


def _incidents(seeds: range, lanes: int) -> list[str]:
    total = incidents.IncidentScore()
    for seed in seeds:
        incidents.score(seed, lanes, total)
        found = f"{sum(total.found.values())} of {sum(total.happened.values())} found"
        print(f"   seed {seed}: {found}, {len(total.false)} false", file=sys.stderr, flush=True)
    return incidents.report(total)


def _flows(seeds: range, lanes: int) -> list[str]:
    total = flows.FlowScore()
    for seed in seeds:
        flows.score(seed, lanes, total)
        print(f"   seed {seed}", file=sys.stderr, flush=True)
    return flows.report(total)


def _incidents_broken(seeds: range, lanes: int) -> list[str]:
    total = incidents.IncidentScore()
    for seed in seeds:
        incidents.score_broken(seed, lanes, total)
        print(f"   seed {seed}: {len(total.false_of_faults)} false", file=sys.stderr, flush=True)
    return incidents.report_broken(total)


def _causes(seeds: range, lanes: int) -> list[str]:
    total = causes.CauseScore()
    for seed in seeds:
        causes.score(seed, lanes, total)
        print(f"   seed {seed}: {sum(total.silent.values())} silences", file=sys.stderr, flush=True)
    return causes.report(total)


_SCORES: dict[str, Callable[[range, int], list[str]]] = {
    "causes": _causes,
    "flows": _flows,
    "health": _health,
    "incidents": _incidents,
    "incidents_broken": _incidents_broken,
}


if __name__ == "__main__":
    main()
