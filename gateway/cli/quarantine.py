"""``quarantine list|show|export|requeue|drop``: what could not be read, and getting it read."""

import argparse
import sys
import time
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
from gateway.errors import ConfigError, GatewayError
from gateway.model import Quarantined
from gateway.quarantine import Entry, QuarantineReader

MAX_SHOWN_BYTES = 2000
BUSY_S = 0.1  # while the gateway takes no more: its disk is slow or full


def add_to(commands: Commands) -> None:
    """Add these commands."""
    parser = commands.add_parser("quarantine", help="Messages that could not be read.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = add_command(verbs, "list", _list, "List entries, oldest first.")
    listing.add_argument("--reason")
    listing.add_argument("--after", type=int, default=0, metavar="ID", help="the next page")
    listing.add_argument("--limit", type=int, default=50)
    show = add_command(verbs, "show", _show, "Show one entry and its payload.")
    show.add_argument("id", type=int)
    export = add_command(verbs, "export", _export, "Write payloads byte for byte to a folder.")
    export.add_argument("folder", type=Path)
    export.add_argument("--reason")
    requeue = add_command(
        verbs, "requeue", _requeue, "Read entries again, after a mapping or profile was mended."
    )
    requeue.add_argument("id", type=int, nargs="*")
    requeue.add_argument("--reason", help="all entries of this reason")
    drop = add_command(verbs, "drop", _drop, "Forget entries; the accounts still count them.")
    drop.add_argument("id", type=int, nargs="+")
    for verb in (listing, show, export, requeue, drop):
        add_config(verb)
        add_json(verb)


def _reader(options: argparse.Namespace) -> QuarantineReader:
    return QuarantineReader(settings_of(options).gateway.data_dir)


def _described(entry: Entry | Quarantined) -> dict[str, object]:
    received = datetime.fromtimestamp(entry.received_ms / 1000, UTC)
    return {
        "id": entry.record,
        "received": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "topic": entry.topic.decode("utf-8", "backslashreplace"),
        "reason": entry.reason,
        "detail": entry.detail,
        "size": entry.size if isinstance(entry, Entry) else len(entry.payload),
    }


def _list(options: argparse.Namespace) -> int:
    found = _reader(options).list(options.limit, options.after, options.reason)
    entries = [_described(entry) for entry in found]
    if options.json:
        print_json(entries)
        return 0
    for entry in entries:
        print(
            "{id:>10}  {received}  {reason:<14} {size:>7} B  {topic}\n{detail:>14}".format(**entry)
        )
    if not entries:
        print("the quarantine is empty")
    return 0


def _show(options: argparse.Namespace) -> int:
    entry = _reader(options).get(options.id)
    if entry is None:
        raise GatewayError(f"no entry {options.id}")
    if options.json:
        print_json({**_described(entry), "payload_hex": entry.payload.hex()})
        return 0
    for key, value in _described(entry).items():
        print(f"{key:<9} {value}")
    print(entry.payload[:MAX_SHOWN_BYTES].decode("utf-8", "backslashreplace"))
    return 0


def _export(options: argparse.Namespace) -> int:
    options.folder.mkdir(parents=True, exist_ok=True)
    reader = _reader(options)
    after, written = 0, 0
    while entries := reader.list(1000, after, options.reason):
        for entry in entries:
            kept = reader.get(entry.record)
            if kept is not None:  # nobody dropped it meanwhile
                (options.folder / f"{entry.record}.bin").write_bytes(kept.payload)
                written += 1
        after = entries[-1].record
    if options.json:
        print_json({"exported": written, "folder": str(options.folder)})
    else:
        print(f"{written} payloads in {options.folder}", file=sys.stderr)
    return 0


def _requeue(options: argparse.Namespace) -> int:
    if bool(options.id) == bool(options.reason):
        raise ConfigError("infragate quarantine requeue: name entries by id or by --reason")
    settings, done = settings_of(options), {"requeued": 0, "unknown": 0}
    request: dict[str, Any] | None = {"ids": options.id, "reason": options.reason}
    while request is not None:
        answer = ask(settings, {**request, "do": "requeue"})
        done = {key: count + answer[key] for key, count in done.items()}
        request = answer["next"]
        if request is not None and not answer["requeued"]:
            time.sleep(BUSY_S)
    print_json(done) if options.json else print(f"{done['requeued']} put back")
    return 0


def _drop(options: argparse.Namespace) -> int:
    answer = ask(settings_of(options), {"do": "drop", "ids": options.id})
    print_json(answer) if options.json else print(f"{answer['dropped']} dropped")
    return 0
