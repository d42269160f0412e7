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
_BEHIND_S = 60.0  # without any progress on what was there before: an import can do without it


class Delivered(NamedTuple):
    """What became of the messages."""

    is_processed: bool  # False: in the journal, to be stored at the next start
    totals: Totals | None  # how much each total has grown meanwhile, live data included


class Delivery(Protocol):
    """Where messages go."""

    def catch_up(self, progress: Callable[[float], None]) -> bool:
        """Wait for what is in the journal before the first ``put``; ``progress`` from 0 to 1.

        Return whether the store holds all that was ever imported. Where it does not, nobody knows
        what a reading would correct, nor which numbers corrections have had.
        """

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
    status = None
    if (data_dir / "run" / "control.sock").exists():
        with contextlib.suppress(GatewayError):  # the socket of one that was killed
            status = ask(settings, {"do": "status"})
    if status is not None:
        yield _Running(settings, status)
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
    def __init__(self, settings: Settings, status: dict[str, Any]) -> None:
        self._settings = settings
        self._reader = StoreReader(settings.gateway.data_dir, {})
        self._first = int(status["processed_record"])
        self._durable = int(status["durable_record"])  # of earlier imports, too
        self._last = 0
        self._before = self._reader.accounting()

    def catch_up(self, progress: Callable[[float], None]) -> bool:
        # it counts as processed at a checkpoint, so the store and its ledger show it by then
        knows_all = self._wait(self._durable, _BEHIND_S, progress)
        if knows_all:
            self._first = max(self._first, self._durable)
        self._before = self._reader.accounting()
        return knows_all

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
        if not self._wait(self._last, _PATIENCE_S, progress):
            return Delivered(is_processed=False, totals=None)
        after = self._reader.accounting()
        grown = Totals(*(new - old for new, old in zip(after, self._before, strict=True)))
        return Delivered(is_processed=True, totals=grown)

    def _wait(self, last: int, patience_s: float, progress: Callable[[float], None]) -> bool:
        """Wait until a record is processed; False after so long without any progress."""
        done, due_s = self._first, time.monotonic() + patience_s
        while done < last:
            status = ask(self._settings, {"do": "status"})
            if status["processed_record"] > done:
                done, due_s = status["processed_record"], time.monotonic() + patience_s
            progress((done - self._first) / max(1, last - self._first))
            if time.monotonic() > due_s:
                return False
            time.sleep(_BUSY_S)
        return True


class _Stopped:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def catch_up(self, progress: Callable[[float], None]) -> bool:  # noqa: ARG002  # the seam's
        return False  # more of it may be in the journal, and nobody works it off

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
