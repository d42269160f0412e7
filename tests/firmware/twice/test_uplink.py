"""What goes out next, and what an answer means: the uplink against a scripted server."""

import gc
import json
import struct

from fieldnode.core.cursor import Cursor
from fieldnode.core.health import Health
from fieldnode.core.mqtt import Session
from fieldnode.core.ring import Ring
from fieldnode.core.uplink import COMMAND, COPY, DESIRED, UP, Uplink
from tests.firmware.twice.support import block_of, flash_of

BASE = "tg/1/evn/energy/m-1/"
LOG = 9


class Bench:
    """An uplink, its ring and a server that says what a test tells it to."""

    def __init__(self, sectors: int = 6) -> None:
        gc.collect()  # a board's heap holds one of this, not two
        self.ring = Ring(flash_of(sectors), LOG)
        self.health = Health()
        self.uplink = Uplink(self.ring, BASE, {"profile": "em1"}, self.health, lambda block: block)
        self.uplink.backlog_per_s = 0
        self.now_ms = 0

    def store(self, blocks: int, rows: int = 10) -> None:
        for _ in range(blocks):
            block = bytearray(block_of(self.ring.rows.next, rows, bytes(40)))
            self.ring.append(bytes(block))

    def connect(self, backlog_ms: int = 0) -> None:
        session = Session("m-1")
        self.uplink.opened(session, self.now_ms)
        assert self.uplink.next(self.now_ms) is None
        assert self.feed(b"\x20\3\0\0\0") == [(UP, b"", b"")]
        self.uplink.backlog_after(self.now_ms + backlog_ms)

    def feed(self, data: bytes) -> list:  # type: ignore[type-arg]
        return self.uplink.feed(data, self.now_ms)

    def sent(self, ack: "int | None" = 0) -> "list[tuple[str, object]]":
        """Return what is published now, as (lane, first row or document); ack is the reason."""
        seen: "list[tuple[str, object]]" = []
        while True:
            packet = self.uplink.next(self.now_ms)
            if packet is None:
                return seen
            packet = bytes(packet)
            if packet[0] >> 4 == 3:
                seen.append(self.read(packet))
                if ack is not None:
                    number = self.number_of(packet)
                    self.feed(b"\x40\3" + number + bytes([ack]))

    def body_at(self, packet: bytes) -> int:
        return 2 if packet[1] < 128 else 3

    def number_of(self, packet: bytes) -> bytes:
        at = self.body_at(packet)
        size = struct.unpack_from(">H", packet, at)[0]
        return packet[at + 2 + size : at + 4 + size]

    def read(self, packet: bytes) -> "tuple[str, object]":
        at = self.body_at(packet)
        size = struct.unpack_from(">H", packet, at)[0]
        topic = packet[at + 2 : at + 2 + size].decode()
        payload = packet[at + 5 + size :]
        assert topic.startswith(BASE)
        lane = topic[len(BASE) :]
        if payload[0] == 0x10:
            return lane, struct.unpack_from("<I", payload, 9)[0]
        return lane, json.loads(payload)

    def say(self, lane: bytes, payload: bytes, retained: int = 0) -> list:  # type: ignore[type-arg]
        topic = BASE.encode() + lane
        body = struct.pack(">H", len(topic)) + topic + b"\0" + payload
        head = bytes([0x30 | retained])
        size = len(body)
        head += bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        return self.feed(head + body)

    def receipt(self, seq: int, missing: object = None, retained: int = 0) -> list:  # type: ignore[type-arg]
        body: "dict[str, object]" = {"log": LOG, "seq": seq}
        if missing is not None:
            body["missing"] = missing
        return self.say(b"a", json.dumps(body).encode(), retained)

    def after(self, duration_ms: int) -> "list[tuple[str, object]]":
        self.now_ms += duration_ms
        self.feed(b"\xd0\0")  # an answer to a ping: the connection is alive
        return self.sent()


def lanes(items: "list[tuple[str, object]]") -> "list[str]":
    return [lane for lane, _ in items]


