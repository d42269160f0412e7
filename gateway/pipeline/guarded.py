"""What records say, though decoding may fail at one of them.

A decoder refuses with ``RejectedError``. Any other error is a fault of ours that one message has
shown: were it let through, the same message would be read again at the next start, and its device
would have ended the intake of all others. So it goes to quarantine like what is refused, byte for
byte, with the place of the fault, and can be put back once that is mended. An error of the machine
(a disk, memory) says nothing of a message and ends the process as ever.
"""

import sqlite3
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

import numpy as np

from gateway.errors import RejectedError
from gateway.model import DecodedBatch, Event, QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory
from gateway.registry import Directory

_OF_THE_MACHINE = (OSError, MemoryError, sqlite3.Error)
_PACKAGE = Path(__file__).parents[1]
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Decoding(Protocol):
    """What the pipeline needs of ``decode.Decoders`` to read records."""

    def decode_plain(self, records: Sequence[Record], out: Collecting) -> Sequence[Record]:
        """Add at once what is ordinary; return the other records, for ``decode``."""

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add what one record says to ``out``, or raise RejectedError."""


class Collected(Collecting, Protocol):
    """What the pipeline needs of ``decode.Collector``."""

    events: list[Event]

    def batches(self) -> list[DecodedBatch]:
        """Return one batch for each profile seen."""


class Decoded(NamedTuple):
    """What records say."""

    batches: list[DecodedBatch]  # one for each profile seen
    events: list[Event]
    unread: dict[int, RejectedError]  # by the number of the record


def read(
    records: Sequence[Record],
    decoders: Decoding,
    directory: Directory,
    collector: Callable[[], Collected],
) -> Decoded:
    """Return what records say, in the order of their numbers; each is read or in ``unread``.

    Raises:
        OSError: the machine fails, as MemoryError and sqlite3.Error.
    """
    out, others = _plain(records, decoders, collector)
    unread: dict[int, RejectedError] = {}
    faulty: list[int] = []
    for record in others:
        directory.now_ms = record.received_ms
        try:
            _tried(decoders.decode, record, directory, out)
        except RejectedError as error:
            # its traceback holds this frame, and so the records, until the next collection
            unread[record.number] = error.with_traceback(None)
            if error.reason == QuarantineReason.FAULT:
                faulty.append(record.number)
    found = Decoded(out.batches(), out.events, unread)
    return _without(found, faulty) if faulty else found


def _plain(
    records: Sequence[Record], decoders: Decoding, collector: Callable[[], Collected]
) -> tuple[Collected, Sequence[Record]]:
    """Read at once what is ordinary; nothing is where that fails, so that the fault is found."""
    out = collector()
    try:
        return out, _tried(decoders.decode_plain, records, out)
    except RejectedError:  # ``decode`` takes each of them as well
        return collector(), records


def _tried(step: Callable[_P, _R], *given: _P.args, **named: _P.kwargs) -> _R:
    """Return what a step gives.

    Raises:
        RejectedError: it refuses, or (reason ``fault``) it fails.
        OSError: the machine fails, as MemoryError and sqlite3.Error.
    """
    try:
        return step(*given, **named)
    except (RejectedError, *_OF_THE_MACHINE):
        raise
    except Exception as error:  # noqa: BLE001  # the one place, see above
        fault = RejectedError(QuarantineReason.FAULT, _place_of(error))
    raise fault


def _place_of(error: Exception) -> str:
    """Return which error it is and where, without what it says: it may quote the payload."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if Path(one.filename).is_relative_to(_PACKAGE)]
    where = Path(ours[-1].filename).relative_to(_PACKAGE).as_posix()
    return f"{type(error).__name__} at {where}:{ours[-1].lineno}: a fault of the gateway"


def _without(found: Decoded, faulty: Sequence[int]) -> Decoded:
    """Take back what faulty records have given before they failed."""
    kept = [one.take(~np.isin(one.readings.record, faulty)) for one in found.batches]
    events = [event for event in found.events if event.record not in faulty]
    return Decoded([one for one in kept if len(one.readings)], events, found.unread)
