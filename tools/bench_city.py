"""Prints what a simulated city costs, against the targets of its issue: ``make bench-city``."""

import json
import subprocess
import sys
import tempfile
from typing import NamedTuple

LONGEST_S = 900


class Case(NamedTuple):
    """A city, and what it must reach."""

    title: str
    options: tuple[str, ...]
    least_times_real_time: float
    longest_s: float = LONGEST_S
    most_rss_bytes: int = 1_000_000_000


CASES = (
    Case(
        "10,000 meters at 30 min, 500 lanes at 30 s, a day",
        ("--meters", "10000", "--lanes", "500", "--days", "1"),
        200,
    ),
    Case(
        "1,000 meters, a month",
        ("--meters", "1000", "--lanes", "0", "--days", "30"),
        200,
        longest_s=120,
    ),
)


def main() -> int:
    """Run the cases one after the other; exit code 1 where a target is missed."""
    missed = 0
    for case in CASES:
        report = _measure(case)
        rss_bytes, taken_s = report["peak_rss_bytes"], report["taken_s"]
        is_good = (
            report["times_real_time"] >= case.least_times_real_time
            and taken_s <= case.longest_s
            and rss_bytes <= case.most_rss_bytes
        )
        missed += not is_good
        print(
            f"{case.title}: {taken_s:.1f} s, {report['times_real_time']:,.0f} times real time, "
            f"{report['readings']:,.0f} readings, {rss_bytes / 1e6:.0f} MB: "
            f"{'good' if is_good else 'MISSED'}",
            flush=True,
        )
    return 1 if missed else 0


def _measure(case: Case) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "simulators", "city", *case.options, "--out", folder]
        done = subprocess.run(
            [*command, "--json"], stdout=subprocess.PIPE, check=True, timeout=LONGEST_S
        )
    report: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return report


if __name__ == "__main__":
    sys.exit(main())
