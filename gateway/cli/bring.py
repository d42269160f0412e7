"""``import``: files of history into the gateway, with a word on everything that is odd in them.

What is taken goes the way of live data: journal, pipeline, store, accounts. So a second import of
the same file stores nothing new: every reading is a duplicate.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.cli.delivery import Delivered, batches, open_delivery
from gateway.config import Settings
from gateway.errors import ConfigError
from gateway.history import Complaint, FileRefusedError, Found, Series
from gateway.history.audit import Audit, audit
from gateway.history.layout import load_layout
from gateway.history.parcels import Parcel, parcels_of
from gateway.history.reading import FORMATS, Hints, read_file
from gateway.profiles import Profiles
from gateway.roles import building
from gateway.topics import is_device_id
from gateway.views.engineering import time_text

_SHOWN = 20  # lines of a kind that are printed; --json has all


class _Read(NamedTuple):
    """A file, what is in it, and what is odd about it."""

    file: Path
    found: Found
    series: Sequence[Series]
    audits: Sequence[Audit]
    refusal: Complaint | None  # of the whole file

    @property
    def refused(self) -> list[Complaint]:
        """All that was not taken."""
        whole = [] if self.refusal is None else [self.refusal]
        conflicts = [one for each in self.audits for one in each.conflicts]
        return [*whole, *self.found.refused, *conflicts]

    @property
    def readings(self) -> int:
        """How many readings are taken."""
        return sum(each.rows for each in self.audits)


def add_to(commands: Commands) -> None:
    """Add this command."""
    text = "Bring files of history: NEM12/13, Green Button, CSV, captures, P1 logs."
    parser = add_command(commands, "import", _import, text)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--dry-run", action="store_true", help="say what is in them, store nothing")
    parser.add_argument("--layout", type=Path, metavar="TOML", help="description of a CSV table")
    parser.add_argument("--format", choices=FORMATS, help="default: told by the content")
    parser.add_argument("--device", help="of a P1 log (default: the file's name)")
    parser.add_argument("--org", help="of the devices (default: [foreign] org)")
    add_config(parser)
    add_json(parser)


def _import(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    profiles = building.load_all_profiles(settings)
    for name in (options.org, options.device):
        if name is not None and not is_device_id(name):
            raise ConfigError(f"{name!r} is not [a-z0-9][a-z0-9-]{{1,63}}")
    layout = None if options.layout is None else load_layout(options.layout)
    hints = Hints(options.format, layout, options.device)
    reads = [_read(file, hints, profiles) for file in options.files]
    delivered = None
    if not options.dry_run and any(read.series or read.found.raw for read in reads):
        org = options.org or settings.foreign.org
        delivered = _deliver(settings, reads, org, profiles)
    report = _report(reads, delivered)
    print_json(report) if options.json else _print(report, is_dry=options.dry_run)
    return 1 if any(read.refused for read in reads) else 0


def _read(file: Path, hints: Hints, profiles: Profiles) -> _Read:
    try:
        found = read_file(file, hints, profiles)
    except FileRefusedError as error:
        return _Read(file, Found(), (), (), error.complaint)
    pairs = [audit(one, is_events=profiles[one.profile].shape == "events") for one in found.series]
    return _Read(file, found, [pair[0] for pair in pairs], [pair[1] for pair in pairs], None)


def _deliver(settings: Settings, reads: Sequence[_Read], org: str, profiles: Profiles) -> Delivered:
    total = sum(read.readings + len(read.found.raw) for read in reads)

    def parcels() -> Iterator[Parcel]:
        for read in reads:
            yield from parcels_of(read.series, read.found, org, profiles)

    with open_delivery(settings) as delivery, _bar() as progress:
        sent = progress.add_task("sent", total=total)
        for batch in batches(parcels()):
            delivery.put(batch)
            progress.advance(sent, sum(one.readings for one in batch))
        worked = progress.add_task("processed", total=total)
        return delivery.finish(lambda share: progress.update(worked, completed=share * total))


def _bar() -> Progress:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True))


def _report(reads: Sequence[_Read], delivered: Delivered | None) -> dict[str, Any]:
    report: dict[str, Any] = {"files": [_of_file(read) for read in reads]}
    if delivered is not None:
        report["processed"] = delivered.is_processed
    if delivered is not None and delivered.totals is not None:
        grown = delivered.totals
        report["readings"] = {
            "stored": grown.stored,
            "duplicate": grown.duplicate,
            "quarantined": grown.quarantined,
        }
    return report


def _of_file(read: _Read) -> dict[str, Any]:
    return {
        "file": str(read.file),
        "readings": read.readings,
        "messages": len(read.found.raw),
        "series": [
            _of_series(one, each) for one, each in zip(read.series, read.audits, strict=True)
        ],
        "duplicates": _lines([one for each in read.audits for one in each.duplicates]),
        "dst": _lines(read.found.notes),
        "refused": _lines(read.refused),
    }


def _of_series(series: Series, found: Audit) -> dict[str, Any]:
    return {
        "device": series.device,
        "profile": series.profile,
        "readings": found.rows,
        "first": time_text(found.first_ms),
        "last": time_text(found.last_ms),
        "interval_s": found.interval_ms / 1000,
        "gaps": found.gap_count,
        "missing": found.missing,
        "first_gaps": [
            {
                "after": time_text(gap.after_ms),
                "before": time_text(gap.before_ms),
                "missing": gap.missing,
            }
            for gap in found.gaps
        ],
    }


def _lines(complaints: Sequence[Complaint]) -> list[dict[str, Any]]:
    return [{"line": one.line, "reason": one.reason} for one in complaints]


def _print(report: dict[str, Any], *, is_dry: bool) -> None:
    for file in report["files"]:
        _print_file(file)
    if is_dry:
        print("dry run: nothing is stored")
    elif "readings" in report:
        words = "stored {stored}, duplicate {duplicate}, quarantined {quarantined}"
        print(words.format(**report["readings"]))
        print("(what devices sent meanwhile is counted with them)")
    elif "processed" in report:
        print("in the journal: to be stored when the gateway runs")


def _print_file(file: dict[str, Any]) -> None:
    print(f"{file['file']}: {file['readings']} readings, {file['messages']} messages")
    for one in file["series"]:
        print("  {device} ({profile}): {readings} from {first} to {last},".format(**one), end=" ")
        print("every {interval_s:g} s, {gaps} gaps, {missing} missing".format(**one))
        for gap in one["first_gaps"]:
            print("    gap after {after}: {missing} missing".format(**gap))
    for what in ("duplicates", "dst", "refused"):
        _print_lines(file["file"], what, file[what])


def _print_lines(file: str, what: str, lines: Sequence[dict[str, Any]]) -> None:
    if not lines:
        return
    out = sys.stderr if what == "refused" else sys.stdout
    print(f"  {what}: {len(lines)}", file=out)
    for one in lines[:_SHOWN]:
        print(f"    {file}:{one['line']}: {one['reason']}", file=out)
    if len(lines) > _SHOWN:
        print(f"    … and {len(lines) - _SHOWN} more (--json has all)", file=out)
