"""``python -m simulators score``: a truth file against a gateway."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from simulators.amounts import amount
from simulators.city.times import rfc3339
from simulators.score.match import score
from simulators.score.source import OF_ALARMS, OF_DEVICES, Api, read_claims, read_truth

# the readings of meters are half an hour apart, and the gateway needs two to say anything
USUAL_SLACK_S = 3600.0
_COLUMNS = (
    *("true_positive", "false_positive", "false_negative", "precision", "recall"),
    *("delay_p50_s", "delay_p95_s"),
)


def add_score(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``score``."""
    parser.add_argument("--truth", type=Path, required=True, metavar="FILE")
    parser.add_argument("--api", required=True, metavar="URL")
    parser.add_argument(
        "--slack-s", type=amount, default=USUAL_SLACK_S, help="around a truth, still of it"
    )
    parser.add_argument(
        "--at", choices=("found", "raised"), default="found", help="which time of an alarm counts"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


def run_score(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ValueError: the truth file or an option is wrong.
        OSError: the file or the API cannot be read.
    """
    facts, from_ms, to_ms = read_truth(options.truth)
    slack_ms = round(options.slack_s * 1000)
    api = Api(options.api)
    claims = read_claims(api, rfc3339(from_ms), rfc3339(to_ms + slack_ms), at=options.at)
    api.close()
    # an alarm that has come shows that somebody looks for it
    reported = OF_DEVICES | OF_ALARMS | {kind for claim in claims for kind in claim.kinds}
    report = score(facts, claims, reported, slack_ms)
    print(json.dumps(report) if options.json else in_words(report), flush=True)
    return 0


def in_words(report: Mapping[str, Mapping[str, object]]) -> str:
    """Return a table, and which kinds nothing in the gateway speaks of."""
    width = max((len(kind) for kind in report), default=4)
    lines = [" ".join([" " * width, *(f"{name:>14}" for name in _COLUMNS)])]
    for kind, entry in report.items():
        cells = ("–" if entry[name] is None else str(entry[name]) for name in _COLUMNS)
        lines.append(" ".join([f"{kind:{width}}", *(f"{cell:>14}" for cell in cells)]))
    silent = [kind for kind, entry in report.items() if not entry["reported"]]
    if silent:
        lines += ["", f"Nothing reports these yet, so they count as missed: {', '.join(silent)}"]
    return "\n".join(lines)
