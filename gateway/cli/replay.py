"""``replay``: the kept journal through today's configuration, beside the live data, not into it.

The pipeline is a pure function of the journal, so this shows what a mended mapping, profile or
registry would have made of the last minutes, and with ``--into`` builds a store from it.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.cli.births import births_before, blank, kept_births, with_later
from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.decode.foreign.sparkplug_past import UNBORN
from gateway.errors import GatewayError
from gateway.journal import JournalReader, last_number
from gateway.model import (
    REQUEUE_NUMBER_BYTES,
    IntArray,
    Position,
    Quarantined,
    Record,
    RecordFlag,
)
from gateway.pipeline import Outcome, Pipeline
from gateway.ports import Checkpoint
from gateway.quarantine import Quarantine
from gateway.roles import building, files
from gateway.store import Store

STEP = 5_000
_SHOWN = 100  # topics that are named
FOREVER = 1 << 62


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = add_command(
        commands, "replay", _replay, "Run the kept journal through the configuration as it is now."
    )
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="RECORD")
    parser.add_argument("--to", dest="last", type=int, default=FOREVER, metavar="RECORD")
    parser.add_argument("--into", type=Path, metavar="DIR", help="build a new store there")
    add_config(parser)
    add_json(parser)


def _replay(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    folder, profiles = settings.gateway.data_dir / "journal", files.load_all_profiles(settings)
    kept = kept_births(settings, profiles)
    end = last_number(folder)
    store, quarantine = _new_store(options.into) if options.into is not None else (None, None)
    last = min(options.last, end)  # beyond it a reader finds nothing but damage
    start = _first_kept(folder, options.first, last)
    births = births_before(settings, profiles, kept, (start.number, end))
    find_times = store.find_times if store is not None else _nothing_stored
    pipeline, _ = building.build_pipeline(settings, profiles, blank(start, births), find_times)
    reader = JournalReader(folder, start)
    refused = _Refused(Counter(), Counter())
    for outcome in _outcomes(pipeline, reader, last):
        refused.take(outcome.quarantined)
        if store is not None and quarantine is not None:
            store.write(outcome.readings, outcome.events)
            quarantine.add(outcome.quarantined)
        print(f"\rrecord {reader.position.number}", end="", file=sys.stderr)
    print(file=sys.stderr)
    checkpoint = pipeline.checkpoint(reader.position)
    if store is not None:
        store.checkpoint(checkpoint._replace(memories=with_later(births, checkpoint.memories)))
    _report(options, checkpoint, refused)
    return 0


class _Refused(NamedTuple):
    """What could not be read."""

    reasons: Counter[str]
    unborn: Counter[str]  # data that waits for a birth, by its topic

    def take(self, entries: Sequence[Quarantined]) -> None:
        """Count them."""
        self.reasons.update(entry.reason for entry in entries)
        waits = (entry for entry in entries if entry.detail.startswith(UNBORN))
        self.unborn.update(entry.topic.decode("utf-8", "replace") for entry in waits)


def _new_store(folder: Path) -> tuple[Store, Quarantine]:
    if (folder / "state.sqlite").exists():
        raise GatewayError(f"{folder} holds a store already: replay builds a new one")
    return Store.open(folder), Quarantine.open(folder, below=1)


def _first_kept(folder: Path, wanted: int, last: int) -> Position:
    """Return where the journal begins; what was deleted before is neither received nor pending."""
    records, damaged = JournalReader(folder, Position(number=wanted)).read(1, last)
    numbers = [record.number for record in records] + [entry.record for entry in damaged]
    return Position(number=min(numbers, default=wanted))


def _outcomes(pipeline: Pipeline, reader: JournalReader, last: int) -> Iterator[Outcome]:
    first = reader.position.number
    while True:
        records, damaged = reader.read(STEP, last)
        if not records and not damaged:
            return
        yield pipeline.run(list(_originals(pipeline, records, first)), damaged)


def _originals(pipeline: Pipeline, records: Sequence[Record], first: int) -> Iterator[Record]:
    """Yield what devices sent, once: a requeued record repeats one that may be kept as well."""
    for record in records:
        if not record.flags & RecordFlag.REQUEUED:
            yield record
        elif int.from_bytes(record.payload[:REQUEUE_NUMBER_BYTES], "big") >= first:
            pipeline.skip(record.number)
        else:
            payload = record.payload[REQUEUE_NUMBER_BYTES:]
            yield record._replace(flags=record.flags & ~RecordFlag.REQUEUED, payload=payload)


def _nothing_stored(_profile: str, _device_index: int, times_ms: IntArray) -> IntArray:
    return times_ms[:0]


def _report(options: argparse.Namespace, checkpoint: Checkpoint, refused: _Refused) -> None:
    totals = checkpoint.totals
    report = {
        "readings": {
            "stored": totals.stored,
            "duplicate": totals.duplicate,
            "quarantined": totals.quarantined,
        },
        "messages": {
            "stored": totals.messages_stored,
            "duplicate": totals.messages_duplicate,
            "quarantined": totals.messages_quarantined,
        },
        "quarantined_by_reason": dict(refused.reasons.most_common()),
        "waiting_for_birth": dict(refused.unborn.most_common(_SHOWN)),
    }
    if options.json:
        print_json(report)
        return
    for what, numbers in report.items():
        print(f"{what:<22} " + "  ".join(f"{key} {value}" for key, value in numbers.items()))
    if refused.unborn:
        count, topics = sum(refused.unborn.values()), len(refused.unborn)
        print(f"{count} messages on {topics} topics wait for a birth that the journal has no more")
