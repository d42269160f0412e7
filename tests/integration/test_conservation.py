"""received = stored + duplicate + quarantined + pending, and each identity once: whatever comes.

The real journal, pipeline, store, quarantine and processor loop, on files; crashes and full disks
at every call between them.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import intake
from gateway.config import Settings
from gateway.pipeline.words import earlier_of
from tests.faults import quick_or_soak
from tests.spine import T0_MS, Sight, Spine, Stored, Work

HOUR_MS = 3_600_000
UNTIL_MAPPED = Settings()
MAPPED = Settings.model_validate(
    {
        "mapping": [
            {
                "name": "plug",
                "topic": "plant/{device}/SENSOR",
                "profile": "em1",
                "time": {"path": "t", "format": "unix_ms"},
                "columns": {"ea_imp": "wh", "p": "w"},
            }
        ]
    }
)
TOO_OLD = 90 * 24 * HOUR_MS
INEXACT = {"lane-1", "stranger-1"}  # what is stored of them depends on the order
COLUMNS = ("messages_stored", "messages_duplicate", "messages_quarantined")
READINGS = ("stored", "duplicate", "quarantined")


class Message(NamedTuple):
    """A message, and how many readings it counts as."""

    topic: str
    payload: bytes
    readings: int = 1
    good: frozenset[tuple[str, int, int]] = frozenset()  # device, log, seq (or time, unnumbered)
    numbers: tuple[int, ...] = ()


class Send(NamedTuple):
    messages: list[Message]


class Requeue(NamedTuple):
    reason: str
    picks: list[int]  # of the list; the same one may come twice


class Restart(NamedTuple):
    is_mapped: bool


def is_limit(n: int) -> bool:
    return n % 5 == 4


def is_time(n: int) -> bool:
    return n % 7 == 6


def row_of(n: int, base_ms: int) -> list[int]:
    """What a meter says under a number is always the same, so that a repetition is one."""
    time_ms = T0_MS - 24 * HOUR_MS + n * HOUR_MS // 4 - (TOO_OLD if is_time(n) else 0)
    return [time_ms - base_ms, 1000 * n, 0, 99_999 if is_limit(n) else n, 2300, 50, 900, 0]


def rows(device: str, log: int, first: int, count: int, lane: str) -> Message:
    numbers = tuple(range(first, first + count))
    measured = [row_of(n, T0_MS) for n in numbers]
    body = {"p": "em1", "log": log, "n": first, "t": T0_MS, "r": measured}
    good = frozenset((device, log, n) for n in numbers if not (is_limit(n) or is_time(n)))
    topic = f"tg/1/hanoi/energy/{device}/{lane}"
    return Message(topic, json.dumps(body).encode(), count, good, numbers)


def unnumbered(slots: list[int]) -> Message:
    body = {"p": "em1", "t": T0_MS, "r": [row_of(n, T0_MS) for n in slots]}
    good = [n for n in slots if not (is_limit(n) or is_time(n))]
    times = frozenset(("meter-3", 0, T0_MS + row_of(n, T0_MS)[0]) for n in good)
    payload = json.dumps(body).encode()
    return Message("tg/1/hanoi/energy/meter-3/t", payload, len(slots), times)


def lane_one(n: int, boot: int, age_ms: int) -> Message:
    """Of a device that restarts, forgets and gives up: only counted, not followed."""
    row = [0, 3, 900, 100, 400, 500, 0, 3, 0, 0, 0, 0]
    body = {"p": "tl1", "n": n, "b": boot, "t": T0_MS - age_ms if age_ms else 0, "r": [row]}
    return Message("tg/1/hanoi/transport/lane-1/t", json.dumps(body).encode())


def stranger(org: str, n: int) -> Message:
    """Of a name that two organisations have given; the first to come is its owner."""
    payload = rows("stranger-1", 0, n, 1, "t").payload
    return Message(f"tg/1/{org}/energy/stranger-1/t", payload)


def word(lane: str, body: dict[str, object]) -> Message:
    return Message(f"tg/1/hanoi/transport/lane-1/{lane}", json.dumps(body).encode(), 0)


def foreign(n: int, *, is_bad: bool) -> Message:
    time_ms = T0_MS - HOUR_MS + n
    body = {"t": time_ms, "wh": n, "w": "much" if is_bad else n}
    good = frozenset() if is_bad else frozenset({(f"plug-{n % 2}", 0, time_ms)})
    return Message(f"plant/plug-{n % 2}/SENSOR", json.dumps(body).encode(), 1, good)


NUMBER = st.integers(0, 12)
MESSAGES = st.one_of(
    st.builds(
        rows,
        st.sampled_from(["meter-1", "meter-2"]),
        st.sampled_from([0, 0, 7]),
        NUMBER,
        st.integers(1, 5),
        st.sampled_from("ttb"),
    ),
    st.builds(unnumbered, st.lists(NUMBER, min_size=1, max_size=4)),
    st.builds(lane_one, NUMBER, st.integers(1, 3), st.sampled_from([0, 0, 60_000, 7_200_000])),
    st.builds(lambda n: word("s", {"st": "online", "first": {"0": n}}), NUMBER),
    st.builds(lambda n: word("e", {"log": 0, "from": n, "to": n + 2}), NUMBER),
    st.builds(lambda st_: word("s", {"st": st_}), st.sampled_from(["online", "lost", "?"])),
    st.builds(foreign, NUMBER, is_bad=st.booleans()),
    st.builds(lambda b: Message("tg/1/hanoi/energy/meter-1/t", b"\xff" + b), st.binary(max_size=3)),
    st.just(Message("tg/1/hanoi/gas/meter-1/t", b"{}")),
    st.builds(stranger, st.sampled_from(["hanoi", "hue"]), NUMBER),
)
TICKS = st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.0]), min_size=1, max_size=4).map(tuple)
WORK = st.builds(
    lambda size, *others: Work(size, 5000 if size == 5 else size, *others),
    st.sampled_from([5, 1, 3, 50]),  # 5 doubles, with a checkpoint each time
    TICKS,
    st.sampled_from(["", "crash", "crash", "full", "full"]),
    st.one_of(st.integers(0, 4), st.integers(0, 25)),
    st.one_of(st.just(-1), st.integers(0, 12)),
)
STEPS = st.one_of(
    st.builds(Send, st.lists(MESSAGES, min_size=1, max_size=8)),
    st.builds(Send, st.lists(MESSAGES, min_size=1, max_size=8)),
    WORK,
    WORK,
    st.builds(
        Requeue,
        st.sampled_from(["", "", "unmapped", "schema", "limit", "time", "encoding"]),
        st.lists(st.integers(0, 30), max_size=4),
    ),
    st.builds(Restart, st.booleans()),
)


class Book:
    """What was sent, held against what is there."""

    def __init__(self, folder: Path) -> None:
        self.spine = Spine(folder)
        self.sent: list[Message] = []

    def do(self, step: Send | Work | Requeue | Restart) -> None:
        match step:
            case Send(messages):
                for message in messages:
                    self.spine.send(message.topic, message.payload)
                self.sent += messages
            case Work():
                if self.spine.work(step):
                    self.check_always()
                    self.spine.open()
                else:
                    self.check_done()
            case Requeue(reason, picks):
                entries = Sight(self.spine.folder).entries
                ids = [entries[pick % len(entries)].record for pick in picks if entries]
                self.spine.requeue(ids=[*ids, 1 << 40])
                if reason:
                    self.spine.requeue(reason=reason)
            case Restart(is_mapped):
                self.spine.restart(MAPPED if is_mapped else None)
        self.check_always()

    def check_always(self) -> Sight:
        """Check what holds at any moment, for anybody who looks on."""
        sight = Sight(self.spine.folder)
        totals = sight.totals
        assert totals.pending_messages >= 0
        assert totals.received_messages <= self.spine.durable
        for column in (*READINGS, *COLUMNS):
            counted = [getattr(row, column) for row in sight.counts.values()]
            assert min(counted, default=0) >= 0
            assert sum(counted) == getattr(totals, column)
        # one that restarts may say the same number at the same time twice and mean two readings
        assert_once([r for r in sight.stored if r.device != "lane-1" and r.device[0] != "#"])
        return sight

    def check_done(self) -> None:
        """Check what holds once the processor has reached the end of the journal."""
        sight = self.check_always()
        totals = sight.totals
        assert totals.received_messages == len(self.sent)
        assert totals.pending_messages == 0
        assert totals.stored + totals.duplicate + totals.quarantined == sum(
            message.readings for message in self.sent
        )
        self._check_quarantine(sight)
        self._check_store(sight)
        self._check_receipts()

    def _check_quarantine(self, sight: Sight) -> None:
        by_device = Counter[int]()
        for entry in sight.entries:
            by_device[entry.device_index] += entry.readings
        for index, row in sight.counts.items():
            assert by_device[index] == row.quarantined
        assert sum(by_device.values()) == sight.totals.quarantined
        assert sight.kept == len(sight.entries)
        whole = sum(earlier_of(entry).stored == 0 for entry in sight.quarantined)
        assert whole == sight.totals.messages_quarantined
        sent = Counter((message.topic.encode(), message.payload) for message in self.sent)
        assert not Counter((e.topic, e.payload) for e in sight.quarantined) - sent

    def _check_store(self, sight: Sight) -> None:
        by_device = Counter(reading.device for reading in sight.stored)
        for index, row in sight.counts.items():
            assert by_device[sight.devices[index].device if index >= 0 else ""] == row.stored
        waiting = Counter((e.topic.decode(), e.payload) for e in sight.quarantined)
        sent = Counter((message.topic, message.payload) for message in self.sent)
        unread = {place for place, count in waiting.items() if count == sent[place]}
        wanted = set().union(
            *(m.good for m in self.sent if m.topic[:2] == "tg" or m[:2] not in unread)
        )
        found = {
            (r.device, max(r.log, 0), r.seq if r.seq >= 0 else r.time_ms)
            for r in sight.stored
            if r.device not in INEXACT
        }
        assert found == wanted

    def _check_receipts(self) -> None:
        for device, log, seq in self.spine.receipts:
            if device in INEXACT:
                continue
            came = [
                n
                for message in self.sent
                if message.numbers
                and f"/{device}/" in message.topic
                and json.loads(message.payload)["log"] == log
                for n in message.numbers
            ]
            first = next(n for n in came)
            assert set(range(first, seq + 1)) <= set(came)
        self.spine.receipts.clear()


def assert_once(stored: Sequence[Stored]) -> None:
    twice = [reading for reading, count in Counter(stored).items() if count > 1]
    assert not twice


@pytest.mark.slow
@pytest.mark.timeout(3000)
@settings(
    max_examples=quick_or_soak(50, 10_000),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(STEPS, min_size=3, max_size=14))
def test_the_books_balance_whatever_comes_and_whenever_it_dies(
    steps: list[Send | Work | Requeue | Restart],
) -> None:
    with tempfile.TemporaryDirectory(prefix="infragate-") as folder:
        book = Book(Path(folder))
        try:
            for step in steps:
                book.do(step)
            book.do(Work())
        finally:
            book.spine.abandon()


@pytest.mark.parametrize("kind", ["crash", "full"])
def test_a_requeue_may_be_cut_off_at_every_call(tmp_path: Path, kind: str) -> None:
    for after in range(100):
        folder = tmp_path / str(after)
        folder.mkdir()
        book = Book(folder)
        sent = [foreign(n, is_bad=n == 2) for n in range(4)]
        book.do(Send([*sent, rows("meter-1", 0, 3, 3, "t"), *sent[:1]]))
        book.do(Work())
        assert len(Sight(folder).entries) == 6
        book.do(Restart(is_mapped=True))
        book.do(Requeue("", list(range(6))))
        book.do(Work(most=5, trap=kind, after=after))
        if not book.spine.went_off:
            break
        book.do(Work())
        sight = Sight(folder)
        assert (sight.totals.stored, sight.totals.duplicate) == (2 + 3, 1)
        assert sorted(entry.reason for entry in sight.entries) == ["limit", "schema"]
        book.spine.abandon()
    assert 5 < after < 99


def test_what_is_put_back_keeps_the_time_it_came(tmp_path: Path) -> None:
    book = Book(tmp_path)
    plug = {"mapping": [{**MAPPED.model_dump()["mapping"][0], "time": {}}]}
    book.do(Send([Message("plant/plug-1/SENSOR", b'{"wh": 7}')]))
    came_ms = book.spine.now_ms
    book.do(Work())
    book.spine.now_ms += 24 * HOUR_MS
    book.spine.restart(Settings.model_validate(plug))
    book.spine.requeue(reason="unmapped")
    assert not book.spine.work()
    assert [reading.time_ms for reading in Sight(tmp_path).stored] == [came_ms]
    book.spine.abandon()


def test_what_came_before_its_time_is_judged_by_the_time_it_is_put_back(tmp_path: Path) -> None:
    book = Book(tmp_path)
    message = rows("meter-1", 0, 1, 1, "t")
    book.spine.now_ms -= 48 * HOUR_MS  # the gateway's clock is wrong: the device seems ahead
    book.do(Send([message]))
    assert not book.spine.work()
    assert [entry.reason for entry in Sight(tmp_path).entries] == ["time"]
    book.spine.now_ms += 48 * HOUR_MS
    book.spine.requeue(reason="time")
    book.do(Work())
    assert Sight(tmp_path).totals.stored == 1
    book.spine.abandon()


def test_what_is_put_back_twice_is_put_back_once(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.do(Send([foreign(1, is_bad=False), foreign(2, is_bad=True)]))
    book.do(Work())
    book.do(Restart(is_mapped=True))
    assert book.spine.requeue(ids=[1, 1, 2, 2, 9]) == {"requeued": 2, "unknown": 1}
    assert book.spine.requeue(reason="unmapped") == {"requeued": 2, "unknown": 0}
    book.do(Work())
    totals = Sight(tmp_path).totals
    assert (totals.received_messages, totals.stored, totals.quarantined) == (2, 1, 1)
    book.spine.abandon()


def test_thousands_are_put_back_in_steps_and_those_that_fail_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "REQUEUE_ENTRIES", 7)
    monkeypatch.setattr(intake, "REQUEUE_BYTES", 250)  # some four messages
    book = Book(tmp_path)
    book.do(Send([foreign(n, is_bad=n % 3 == 0) for n in range(40)]))
    book.do(Work())
    step = book.spine.requeue_step({"reason": "unmapped"})
    assert 0 < step["requeued"] < 7
    book.do(Work())
    assert step["next"] is not None
    assert book.spine.requeue(**step["next"])["requeued"] == 40 - step["requeued"]
    book.do(Work())
    assert book.spine.requeue(ids=[entry.record for entry in Sight(tmp_path).entries]) == {
        "requeued": 40,
        "unknown": 0,
    }
    book.do(Restart(is_mapped=True))
    book.do(Work())
    book.spine.abandon()


def test_what_came_by_a_source_that_is_gone_is_read_all_the_same(tmp_path: Path) -> None:
    book = Book(tmp_path)
    source = {"type": "listener", "listen": "127.0.0.1:1", "max_age": "90d"}
    book.spine.restart(Settings.model_validate({"source": [source]}))
    for message in (rows("meter-1", 0, 1, 2, "t"), foreign(1, is_bad=False)):
        book.spine.append(255, 1, message.topic.encode(), message.payload)
        book.sent.append(message)
    book.spine.requeue(ids=[])
    book.do(Work())
    book.spine.abandon()
