"""The loop of the intake process: sources and journal, receipts down, the processor's other end.

The processor may die and come again; the intake goes on journalling meanwhile. Journal segments
are deleted once the processor has checkpointed past them and ``journal_keep`` has gone by, so
that a mended mapping can still be applied to the last minutes (``infragate replay``).
"""

import asyncio
import contextlib
import json
import logging
import socket
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from gateway.errors import GatewayError
from gateway.link import MAX_LINE_BYTES
from gateway.model import IMPORT_SOURCE, REQUEUE_NUMBER_BYTES, Quarantined, RecordFlag
from gateway.ports import Intake, Publisher, Source
from gateway.topics import parse_topic

logger = logging.getLogger(__name__)

TICK_S = 1.0
KEPT_MARKS = 1000  # one per second at most; more than journal_keep needs at its default
SPACE_SHARE = 0.9  # of journal_max_bytes: from here on processed segments go at once
REQUEUE_ENTRIES, REQUEUE_BYTES = 1000, 8 << 20  # at once: some tens of milliseconds
DRAIN_S = 1.5  # how long a stop waits for the processor to reach the journal's end


class CommittingIntake(Intake, Protocol):
    """An intake that runs and ends: ``sources.intake.GroupCommit``."""

    async def run(self) -> None:
        """Commit until cancelled."""

    async def close(self) -> None:
        """Commit what is left."""

    def append_at(self, received_ms: int, source: int, topic: bytes, payload: bytes) -> int:
        """Take a message that was received earlier, elsewhere; *not yet durable*."""


class JournalFiles(Protocol):
    """What the intake asks of its journal besides appending."""

    @property
    def durable(self) -> int:
        """The last record number on disk."""

    @property
    def size_bytes(self) -> int:
        """All segments together."""

    def delete_before(self, number: int) -> int:
        """Delete whole segments below ``number``."""


class Listed(Protocol):
    """One line of the quarantine's list."""

    @property
    def record(self) -> int:
        """Its id."""


class QuarantineView(Protocol):
    """Read access to quarantined messages."""

    def list(self, limit: int, after: int = 0, reason: str | None = None) -> Sequence[Listed]:
        """Return entries with ids above ``after``, in the order of ids."""

    def get(self, record: int, /) -> Quarantined | None:
        """Return one entry."""


class IntakeRooms(NamedTuple):
    """What the intake works with; ``app`` puts it together."""

    commit: CommittingIntake
    journal: JournalFiles
    sources: Sequence[Source]
    publishers: Sequence[Publisher]  # where receipts go: each broker once
    quarantine: QuarantineView