def test_a_birth_then_live_rows_and_a_receipt_trims() -> None:
    bench = Bench()
    bench.connect()
    (birth,) = bench.sent()
    assert birth == ("s", {"profile": "em1", "n": {}, "st": "online", "log": 9, "first": {"9": 0}})
    bench.store(2)
    assert bench.sent() == [("t", 0), ("t", 10)]
    assert bench.ring.rows.done == 0  # a PUBACK is no receipt
    bench.receipt(14)
    assert bench.ring.rows.done == 15
    bench.receipt(19)
    assert bench.after(60_000) == []
    assert bench.health.get("receipts") == 2
    bench.store(2)
    bench.receipt(39)  # it came on another way: nothing is left to send
    assert bench.sent() == []


def test_what_was_never_sent_goes_as_backlog_without_a_question() -> None:
    bench = Bench()
    bench.store(3)
    bench.uplink = Uplink(bench.ring, BASE, {}, bench.health, lambda block: block)
    bench.uplink._sent = 0  # nothing of it was sent, as after an outage of this boot
    bench.connect(backlog_ms=2000)
    assert lanes(bench.sent()) == ["s"]
    bench.store(1)
    assert bench.sent() == [("t", 30)]
    bench.uplink.backlog_per_s = 4
    assert bench.after(2000) == [("b", 0)]
    assert bench.after(1000) == [("b", 10), ("b", 20)]


def test_after_a_restart_only_what_is_missing_goes_again() -> None:
    bench = Bench()
    bench.store(6)
    bench.uplink = Uplink(bench.ring, BASE, {}, bench.health, lambda block: block)
    bench.uplink.backlog_per_s = 0
    bench.connect()
    assert lanes(bench.sent()) == ["s"]
    bench.receipt(9, retained=1)  # of old: trims, but answers nothing
    bench.store(1)
    assert bench.sent() == [("t", 60)]
    bench.receipt(19, [[20, 29], [50, 59]])
    assert bench.sent() == []  # a later receipt may know more
    assert bench.after(1000) == [("b", 20), ("b", 50)]
    assert bench.health.get("resent") == 2
    bench.receipt(69)
    assert bench.ring.rows.done == 70


def test_a_gateway_that_is_silent_is_asked_again_and_less_and_less_often() -> None:
    bench = Bench()
    bench.connect()
    bench.sent()
    bench.store(2)
    assert bench.sent() == [("t", 0), ("t", 10)]
    assert bench.after(4999) == []
    times = [(second, lane, what) for second in range(600) for lane, what in bench.after(1000)]
    births = [second for second, lane, _ in times if lane == "s"]
    gaps = [births[i + 1] - births[i] for i in range(len(births) - 1)]
    assert gaps[0] >= 5
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 150
    # The log is new: the gateway may not know it, so the first block goes with each question.
    assert {what for _, lane, what in times if lane == "b"} == {0}
    bench.receipt(-1)  # nonsense
    bench.receipt(9)
    assert bench.after(1000) == [("b", 10)]  # settled: the rest was lost


def test_of_a_known_log_nothing_is_sent_in_vain() -> None:
    bench = Bench()
    bench.connect()
    bench.sent()
    bench.store(2)
    bench.sent()
    bench.receipt(9)
    seen = []
    for _ in range(100):
        seen += bench.after(1000)
    assert lanes(seen).count("s") >= 3
    assert lanes(seen).count("b") == 0
    for _ in range(300):
        seen += bench.after(1000)
    assert ("b", 10) in seen  # in the end one block: the gateway may have lost its memory


def test_not_delivered_is_held_back_and_asked() -> None:
    bench = Bench()
    bench.connect()
    bench.sent()
    bench.store(2)
    assert lanes(bench.sent(ack=0x10)) == ["t"]  # nobody has subscribed: no use in going on
    assert bench.health.get("refused") == 1
    assert bench.sent() == []
    bench.now_ms += 500
    assert bench.sent(ack=0x10) == [("s", bench_state(bench, 0))]
    bench.now_ms += 500
    assert bench.sent() == []  # twice as long
    bench.now_ms += 500
    assert lanes(bench.sent()) == ["s", "t"]  # the second block was never refused
    bench.receipt(0, [[1, 9]])
    assert bench.ring.rows.done == 1
    assert bench.after(1000) == [("b", 0)]


