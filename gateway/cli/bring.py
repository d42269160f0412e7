"""``import``: files of history into the gateway, with a word on everything that is odd in them.

What is taken goes the way of live data: journal, pipeline, store, accounts. So a second import of
the same file stores nothing new: every reading is a duplicate. One that says something else of a
time that is stored is a correction if it grades better, else a conflict, and told.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.cli.delivery import Delivered, Delivery, batches, open_delivery
from gateway.cli.standing import Standing
from gateway.config import Settings, duration_ms
from gateway.decode.foreign.sparkplug_past import Waiting
from gateway.errors import ConfigError
from gateway.history import Complaint, FileRefusedError, Found, Series
from gateway.history.audit import Audit, audit
from gateway.history.layout import load_layout
from gateway.history.parcels import Parcel, corrections_of, parcels_of
from gateway.history.reading import FORMATS, Hints, read_file
from gateway.profiles import Profiles
from gateway.roles import files, now_ms
from gateway.store import StoreReader
from gateway.supervisor import locked
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
    better: Sequence[Series] = ()
    corrected: Sequence[Complaint] = ()
    waiting: Waiting = Waiting(0, ())  # messages of Sparkplug without the birth that names them
    against: Sequence[Complaint] = ()  # what says something else than the store, and no better

    @property
    def refused(self) -> list[Complaint]:
        """All that was not taken."""
        whole = [] if self.refusal is None else [self.refusal]
        conflicts = [one for each in self.audits for one in each.conflicts]
        return [*whole, *self.found.refused, *conflicts, *self.against]

    @property
    def readings(self) -> int:
        """How many readings the file holds that could be taken."""
        return sum(each.rows for each in self.audits)

    @property
    def sent(self) -> int:
        """How many readings and messages go to the gateway."""
        rows = sum(len(one.rows) for one in (*self.series, *self.better))
        return rows + len(self.found.raw)


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
    profiles = files.load_all_profiles(settings)
    for name in (options.org, options.device):
        if name is not None and not is_device_id(name):
            raise ConfigError(f"{name!r} is not [a-z0-9][a-z0-9-]{{1,63}}")
    layout = None if options.layout is None else load_layout(options.layout)
    hints = Hints(options.format, layout, options.device)
    reads = [_read(file, hints, profiles) for file in options.files]
    delivered, may_correct = None, True
    standing = Standing(StoreReader(settings.gateway.data_dir, profiles), profiles)
    if options.dry_run or not any(read.series or read.found.raw for read in reads):
        reads = [_judged(read, standing, may_correct=True) for read in reads]
    else:
        org = options.org or settings.foreign.org
        with _one_at_a_time(settings), open_delivery(settings) as delivery:
            may_correct = _caught_up(delivery)
            reads = [_judged(read, standing, may_correct=may_correct) for read in reads]
            delivered = _deliver(delivery, reads, _Way(org, profiles, standing))
    oldest_ms = now_ms() - duration_ms(settings.gateway.retention)
    report = _report(reads, delivered, oldest_ms)
    if delivered is not None:
        report["compared_with_all"] = may_correct
    print_json(report) if options.json else _print(report, is_dry=options.dry_run)
    return 1 if any(read.refused for read in reads) else 0


def _read(file: Path, hints: Hints, profiles: Profiles) -> _Read:
    try:
        found = read_file(file, hints, profiles)
    except FileRefusedError as error:
        return _Read(file, Found(), (), (), error.complaint)
    pairs = [audit(one, is_events=profiles[one.profile].shape == "events") for one in found.series]
    return _Read(file, found, [pair[0] for pair in pairs], [pair[1] for pair in pairs], None)


def _judged(read: _Read, standing: Standing, *, may_correct: bool) -> _Read:
    """Return a file told apart by what is stored."""
    judged = [standing.judge(one) for one in read.series]
    better = [one.series._replace(rows=one.better) for one in judged if one.better]
    corrected = [said for one in judged for said in one.corrected]
    conflicts = [said for one in judged for said in one.conflicts]
    if not may_correct:
        late = "; a correction needs a gateway that runs and has stored all it took"
        conflicts += [said._replace(reason=said.reason + late) for said in corrected]
        better, corrected = [], []
    return read._replace(
        series=[one.series for one in judged],
        better=better,
        corrected=corrected,
        against=conflicts,
        waiting=standing.waiting(read.found.raw),
    )


@contextlib.contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    """Keep other imports away: two would give their corrections the same numbers."""
    settings.gateway.data_dir.mkdir(parents=True, exist_ok=True)
    with locked(settings.gateway.data_dir / "import.lock", "another import"):
        yield


class _Way(NamedTuple):
    """What makes messages of series."""

    org: str
    profiles: Profiles
    standing: Standing

    def parcels(self, read: _Read) -> Iterator[Parcel]:
        """Yield the messages of a file."""
        yield from parcels_of(read.series, read.found, self.org, self.profiles)
        for one in read.better:
            yield from corrections_of(one, self.org, self.profiles, self.standing.number)


def _caught_up(delivery: Delivery) -> bool:
    with _bar() as progress:
        waited = progress.add_task("waiting", total=100, visible=False)
        return delivery.catch_up(
            lambda share: progress.update(waited, completed=round(share * 100), visible=True)
        )


def _deliver(delivery: Delivery, reads: Sequence[_Read], way: _Way) -> Delivered:
    total = sum(read.sent for read in reads)
    parcels = (parcel for read in reads for parcel in way.parcels(read))
    with _bar() as progress:
        sent = progress.add_task("sent", total=total)
        for batch in batches(parcels):
            delivery.put(batch)
            progress.advance(sent, sum(one.readings for one in batch))
        worked = progress.add_task("processed", total=total)
        return delivery.finish(lambda share: progress.update(worked, completed=share * total))


def _bar() -> Progress:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True))


def _report(reads: Sequence[_Read], delivered: Delivered | None, oldest_ms: int) -> dict[str, Any]:
    report: dict[str, Any] = {"files": [_of_file(read, oldest_ms) for read in reads]}
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


def _of_file(read: _Read, oldest_ms: int) -> dict[str, Any]:
    rows = (row for one in (*read.series, *read.better) for row in one.rows)
    return {
        "file": str(read.file),
        "readings": read.readings,
        "messages": len(read.found.raw),
        "beyond_retention": sum(row.time_ms < oldest_ms for row in rows),
        "series": [
            _of_series(one, each) for one, each in zip(read.series, read.audits, strict=True)
        ],
        "waiting_for_birth": read.waiting._asdict(),
        "duplicates": _lines([one for each in read.audits for one in each.duplicates]),
        "dst": _lines(read.found.notes),
        "checks": _lines(read.found.checks),
        "corrected": _lines(read.corrected),
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
    if not report.get("compared_with_all", True):
        print("not compared with what the journal held before: if that has other versions of these")
        print("files, import them again once the gateway has stored it, or corrections are missing")


def _print_file(file: dict[str, Any]) -> None:
    print(f"{file['file']}: {file['readings']} readings, {file['messages']} messages")
    for one in file["series"]:
        print("  {device} ({profile}): {readings} from {first} to {last},".format(**one), end=" ")
        print("every {interval_s:g} s, {gaps} gaps, {missing} missing".format(**one))
        for gap in one["first_gaps"]:
            print("    gap after {after}: {missing} missing".format(**gap))
    if file["beyond_retention"]:
        words = (
            "  {beyond_retention} readings are older than [gateway] retention: soon deleted again"
        )
        print(words.format(**file))
    if file["waiting_for_birth"]["messages"]:
        words = "  {messages} messages wait for a Sparkplug birth that no import has brought: "
        print(words.format(**file["waiting_for_birth"]), end="")
        print(", ".join(file["waiting_for_birth"]["nodes"][:_SHOWN]))
    for what in ("duplicates", "dst", "checks", "corrected", "refused"):
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
