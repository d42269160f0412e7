"""``map suggest|test``: mapping files for devices of other makers (docs/devices.md)."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli.common import (
    Commands,
    add_command,
    add_config,
    add_json,
    ask,
    print_json,
    settings_of,
)
from gateway.config import Settings
from gateway.decode.foreign.family import SHIPPED, load_family, parse_family
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.suggest import Sample, suggest
from gateway.decode.foreign.trial import run_examples, try_message
from gateway.errors import ConfigError, GatewayError
from gateway.profiles import Profiles, load_profiles
from gateway.quarantine import QuarantineReader
from gateway.roles.building import load_all_profiles, mappings_folder

MAX_SAMPLES = 1000  # of a quarantine that may hold millions
SHOWN = 5
RECEIVED_MS = 1_795_300_260_000  # of examples: no example depends on when it is run
REQUEUE_S, WAIT_S = 60.0, 0.2


def add_to(commands: Commands) -> None:
    """Add these commands."""
    parser = commands.add_parser("map", help="Mapping files for devices of other makers.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    test = add_command(verbs, "test", _test, "Run the examples written in mapping files.")
    test.add_argument("file", type=Path, nargs="*", help="default: all that ship")
    test.add_argument("--profiles", type=Path, help="folder of further profile files")
    add_json(test)
    text = "Propose a mapping for messages that nobody could read, and show what it would store."
    make = add_command(verbs, "suggest", _suggest, text)
    make.add_argument("file", type=Path, nargs="*", help="JSON lines with topic and payload (tap)")
    make.add_argument("--quarantine", type=int, nargs="*", metavar="ID", help="default: unmapped")
    make.add_argument("--name", default="suggested", help="of the family and its file")
    make.add_argument("--write", action="store_true", help="write the file")
    make.add_argument("--yes", action="store_true", help="write, then put the quarantine back")
    add_config(make)
    add_json(make)


def _test(options: argparse.Namespace) -> int:
    profiles = load_profiles(*([options.profiles] if options.profiles else []))
    trial = Options(profiles, (), None, "site")
    problems, count = [], 0
    for file in options.file or sorted(SHIPPED.glob("*.toml")):
        family = load_family(file)
        problems += run_examples(family, trial, RECEIVED_MS)
        count += len(family.example)
    if options.json:
        print_json({"examples": count, "problems": problems})
    else:
        for problem in problems:
            print(problem, file=sys.stderr)
        print(f"{count} examples, {len(problems)} problems")
    return 1 if problems else 0


def _suggest(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    profiles = load_all_profiles(settings)
    entries = [] if options.file else list(_entries(settings, options.quarantine))
    samples = [sample for _, sample in entries] or [s for f in options.file for s in _lines(f)]
    text = suggest(options.name, samples, profiles)
    if not text:
        raise GatewayError(f"nothing in {len(samples)} messages has a name that says what it is")
    family = parse_family(text, Path(f"{options.name}.toml"))
    formats = [MappedFamily(family, Options(profiles, (), settings.foreign.zone, "site"))]
    if options.json:
        print_json({"mapping": text, "messages": len(samples)})
    else:
        print(text)
        _show(formats, samples, profiles)
    if options.write or options.yes:
        file = _write(settings, options.name, text)
        print(f"wrote {file}", file=sys.stderr)
    if options.yes and entries:
        _requeue(settings, formats, entries)
    return 0


def _entries(settings: Settings, numbers: list[int] | None) -> Iterator[tuple[int, Sample]]:
    reader = QuarantineReader(settings.gateway.data_dir)
    wanted = numbers or [one.record for one in reader.list(MAX_SAMPLES, 0, "unmapped")]
    for number in wanted:
        entry = reader.get(number)
        if entry is not None:
            yield number, Sample(entry.topic.decode("utf-8", "replace"), entry.payload)


def _lines(file: Path) -> Iterator[Sample]:
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        try:
            found = json.loads(line)
            yield Sample(found["topic"], found["payload"].encode())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{file}:{number}: no JSON with topic and payload") from error


def _show(formats: list[MappedFamily], samples: list[Sample], profiles: Profiles) -> None:
    shown = samples[:SHOWN]
    print(f"# What it would store of the first {len(shown)} of {len(samples)} messages:")
    for sample in shown:
        received_ms = time.time_ns() // 1_000_000
        got = try_message(formats, sample.topic, sample.payload, received_ms, profiles)
        if got.refused is not None:
            print(f"# {sample.topic}: refused, {got.refused}: {got.detail}")
        for row in got.readings:
            values = ", ".join(f"{name} {value:.12g}" for name, value in row.values.items())
            moment = datetime.fromtimestamp(row.time_ms / 1000, UTC).isoformat()
            stamp = "when received" if row.is_stamped else moment
            print(f"# {row.device}  {row.profile}  {stamp}  {values}")
        if got.kept:
            print(f"#   kept as sent: {json.dumps(got.kept, ensure_ascii=False)}")


def _write(settings: Settings, name: str, text: str) -> Path:
    folder = mappings_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.toml"
    if file.exists():
        raise GatewayError(f"{file} is there already: give another --name")
    file.write_text(text, "utf-8")
    return file


def _requeue(
    settings: Settings, formats: list[MappedFamily], entries: list[tuple[int, Sample]]
) -> None:
    """Let the running gateway read its mappings anew, then put back what they take."""
    taken = [n for n, sample in entries if any(one.takes(sample.topic) for one in formats)]
    ask(settings, {"do": "reread"})
    request: dict[str, Any] | None = {"do": "requeue", "ids": taken, "reason": None}
    done, deadline_s = 0, time.monotonic() + REQUEUE_S
    while request is not None and time.monotonic() < deadline_s:
        answer = ask(settings, request)
        done, request = done + answer["requeued"], answer["next"]
        time.sleep(WAIT_S if request is not None else 0)
    print(f"{done} put back", file=sys.stderr)
