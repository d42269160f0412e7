"""What devices say of themselves (lanes s and e), and the entries of the quarantine."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.ledger import Mark
from gateway.model import Event, Quarantined, QuarantineReason, Record
from gateway.screen import Refusal

STATES = frozenset({"online", "lost"})
MAX_DETAILS = 8  # rows whose trouble an entry spells out; the others are named by number

_HEAD = re.compile(r"rows ([0-9,-]+) of \d+, (\d+) stored: ")
_OF_ROWS = frozenset({QuarantineReason.LIMIT, QuarantineReason.NOT_FINITE, QuarantineReason.TIME})


class Word(NamedTuple):
    """What a state message changes."""

    device_index: int
    state: str


def words_of(events: Iterable[Event]) -> tuple[list[Word], list[Mark]]:
    """Return the states and what the ledger must know, in order of arrival."""
    words: list[Word] = []
    marks: list[Mark] = []
    for event in events:
        if event.kind not in {"state", "gap"}:
            continue
        document = json.loads(event.detail)  # the decoder has checked the keys used here
        if event.kind == "gap":
            of = event.record, event.device_index, document.get("log", 0)
            marks.append(Mark(*of, document["from"], document["to"]))
            continue
        if document["st"] in STATES:
            words.append(Word(event.device_index, document["st"]))
        oldest: Mapping[str, int] = document.get("first", {})
        marks += [
            Mark(event.record, event.device_index, int(log), first) for log, first in oldest.items()
        ]
    return words, marks


class Earlier(NamedTuple):
    """What became of a message that was put back from quarantine, before it was put back."""

    entry: Quarantined
    rows: frozenset[int] | None  # refused by number; None: the whole message
    stored: int  # how many others of its rows are in the store: then the message has its fate


def earlier_of(entry: Quarantined) -> Earlier:
    """Read an entry that ``entry_of_rows`` or a decoder wrote."""
    head = _HEAD.match(entry.detail) if entry.reason in _OF_ROWS else None
    if head is None:
        return Earlier(entry, None, 0)
    return Earlier(entry, frozenset(_numbers(head[1])), int(head[2]))


def entry_of_message(record: Record, reason: str, detail: str, device_index: int) -> Quarantined:
    """Return the entry of a message that could not be read at all."""
    return Quarantined(
        record.number,
        record.received_ms,
        record.source,
        record.topic,
        record.payload,
        reason,
        detail,
        device_index,
    )


def entry_of_rows(
    record: Record, refusals: Sequence[Refusal], readings: int, stored: int, device_index: int
) -> Quarantined:
    """Return the entry of a message some of whose rows were refused.

    ``row`` of a refusal is here its place in the message. The head of the detail is read again
    by ``earlier_of`` should a person put the message back.
    """
    rows = _ranges([refusal.row for refusal in refusals])
    details = [f"row {refusal.row}: {refusal.detail}" for refusal in refusals[:MAX_DETAILS]]
    if len(refusals) > MAX_DETAILS:
        details.append(f"and {len(refusals) - MAX_DETAILS} more")
    detail = f"rows {rows} of {readings}, {stored} stored: {'; '.join(details)}"
    entry = entry_of_message(record, refusals[0].reason, detail, device_index)
    return replace(entry, readings=len(refusals))


def _ranges(rows: Sequence[int]) -> str:
    parts: list[list[int]] = []
    for row in rows:
        if parts and parts[-1][1] == row - 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in parts)


def _numbers(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
