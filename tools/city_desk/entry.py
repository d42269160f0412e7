"""What stands behind a source: pipeline and store, with a checkpoint after each batch."""

from collections.abc import Sequence
from pathlib import Path

from gateway.config import Settings
from gateway.model import Position, Record, RecordFlag
from gateway.profiles import Profiles
from gateway.roles.building import build_pipeline
from gateway.sinks.outbox import Outbox
from gateway.store import Store
from tools.city_desk.network import Sent


class Entry:
    """The same rooms and the same order of writes as ``processor``, on one data directory.

    Args:
        folder: empty.
        settings: of pipeline and registry.
        profiles: all that there are.
        outbox: where sinks take readings from; None: there is none.
    """

    def __init__(
        self, folder: Path, settings: Settings, profiles: Profiles, outbox: Outbox | None = None
    ) -> None:
        self._store = Store.open(folder)
        checkpoint = self._store.load()
        self._pipeline, _ = build_pipeline(settings, profiles, checkpoint, self._store.find_times)
        self._next, self._outbox = checkpoint.position.number, outbox
        self.quarantined = 0

    def done(self) -> int:
        """Return the number of the last record that is in the store."""
        return self._next - 1

    def take(self, sent: Sequence[Sent]) -> None:
        """Take messages in, in the order they came."""
        if not sent:
            return
        first, self._next = self._next, self._next + len(sent)
        records = [
            Record(first + k, one.at_ms, 0, int(RecordFlag.QOS1), one.topic, one.payload)
            for k, one in enumerate(sent)
        ]
        outcome = self._pipeline.run(records)
        self._store.write(outcome.readings, outcome.events)
        self.quarantined += len(outcome.quarantined)
        if self._outbox is not None and outcome.readings:
            self._outbox.put(outcome.readings)
        self._pipeline.receipts()
        self._store.checkpoint(self._pipeline.checkpoint(Position(self._next)))
        if self._outbox is not None:
            self._outbox.publish()

    def close(self) -> None:
        """Close the store."""
        self._store.close()
