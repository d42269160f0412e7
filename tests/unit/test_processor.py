"""How the processor shares its time between messages, checkpoints and receipts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from gateway.link import Link
from gateway.model import Event, Position, Quarantined, ReadingBatch, Record
from gateway.ports import Checkpoint
from gateway.processor import CHECKPOINT_S, CHECKPOINT_SHARE, FIRST_BATCH, Processor, Rooms
from gateway.quarantine import Quarantine
from gateway.stats import Stats
from tests.gatehouse import T0_MS, Gatehouse, MemoryStore, record_of, rows_message

DEVICES = 30


class Time:
    """A clock that only moves when somebody waits or works."""

    def __init__(self) -> None:
        self.s = 0.0

    def now(self) -> float:
        return self.s

    def sleep(self, wait_s: float) -> None:
        self.s += wait_s


class Journal:
    """As many records as anybody wants, of ``DEVICES`` devices in turn."""

    def __init__(self) -> None:
        self.position = Position(1)

    def read(self, limit: int, up_to: int) -> tuple[Sequence[Record], Sequence[Quarantined]]:
        first = self.position.number
        numbers = range(first, min(first + limit, up_to + 1))
        self.position = Position(numbers.stop)
        return [_record(number) for number in numbers], []


def _record(number: int) -> Record:
    seq, device = divmod(number - 1, DEVICES)
    topic = f"tg/1/hanoi/energy/meter-{device}/t"
    return record_of(number, rows_message(seq, T0_MS - 3_600_000 + number), topic)


class Intake(Link):
    """The other end: says that the journal has grown, until the time is over."""

    def __init__(self, time: Time, until_s: float) -> None:
        self.is_open = True
        self._time, self._until_s = time, until_s
        self._durable = 0
        self.receipts: list[tuple[float, list[list[str]]]] = []

    @override
    def poll(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        if self._time.s >= self._until_s:
            yield {"stop": True}
            return
        self._durable += DEVICES
        yield {"durable": self._durable}

    @override
    def send(self, message: dict[str, Any]) -> None:
        if "receipts" in message:
            self.receipts.append((self._time.s, message["receipts"]))


class SlowStore:
    """A store whose checkpoints take a while."""

    def __init__(self, store: MemoryStore, time: Time, takes_s: float) -> None:
        self._store, self._time, self._takes_s = store, time, takes_s
        self.began_s: list[float] = []
        self.find_times = store.find_times

    def write(self, batches: Sequence[ReadingBatch], events: Sequence[Event]) -> None:
        """Nobody asks here what was stored."""

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self.began_s.append(self._time.s)
        self._time.sleep(self._takes_s)
        self._store.checkpoint(checkpoint)


def run(folder: Path, *, seconds: float, checkpoint_takes_s: float) -> tuple[SlowStore, Intake]:
    house, time = Gatehouse(), Time()
    store, intake = SlowStore(house.store, time, checkpoint_takes_s), Intake(time, seconds)
    rooms = Rooms(
        Journal(),
        house.pipeline,
        store,
        Quarantine.open(folder, below=1),
        None,
        str,
        Stats(),
        lambda: T0_MS,
    )
    Processor(rooms, intake, receipt_s=1.0, monotonic=time.now, sleep=time.sleep).run()
    return store, intake


@pytest.mark.parametrize("takes_s", [0.0, 0.02, 0.3])
def test_checkpoints_come_often_but_never_take_most_of_the_time(
    tmp_path: Path, takes_s: float
) -> None:
    store, _ = run(tmp_path, seconds=60, checkpoint_takes_s=takes_s)
    steady_s = [began_s for began_s in store.began_s if began_s > 10]
    every_s = (steady_s[-1] - steady_s[0]) / (len(steady_s) - 1)
    pause_s = max(CHECKPOINT_S, takes_s / CHECKPOINT_SHARE)
    assert pause_s <= every_s <= pause_s + takes_s + 0.1


def test_every_device_has_its_receipt_each_second_and_they_do_not_come_all_at_once(
    tmp_path: Path,
) -> None:
    _, intake = run(tmp_path, seconds=20, checkpoint_takes_s=0)
    steady = [receipts for at_s, receipts in intake.receipts if 5 <= at_s < 15]
    assert max(map(len, steady)) == DEVICES // 10
    count = Counter(topic for receipts in steady for topic, _ in receipts)
    assert len(count) == DEVICES
    assert set(count.values()) <= {9, 10, 11}


def test_devices_that_waited_for_a_start_have_their_receipts_with_its_first_checkpoints(
    tmp_path: Path,
) -> None:
    _, intake = run(tmp_path, seconds=0.5, checkpoint_takes_s=0)
    (first_s, first), (second_s, second) = intake.receipts[:2]
    assert (first_s, second_s) == (0.0, 0.0)
    assert (len(first), len(second)) == (FIRST_BATCH, 2 * FIRST_BATCH)
