"""``map suggest|test``: mapping files for devices of other makers (docs/devices.md)."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

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
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.family import CODECS, SHIPPED, load_family, parse_family
from gateway.decode.foreign.lorawan.forms import is_codec, load_codec
from gateway.decode.foreign.lorawan.trial import run_codec_examples
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.proposal import example_lines
from gateway.decode.foreign.suggest import Sample, suggest
from gateway.decode.foreign.trial import Outcome, run_examples, try_message
from gateway.errors import ConfigError, GatewayError
from gateway.profiles import Profiles, load_profiles
from gateway.quarantine import QuarantineReader
from gateway.roles.files import load_all_profiles, mappings_folder

MAX_SAMPLES = 1000  # of a quarantine that may hold millions
MAX_KINDS, MAX_EXAMPLE_BYTES = 10, 4096  # shown, and written as examples
SHOWN_BYTES = 60
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
    shipped = [*SHIPPED.glob("*.toml"), *(SHIPPED / CODECS).glob("*.toml")]
    for file in options.file or sorted(shipped):
        if is_codec(file):
            codec = load_codec(file)
            problems += run_codec_examples(codec, profiles)
            count += len(codec.example)
            continue
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
    framed = _framed(samples, settings, profiles)
    samples = [one for one in samples if one not in framed]
    entries = [one for one in entries if one[1] not in framed]
    if not samples:
        raise GatewayError("no message waits for a mapping")
    text = suggest(options.name, samples, profiles)
    if not text:
        raise GatewayError(f"nothing in {len(samples)} messages has a name that says what it is")
    family = parse_family(text, Path(f"{options.name}.toml"))
    zone = settings.foreign.zone
    formats = [MappedFamily(family, Options(profiles, (), zone, "site"))]
    tried = _tried(formats, samples, profiles)
    text += "".join(f"{line}\n" for one in tried.kinds for line in _example(*one, zone))
    if options.json:
        print_json({"mapping": text, "messages": len(samples)})
    else:
        print(text)
        _show(tried)
    if options.write or options.yes:
        file = _write(settings, options.name, text)
        print(f"wrote {file}", file=sys.stderr)
    if options.yes and entries:
        _requeue(settings, formats, entries)
    return 0


def _framed(samples: list[Sample], settings: Settings, profiles: Profiles) -> set[Sample]:
    """Return messages with LoRaWAN frames, and say what each kind of them needs.

    A mapping of what is around a frame would store the radio and lose the readings.
    """
    own = {"mappings": mappings_folder(settings)} if mappings_folder(settings).is_dir() else {}
    formats = build_foreign(settings.foreign.model_copy(update=own), profiles)
    servers = [one for one in formats if isinstance(one, MappedFamily)]
    framed = {one for one in samples if any(server.has_frames(one.topic) for server in servers)}
    told: dict[str, int] = {}
    for one in framed:
        got = try_message(formats, one.topic, one.payload, RECEIVED_MS, profiles)
        detail = got.detail or "can be read now: infragate quarantine requeue --reason unmapped"
        told[detail] = told.get(detail, 0) + 1
    for detail, count in told.items():
        print(f"{count} LoRaWAN frames: {detail}", file=sys.stderr)
    return framed


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


class _Tried(NamedTuple):
    kinds: list[tuple[Sample, Outcome]]  # one message of each
    refused: dict[str, list[Sample]]


def _tried(formats: list[MappedFamily], samples: list[Sample], profiles: Profiles) -> _Tried:
    """Return what becomes of messages, one of each kind, and which nothing takes."""
    kinds: dict[object, tuple[Sample, Outcome]] = {}
    refused: dict[str, list[Sample]] = {}
    received_ms = time.time_ns() // 1_000_000
    for sample in samples:
        got = try_message(formats, sample.topic, sample.payload, received_ms, profiles)
        if got.refused is not None:
            refused.setdefault(got.refused, []).append(sample)
            continue
        profiles_of = tuple(row.profile for row in got.readings)
        kind = sample.topic.count("/"), frozenset(got.kept), profiles_of, got.state
        if len(kinds) < MAX_KINDS:
            kinds.setdefault(kind, (sample, got))
    return _Tried(list(kinds.values()), refused)


def _example(sample: Sample, got: Outcome, zone: str | None) -> Iterator[str]:
    if len(sample.payload) <= MAX_EXAMPLE_BYTES:
        payload = sample.payload.decode("utf-8", "replace")
        yield from example_lines(sample.topic, payload, zone, got)


def _show(tried: _Tried) -> None:
    print("# What it would store, one message of each kind:")
    for sample, got in tried.kinds:
        _show_one(sample, got)
    for reason, found in tried.refused.items():
        topic, payload = found[0]
        said = payload[:SHOWN_BYTES].decode("utf-8", "replace")
        print(f"# {len(found)} messages stay in quarantine ({reason}), as {topic}: {said!r}")


def _show_one(sample: Sample, got: Outcome) -> None:
    print(f"# {sample.topic}")
    for row in got.readings:
        values = ", ".join(f"{name} {value:.12g}" for name, value in row.values.items())
        moment = datetime.fromtimestamp(row.time_ms / 1000, UTC).isoformat()
        stamp = "when received" if row.is_stamped else moment
        print(f"#   {row.device}  {row.profile}  {stamp}  {values}")
    if got.state:
        print(f"#   the device is {got.state}")
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
