"""The ring on its way to the gateway: what goes out next, and what an answer means.

Theory of operation. A row leaves the ring by the gateway's receipt alone (docs/protocol.md §3); a
PUBACK only makes room in the window (events: vouch.py). Rows stored since the connection stands
go out at once (lane t); what was there before is backlog (lane b): later, and slower.

What was sent without a receipt is in the gateway, under way, or lost. So the node asks: a birth
that names its oldest row makes the gateway send a receipt, which names what is missing, and only
that goes again. It asks when it has connected and when no receipt came for max(5 s, 4 round
trips). A gateway that never heard of this log cannot answer: one block goes with the question.
"""

import json

from fieldnode.core.cursor import Cursor, rows_of
from fieldnode.core.mqtt import CONNECTED, DELIVERED, MESSAGE, REFUSED, Session
from fieldnode.core.question import AGAIN, SETTLED, Question
from fieldnode.core.vouch import Vouch

if False:  # for the type checker
    from collections.abc import Callable

    from fieldnode.core.health import Health
    from fieldnode.core.ring import Ring

# What ``feed`` asks of the program: (kind, id, payload).
UP, COMMAND, DESIRED, COPY = b"up", b"c", b"k", b"copy"
BURST_MS = 1000  # what the rate of the backlog may catch up with
MAX_REPLIES = 4
_STATE, _REPLY = -1, -2  # tokens; rows and events have none


