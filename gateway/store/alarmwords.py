"""What people say of alarms: a line of JSON each, appended under a lock, synced, never changed.

``alarm-words.jsonl`` is the audit, and the only truth of who acknowledged what: the annunciator
reads it and has its effect in ``alarms.sqlite``, which may lag, be lost or be made again. Whoever
speaks for a person appends: the command line, and the web process for an operator.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.errors import GatewayError
from gateway.store import audit

logger = logging.getLogger(__name__)

FILE_NAME = "alarm-words.jsonl"
MOST_NAME, MOST_NOTE, MOST_PLACE = 64, 500, 160  # characters; a line stays below 4,096 bytes
# A script that acknowledges in a loop must not fill the disk: 64 MB are 300,000 words.
MOST_BYTES = 64 << 20
MOST_READ = 1 << 20  # bytes at once


class _Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    who: str
    when_ms: int


class Acknowledge(_Word, frozen=True, tag="acknowledge"):
    """Somebody has seen an alarm and takes care."""

    alarm: str
    note: str


class Maintain(_Word, frozen=True, tag="maintain"):
    """Work at a place: its alarms, and those of all below it, are kept but not called out."""

    window: str  # id, made by who says it
    subject: str  # "device:m-1", "feeder:f-2", "sector:water", "site:all" …
    from_ms: int
    to_ms: int
    reason: str


class EndMaintenance(_Word, frozen=True, tag="end"):
    """The work is over, or is not to be."""

    window: str


Word = Acknowledge | Maintain | EndMaintenance
_DECODER: msgspec.json.Decoder[Word] = msgspec.json.Decoder(Word)


class PlacedWord(NamedTuple):
    """A word and where its line begins, which is its number for ever."""

    offset: int
    word: Word


class WordsFullError(GatewayError):
    """The file has reached ``MOST_BYTES``; keep it elsewhere and stop whoever wrote it."""


def say(data_dir: Path, word: Word) -> int:
    """Add a word; when this returns it is on disk. Return the size of the file with it.

    Raises:
        OSError: it is not there.
        ValueError: it is longer than anybody reads.
        WordsFullError: there are too many.
    """
    file = data_dir / FILE_NAME
    if file.exists() and file.stat().st_size >= MOST_BYTES:
        raise WordsFullError(f"{FILE_NAME} has {MOST_BYTES >> 20} MB: nobody says that much")
    audit.append(file, word)
    return file.stat().st_size


def words_since(data_dir: Path, offset: int) -> tuple[Sequence[PlacedWord], int]:
    """Return at most some thousand words from an offset on, and the offset behind them.

    A line that cannot be read (a torn write, a hand in the file) is passed over and logged.
    """
    file = data_dir / FILE_NAME
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return [], 0
    if size < offset:  # another file is in its place: what was said there is said anew
        offset = 0
    with file.open("rb") as lines:
        lines.seek(offset)
        added = lines.read(min(size - offset, MOST_READ))
    whole = added[: added.rfind(b"\n") + 1]
    found = []
    for raw in whole.splitlines(keepends=True):
        try:
            found.append(PlacedWord(offset, _DECODER.decode(raw)))
        except msgspec.DecodeError as error:
            if raw.strip():
                logger.warning("%s: byte %d is no word: %s", FILE_NAME, offset, error)
        offset += len(raw)
    return found, offset