def bench_state(bench: Bench, first: int) -> object:
    moved = {"published": 2, "refused": 1}
    return {"profile": "em1", "n": moved, "st": "online", "log": 9, "first": {"9": first}}


def test_a_block_that_was_receipted_meanwhile_is_passed_over() -> None:
    bench = Bench()
    cursor = Cursor(bench.ring)
    assert cursor.peek() is None
    bench.store(3)
    first, second = cursor.peek(), None
    assert first is not None
    assert first[0] == 0
    bench.ring.ack(9)
    second = cursor.peek()
    assert second is not None
    assert second[0] == 10
    bench.ring.ack(29)
    assert cursor.peek() is None


def test_the_window_is_never_overrun() -> None:
    bench = Bench()
    bench.connect()
    bench.sent()
    bench.store(12)
    assert len(bench.sent(ack=None)) == 8
    assert bench.sent(ack=None) == []


def test_events_are_repeated_until_a_receipt_vouches_for_them() -> None:
    bench = Bench()
    bench.connect()
    for number in range(3):
        bench.ring.event(b'{"c":%d}' % number)
    assert lanes(bench.sent()) == ["s", "e", "e", "e"]
    assert bench.ring.keep.done == 0  # a PUBACK is not enough
    bench.uplink.closed()
    assert bench.uplink.next(0) is None
    bench.connect()
    events = [what for lane, what in bench.sent() if lane == "e"]
    assert events == [{"c": 0}, {"c": 1}, {"c": 2}]
    bench.store(1)
    assert bench.sent() == [("t", 0)]
    bench.ring.event(b'{"c":3}')
    assert lanes(bench.sent()) == ["e"]
    bench.receipt(0)
    assert bench.ring.keep.done == 3  # the fourth went after row 9
    bench.receipt(9)
    assert bench.ring.keep.done == 3
    bench.store(1)
    assert bench.sent() == [("t", 10)]
    bench.receipt(10)
    assert bench.ring.keep.done == 4
    assert bench.sent() == []


def test_what_memory_has_lost_is_said() -> None:
    bench = Bench(sectors=5)
    bench.connect()
    bench.sent()
    while not bench.ring.keep.mark:
        bench.store(1, rows=30)
    items = bench.sent()
    mark = bench.ring.keep.mark
    assert items[0] == ("e", {"log": 9, "from": 0, "to": mark - 1})
    assert items[1] == ("t", mark)


def test_a_birth_names_the_oldest_row_there_is() -> None:
    gone = Bench(sectors=5)
    while not gone.ring.keep.mark:
        gone.store(1, rows=30)
    gone.uplink = Uplink(gone.ring, BASE, {}, gone.health, lambda block: block)
    gone.connect()
    birth = gone.sent()[0][1]
    assert birth["first"] == {"9": gone.ring.keep.mark}  # type: ignore[index]


def test_commands_configuration_and_copies() -> None:
    bench = Bench()
    bench.connect()
    bench.sent()
    assert bench.say(b"c/7", b"{}") == [(COMMAND, b"7", b"{}")]
    assert bench.say(b"k", b"{}", 1) == [(DESIRED, b"", b"{}")]
    assert bench.say(b"x", b"{}") == []
    for number in range(6):
        bench.uplink.reply(b"%d" % number, b"{}")
    assert lanes(bench.sent()) == ["r/2", "r/3", "r/4", "r/5"]
    for wrong in (b"", b"[]", b'{"log":9}', b'{"log":9,"seq":"1"}', b'{"log":8,"seq":1}', b"\xff"):
        assert bench.say(b"a", wrong) == []
    bench.store(1)
    assert bench.receipt(9, [[1]]) == []
    assert bench.receipt(10) == [(COPY, b"", b"")]


def test_a_heartbeat_tells_what_moved() -> None:
    bench = Bench()
    bench.uplink.heartbeat_ms = 10_000
    bench.connect()
    bench.sent()
    assert bench.after(9999) == []
    ((lane, state),) = bench.after(1)
    assert lane == "s"
    assert state["n"] == {"published": 1}  # type: ignore[index]
