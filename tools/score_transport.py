"""Score the rooms of transport on simulated cities whose truth is known.

python -m tools.score_transport [health …] [--seeds 30] [--first 50000] [--lanes 100]

Thresholds were tuned on seeds below 1,000; what is printed is of others.
"""

import argparse
import sys
from collections.abc import Callable
from typing import TypeVar

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


Total = TypeVar("Total")


def _scored(
    begin: Callable[[], Total],
    score: Callable[[int, int, Total], None],
    progress: Callable[[Total], str],
    report: Callable[[Total], list[str]],
) -> Callable[[range, int], list[str]]:
    """Return what scores one city after the other and tells how it goes on standard error."""

    def run(seeds: range, lanes: int) -> list[str]:
        total = begin()
        for seed in seeds:
            score(seed, lanes, total)
            print(f"   seed {seed}: {progress(total)}", file=sys.stderr, flush=True)
        return report(total)

    return run


def _faults(total: health.HealthScore) -> str:
    found, faults = sum(total.found.values()), sum(total.faults.values())
    return f"{found} of {faults} faults found, {len(total.false)} false"


def _jams(total: incidents.IncidentScore) -> str:
    found, happened = sum(total.found.values()), sum(total.happened.values())
    return f"{found} of {happened} found, {len(total.false)} false"


_SCORES: dict[str, Callable[[range, int], list[str]]] = {
    "causes": _scored(
        causes.CauseScore,
        causes.score,
        lambda total: f"{sum(total.silent.values())} silences",
        causes.report,
    ),
    "flows": _scored(flows.FlowScore, flows.score, lambda _: "done", flows.report),
    "health": _scored(health.HealthScore, health.score, _faults, health.report),
    "incidents": _scored(incidents.IncidentScore, incidents.score, _jams, incidents.report),
    "incidents_broken": _scored(
        incidents.IncidentScore,
        incidents.score_broken,
        lambda total: f"{len(total.false_of_faults)} false",
        incidents.report_broken,
    ),
    "incidents_dark": _scored(
        incidents.IncidentScore,
        incidents.score_dark,
        lambda total: f"{len(total.false_of_darkness)} false",
        incidents.report_dark,
    ),
}


if __name__ == "__main__":
    main()