class Uplink:
    """All connections of a node, one after the other.

    Args:
        ring: the store.
        base: ``tg/1/<org>/<sector>/<device>/``.
        facts: what the birth says besides ``st``, ``log`` and ``first``.
        health: counters.
        stamp: gives a block the time that was learned later (``clock.restamped``).
    """

    def __init__(
        self,
        ring: "Ring",
        base: str,
        facts: "dict[str, object]",
        health: "Health",
        stamp: "Callable[[bytes], bytes]",
    ) -> None:
        self._ring = ring
        self._base = base.encode()
        self._facts = facts
        self._health = health
        self._stamp = stamp
        self.heartbeat_ms = 900_000
        self.backlog_per_s = 4
        self._session: "Session | None" = None
        self._live = Cursor(ring)
        self._back = Cursor(ring)
        self._sent = ring.rows.next  # rows below were sent at some time, for all we know
        self._replies: "list[tuple[bytes, bytes]]" = []
        self._buffer = bytearray(704)  # a block and its topic; one a packet wears out the heap
        self._question = Question()
        self._vouch = Vouch()
        self._refusals = 0
        self._begin(0)

    def _begin(self, now_ms: int) -> None:
        self._is_subscribed = self._is_replying = False
        self._hold_ms = self._stuck_ms = self._back_due_ms = now_ms
        self._vouch.seek(self._ring.keep.done - 1)
        self._live.seek(self._ring.rows.next)
        self._refusals = 0
        self._question.forgive()
        self._ask(now_ms)

    def _ask(self, now_ms: int) -> None:
        """Find out what has arrived of what was sent; all of it is backlog from now on."""
        self._question.ask(self._ring.rows.done < self._sent)
        self._live_from = self._live.at
        self._back.seek(self._ring.rows.done)
        self._state_due_ms = now_ms

    def opened(self, session: "Session", now_ms: int) -> None:
        """Begin with a connection whose CONNECT is on its way."""
        self._session = session
        session.buffer = self._buffer
        self._begin(now_ms)

    def backlog_after(self, due_ms: int) -> None:
        """Let the backlog of this connection wait until then."""
        self._back_due_ms = due_ms

    def closed(self) -> None:
        """Note the end of the connection."""
        self._session = None

    def reply(self, command: bytes, payload: bytes) -> None:
        """Answer a command on lane r; of more than a few that wait the oldest is dropped."""
        if len(self._replies) >= MAX_REPLIES:
            self._replies.pop(0)
            self._is_replying = False
        self._replies.append((command, payload))

    def feed(self, data: bytes, now_ms: int) -> "list[tuple[bytes, bytes, bytes]]":
        """Take in bytes of the server; return what the program has to do.

        Raises:
            MqttError: the connection is at its end.
        """
        requests: "list[tuple[bytes, bytes, bytes]]" = []
        session = self._session
        for event in session.feed(data) if session else []:
            if event[0] == DELIVERED:
                self._delivered(event[1], now_ms)
            elif event[0] == REFUSED:
                self._refused(now_ms)
            elif event[0] == CONNECTED:
                requests.append((UP, b"", b""))
            elif event[0] == MESSAGE and event[1].startswith(self._base):
                lane, _, command = event[1][len(self._base) :].partition(b"/")
                if lane in {COMMAND, DESIRED}:
                    requests.append((lane, command, event[2]))
                elif lane == b"a" and not self._receipt(event[2], event[3], now_ms):
                    requests.append((COPY, b"", b""))
        return requests

    def _delivered(self, token: object, now_ms: int) -> None:
        self._refusals = 0
        if token == _STATE:
            self._question.asked(now_ms)
        elif token == _REPLY:
            if self._is_replying:
                self._replies.pop(0)
            self._is_replying = False

    def _refused(self, now_ms: int) -> None:
        """Nobody has subscribed (0x10), or an error: it did not arrive. Wait, then ask."""
        self._health.count("refused")
        if now_ms >= self._hold_ms:
            self._hold_ms = now_ms + min(60_000, 500 << min(self._refusals, 8))
            self._refusals += 1
        self._vouch.seek(self._ring.keep.done - 1)
        self._is_replying = False
        self._ask(self._hold_ms)

    def _receipt(self, payload: bytes, is_retained: int, now_ms: int) -> bool:
        """Trim the ring; False where it is for rows that this memory has never had."""
        try:
            document = json.loads(payload)
            log, seq, missing = document["log"], document["seq"], document.get("missing", [])
        except (ValueError, KeyError, TypeError, AttributeError):
            return True
        ring = self._ring
        if log != ring.rows.log or type(seq) is not int or seq < 0:
            return True
        self._health.count("receipts")
        done = ring.rows.done
        if not ring.ack(seq):
            return False
        if ring.rows.done > done:
            self._stuck_ms = now_ms
            self._question.forgive()
        self._question.receipt(ring.rows.done, missing, is_retained, now_ms)
        ring.ack_event(self._vouch.receipt(ring.rows.done, self._sent))
        return True

    def next(self, now_ms: int) -> "bytes | memoryview | None":
        """Return the next packet to write, None where there is nothing now.

        Raises:
            MqttError: the server is not heard of any more.
        """
        session = self._session
        if session is None:
            return None
        if session.replies:
            replies, session.replies = session.replies, b""
            return replies
        ping = session.tick(now_ms)
        if ping or not session.is_up:
            return ping
        if not self._is_subscribed:
            self._is_subscribed = True
            return session.subscribe([self._base + b"a", self._base + b"c/#", self._base + b"k"])
        if now_ms < self._hold_ms or not session.has_room():
            return None
        self._review(now_ms)
        return (
            self._next_state(now_ms)
            or self._next_reply()
            or self._next_event()
            or self._next_live(now_ms)
            or self._next_back(now_ms)
        )

    def _review(self, now_ms: int) -> None:
        """Look whether answers are overdue."""
        question = self._question
        if question.is_open:
            outcome = question.review(now_ms, not self._ring.rows.done)
            if outcome == AGAIN:
                self._state_due_ms = now_ms
            elif outcome == SETTLED:
                self._stuck_ms = now_ms
            if outcome:
                self._back.seek(self._ring.rows.done)
        elif self._is_waiting() and now_ms - self._stuck_ms >= question.wait_ms():
            question.fail()
            self._stuck_ms = now_ms
            self._ask(now_ms)

    def _is_waiting(self) -> bool:
        """Return whether the first row without a receipt was sent."""
        done = self._ring.rows.done
        return done < (self._back.at if done < self._live_from else self._live.at)

    def _publish(
        self, lane: bytes, payload: bytes, token: object, retain: bool = False
    ) -> "memoryview | None":
        self._health.count("published")
        return self._session.publish(self._base + lane, payload, token, retain)  # type: ignore[union-attr]

    def _next_state(self, now_ms: int) -> "memoryview | None":
        if now_ms < self._state_due_ms:
            return None
        self._state_due_ms = now_ms + self.heartbeat_ms
        rows = self._ring.rows
        oldest = next(self._ring.pending(rows.done), None)
        state = dict(self._facts)
        state["n"] = self._health.changes()
        state["st"] = "online"
        state["log"] = rows.log
        state["first"] = {str(rows.log): oldest[0] if oldest else rows.next}
        return self._publish(b"s", json.dumps(state).encode(), _STATE, True)

    def _next_reply(self) -> "memoryview | None":
        if not self._replies or self._is_replying:
            return None
        self._is_replying = True
        command, payload = self._replies[0]
        return self._publish(b"r/" + command, payload, _REPLY)

    def _next_event(self) -> "memoryview | None":
        if self._vouch.last + 1 < self._ring.keep.next:
            for number, payload in self._ring.events():
                if number > self._vouch.last:
                    self._vouch.sent(number, self._sent)
                    return self._publish(b"e", payload, None)
        return None

    def _next_live(self, now_ms: int) -> "memoryview | None":
        item = self._live.peek()
        return self._send(b"t", self._live, item, now_ms) if item else None

    def _next_back(self, now_ms: int) -> "memoryview | None":
        cursor, question = self._back, self._question
        if not question.may_probe and (question.is_open or now_ms < self._back_due_ms):
            return None
        while cursor.at < self._live_from:
            item = cursor.peek()
            first = item[0] if item else self._live_from
            if item is None or first >= self._live_from:
                return self._gap(cursor, self._live_from)
            if question.wants(first, first + rows_of(item[1]) - 1):
                question.may_probe = False
                if self.backlog_per_s:
                    since_ms = max(self._back_due_ms, now_ms - BURST_MS)
                    self._back_due_ms = since_ms + 1000 // self.backlog_per_s
                return self._send(b"b", cursor, item, now_ms)
            cursor.skip()
        return None

    def _gap(self, cursor: Cursor, first: int) -> "memoryview | None":
        """Say that the rows below ``first`` exist no more, where there were some."""
        start = max(cursor.at, self._ring.rows.done)
        cursor.at = first
        if start >= first:
            return None
        gap = {"log": self._ring.rows.log, "from": start, "to": first - 1}
        return self._publish(b"e", json.dumps(gap).encode(), None)

    def _send(
        self, lane: bytes, cursor: Cursor, item: "tuple[int, bytes]", now_ms: int
    ) -> "memoryview | None":
        first, block = item
        gap = self._gap(cursor, first)
        if gap:
            return gap
        if not self._is_waiting():
            self._stuck_ms = now_ms
        cursor.skip()
        if first < self._sent:
            self._health.count("resent")
        self._sent = max(self._sent, cursor.at)
        self._question.sent(cursor.at, now_ms)
        return self._publish(lane, self._stamp(block), None)
