"""How imported messages get into the journal: through a running gateway, or into its files.

A running gateway takes them over its control socket, as its sources take what devices send; with a
gateway that is down the journal is opened here, and the next start stores what is in it. There is
one lock on a data directory, so it is one or the other.
"""

import base64
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gateway.cli.common import ask
from gateway.config import Settings
from gateway.errors import GatewayError
from gateway.history.parcels import Parcel
from gateway.journal import Journal
from gateway.model import IMPORT_SOURCE
from gateway.ports import Totals
from gateway.roles import now_ms
from gateway.store import StoreReader
from gateway.supervisor import locked

_BATCH_BYTES = 500 << 10  # of payloads; in base64 well below the 1 MiB of a control request
_BATCH_MESSAGES = 500
_BUSY_S = 0.1  # while the gateway takes no more: its disk is slow or full
_PATIENCE_S = 600.0  # without any progress: then a person should look


class Delivered(NamedTuple):
    """What became of the messages."""

    is_processed: bool  # False: in the journal, to be stored at the next start
    totals: Totals | None  # how much each total has grown meanwhile, live data included


class Delivery(Protocol):
    """Where messages go."""

    knows_all: bool  # whether what the store holds is all that was ever imported

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Make messages durable.

        Raises:
            GatewayError: the gateway does not take them.
        """

    def finish(self, progress: Callable[[float], None]) -> Delivered:
        """Wait until they are processed, where that is possible; ``progress`` from 0 to 1."""


@contextlib.contextmanager
def open_delivery(settings: Settings) -> Iterator[Delivery]:
    """Yield the way into the gateway.

    Raises:
        GatewayError: it is just starting or stopping.
    """
    data_dir = settings.gateway.data_dir
    if (data_dir / "run" / "control.sock").exists():
        with contextlib.suppress(GatewayError):
            first = ask(settings, {"do": "status"})
            yield _Running(settings, first)
            return
    data_dir.mkdir(parents=True, exist_ok=True)
    with locked(data_dir / "lock"):
        journal = _open_journal(settings, data_dir)
        try:
            yield _Stopped(journal)
        finally:
            journal.close()


def batches(parcels: Iterator[Parcel]) -> Iterator[list[Parcel]]:
    """Yield parcels in lists that one request can carry."""
    batch: list[Parcel] = []
    size = 0
    for parcel in parcels:
        if batch and (size + len(parcel.payload) > _BATCH_BYTES or len(batch) >= _BATCH_MESSAGES):
            yield batch
            batch, size = [], 0
        batch.append(parcel)
        size += len(parcel.payload)
    if batch:
        yield batch


class _Running:
    knows_all = True

    def __init__(self, settings: Settings, status: dict[str, Any]) -> None:
        self._settings = settings
        self._reader = StoreReader(settings.gateway.data_dir, {})
        self._first = int(status["processed_record"])
        self._last = 0
        self._before = self._reader.accounting()

    def put(self, parcels: Sequence[Parcel]) -> None:
        messages = [
            [one.received_ms, one.topic, base64.b64encode(one.payload).decode()] for one in parcels
        ]
        due_s = time.monotonic() + _PATIENCE_S
        while messages:
            request = {"do": "import", "now_ms": now_ms(), "messages": messages}
            answer = ask(self._settings, request)
            messages = messages[answer["taken"] :]
            self._last = max(self._last, answer["last"])
            if answer["taken"]:
                due_s = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > due_s:
                raise GatewayError("the gateway takes no messages: is its disk full?")
            if messages:
                time.sleep(_BUSY_S)

    def finish(self, progress: Callable[[float], None]) -> Delivered:
        done, due_s = self._first, time.monotonic() + _PATIENCE_S
        while done < self._last:
            status = ask(self._settings, {"do": "status"})
            if status["processed_record"] > done:
                done, due_s = status["processed_record"], time.monotonic() + _PATIENCE_S
            progress((done - self._first) / max(1, self._last - self._first))
            if time.monotonic() > due_s:
                return Delivered(is_processed=False, totals=None)
            time.sleep(_BUSY_S)
        after = self._reader.accounting()
        grown = Totals(*(new - old for new, old in zip(after, self._before, strict=True)))
        return Delivered(is_processed=True, totals=grown)


class _Stopped:
    knows_all = False  # more of it may be in the journal

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def put(self, parcels: Sequence[Parcel]) -> None:
        for one in parcels:
            received_ms = one.received_ms or now_ms()
            self._journal.append(received_ms, IMPORT_SOURCE, 0, one.topic.encode(), one.payload)
        self._journal.commit()

    def finish(self, progress: Callable[[float], None]) -> Delivered:
        progress(1.0)
        return Delivered(is_processed=False, totals=None)


def _open_journal(settings: Settings, data_dir: Path) -> Journal:
    return Journal.open(
        data_dir / "journal",
        segment_bytes=settings.gateway.segment_bytes,
        max_bytes=settings.gateway.journal_max_bytes,
        clock=now_ms,
        not_before=StoreReader(data_dir, {}).position().number,
    )