class IntakeProcess:
    """Runs in the event loop of the main process."""

    def __init__(
        self, rooms: IntakeRooms, *, keep_s: float, max_bytes: int, save_stats: Callable[[], None]
    ) -> None:
        self._rooms = rooms
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        self._save_stats = save_stats
        self._writer: asyncio.StreamWriter | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._marks: deque[tuple[float, int]] = deque(maxlen=KEPT_MARKS)
        self._heard = asyncio.Event()
        self._processed = 1  # the processor has checkpointed everything below this number

    async def run(self) -> None:
        """Work until cancelled, then let go of the sources and commit what they left."""
        self._rooms.commit.on_durable(self._tell_durable)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rooms.commit.run(), name="group-commit")
            for index, source in enumerate(self._rooms.sources):
                group.create_task(source.run(), name=f"source-{index}")
            group.create_task(self._tick(), name="tick")

    async def finish(self) -> None:
        """Commit the rest and give the processor a moment to reach the end of the journal."""
        await self._rooms.commit.close()
        end = self._rooms.journal.durable
        self._send({"durable": end, "stop": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._processed <= end and self._writer is not None:
                    self._heard.clear()
                    await self._heard.wait()

    def attach(self, sock: socket.socket) -> None:
        """Take the link of a processor that has just been started."""
        task = asyncio.get_running_loop().create_task(self._talk(sock), name="processor-link")
        self._links.add(task)
        task.add_done_callback(self._links.discard)

    def requeue(self, request: dict[str, Any]) -> dict[str, Any]:
        """Put quarantined messages into the journal again; their old fate is then reversed.

        A request has ``ids`` or a ``reason``. Not all of them at once, as they may be a gigabyte:
        ``next`` of the answer is what to ask for then, None at the end.
        """
        numbers, following = self._wanted(request)
        found, spent_bytes = 0, 0
        for place, number in enumerate(numbers):
            if spent_bytes > REQUEUE_BYTES or self._rooms.commit.is_congested:
                following = request | {"ids": numbers[place:], "then": following}
                numbers = numbers[:place]
                break
            entry = self._rooms.quarantine.get(number)
            if entry is not None:
                payload = entry.record.to_bytes(REQUEUE_NUMBER_BYTES, "big") + entry.payload
                flags = RecordFlag.REQUEUED
                self._rooms.commit.append(entry.source, flags, entry.topic, payload)
                spent_bytes += len(payload)
                found += 1
        return {"requeued": found, "unknown": len(numbers) - found, "next": following}

    def bring(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take imported ``messages`` ``[received ms or 0, topic, payload in base64]``.

        ``taken`` of the answer says how many of them: fewer while the disk is busy. ``last`` is
        the record number of the last one.
        """
        taken, last, commit = 0, 0, self._rooms.commit
        now_ms = int(request.get("now_ms", 0))
        for received_ms, topic, payload in request.get("messages", ()):
            if commit.is_congested:
                break
            raw = b64decode(payload)
            last = commit.append_at(received_ms or now_ms, IMPORT_SOURCE, topic.encode(), raw)
            taken += 1
        return {"taken": taken, "last": last}

    def tell(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send ``payload`` down on ``topic``, a command lane of a device; it may not be there."""
        topic, payload = str(request.get("topic")), str(request.get("payload"))
        name = parse_topic(topic.encode())
        if name is None or name.lane != "c":
            return {"error": f"{topic!r} is no lane for commands"}
        for publisher in self._rooms.publishers:
            publisher.publish(topic, payload.encode())
        return {"sent": len(self._rooms.publishers)}

    def status(self) -> dict[str, Any]:
        """Return what ``infragate status`` shows of this process."""
        return {
            "journal_bytes": self._rooms.journal.size_bytes,
            "durable_record": self._rooms.journal.durable,
            "processed_record": self._processed - 1,
            "congested": self._rooms.commit.is_congested,
            "processor": "attached" if self._writer is not None else "away",
            "sources": len(self._rooms.sources),
        }

    def _wanted(self, request: dict[str, Any]) -> tuple[list[int], dict[str, Any] | None]:
        """Return the entries that a request names, and the request for the others."""
        if request.get("ids"):
            return list(dict.fromkeys(map(int, request["ids"]))), request.get("then")
        # what fails again comes back with a higher number: it is not put back once more
        until = int(request.get("until") or self._rooms.journal.durable)
        after, reason = int(request.get("after", 0)), str(request.get("reason", ""))
        page = self._rooms.quarantine.list(REQUEUE_ENTRIES, after, reason)
        numbers = [entry.record for entry in page if entry.record <= until]
        if len(numbers) < REQUEUE_ENTRIES:
            return numbers, None
        return numbers, {**request, "ids": None, "after": numbers[-1], "until": until}

    async def _talk(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_LINE_BYTES)
        self._writer = writer
        self._tell_durable(self._rooms.journal.durable)
        try:
            while line := await reader.readline():
                self._hear(json.loads(line))
        except ConnectionError:
            pass  # it has died, and the supervisor says so
        except ValueError as error:
            logger.warning("processor link broke: %s", error)
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None
                self._heard.set()  # nobody will: a stop need not wait for it

    def _hear(self, message: dict[str, Any]) -> None:
        if "keep" in message:
            self._processed = int(message["keep"])
            self._heard.set()
            self._marks.append((asyncio.get_running_loop().time(), self._processed))
        for topic, payload in message.get("receipts", ()):
            for publisher in self._rooms.publishers:
                publisher.publish(topic, payload.encode(), retain=True)
        for topic, payload in message.get("commands", ()):
            for publisher in self._rooms.publishers:
                publisher.publish(topic, b64decode(payload))

    def _tell_durable(self, number: int) -> None:
        self._send({"durable": number})

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def _tick(self) -> None:
        while True:
            self._save_stats()  # the first at once: readiness waits for it
            await asyncio.sleep(TICK_S)
            self._delete_old()

    def _delete_old(self) -> None:
        now_s = asyncio.get_running_loop().time()
        is_short = self._rooms.journal.size_bytes > SPACE_SHARE * self._max_bytes
        below = 0
        while self._marks and (is_short or self._marks[0][0] < now_s - self._keep_s):
            below = self._marks.popleft()[1]
        if below:
            try:
                self._rooms.journal.delete_before(below)
            except (OSError, GatewayError) as error:
                logger.warning("journal segments could not be deleted: %s", error)
