"""A field node as the gateway sees it: numbers its readings and keeps them until receipted.

No socket and no clock in here; ``fleet`` brings both. A PUBACK ends the flight of a message,
only the receipt on lane a ends the life of a reading.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from typing import NamedTuple, Protocol

# A node's flash: 1,000 readings are 83 min at 5 s or 20 days at 30 min. The oldest goes first.
KEPT_READINGS = 1000
ROWS_PER_MESSAGE = 60
LIVE_WINDOW = 8  # messages in flight; what comes meanwhile travels together in the next one
RESEND_FIRST_MS, RESEND_LAST_MS = 30_000, 600_000
RECEIPT_MS = 5_000  # receipts come once a second at most, and a busy gateway is seconds behind
_PLAIN = json.JSONEncoder(separators=(",", ":"))  # one for all: making it costs more than a row
_STATUS_GOOD = 0  # AMR profile status byte: no bit set


class Model(Protocol):
    """What is measured: a home, a lane."""

    profile: str
    sector: str
    accrued: int

    def row(self, from_ms: int, to_ms: int) -> tuple[int | None, ...]:
        """Let the time pass and return the columns of the profile at its end."""

    def skip(self, from_ms: int, to_ms: int) -> None:
        """Let the time pass while the node is without power."""


class Reading(NamedTuple):
    """One reading as the node keeps it; ``tail`` is the row without its time."""

    seq: int
    time_ms: int
    tail: str


def tail_of(values: Iterable[int | None], status: int) -> str:
    """Return a row as JSON without its time, as it is kept."""
    return _PLAIN.encode((*values, status))[1:]


class Memory(NamedTuple):
    """What survives a restart of the node."""

    boot: int = 0
    log: int = 1
    next_seq: int = 1
    last_ms: int = 0  # time of the last reading, 0 = none yet
    accrued: int = -1  # of the model, −1 = as built


class Device:
    """One node with one meter or detector."""

    def __init__(self, org: str, name: str, model: Model, interval_ms: int) -> None:
        self.name = name
        self.model = model
        self.prefix = f"tg/1/{org}/{model.sector}/{name}/"
        self.interval_ms = interval_ms
        self.boot, self.log, self.next_seq, self.last_ms = 1, 1, 1, 0
        self.kept: deque[Reading] = deque(maxlen=KEPT_READINGS)
        self.overwritten = self.receipted = 0
        self.sent = 0  # highest sequence number that has left on lane t or is due on lane b
        self._resend: deque[tuple[int, int]] = deque()
        self._resend_wait_ms = RESEND_FIRST_MS
        self._resend_at_ms = 0
        self._was_off = False
        self._backlog_ms = 0  # when something last left on lane b

    @property
    def memory(self) -> Memory:
        """What to keep over a restart."""
        return Memory(self.boot, self.log, self.next_seq, self.last_ms, self.model.accrued)

    @property
    def owes_backlog(self) -> bool:
        """Whether there is something to send on lane b."""
        return bool(self._resend)

    def restore(self, memory: Memory, kept: list[Reading]) -> None:
        """Go on where the node was; what it had sent is sent again unless receipted."""
        self.boot, self.log, self.next_seq = memory.boot + 1, memory.log, memory.next_seq
        self.last_ms = memory.last_ms
        if memory.accrued >= 0:
            self.model.accrued = memory.accrued
        self.kept.extend(kept)
        self._was_off = True

    def sample(self, now_ms: int) -> list[Reading]:
        """Take the readings that are due: on the clock's grid, as load profiles are."""
        now_ms -= now_ms % self.interval_ms
        if not self.last_ms:
            self.last_ms = now_ms - self.interval_ms
        elif self._was_off or now_ms - self.last_ms > ROWS_PER_MESSAGE * self.interval_ms:
            self._sleep_until(now_ms - self.interval_ms)
        self._was_off = False
        taken = []
        for time_ms in range(self.last_ms + self.interval_ms, now_ms + 1, self.interval_ms):
            values = self.model.row(self.last_ms, time_ms)
            taken.append(Reading(self.next_seq, time_ms, tail_of(values, _STATUS_GOOD)))
            self.last_ms, self.next_seq = time_ms, self.next_seq + 1
        self.overwritten += max(0, len(self.kept) + len(taken) - KEPT_READINGS)
        self.kept.extend(taken)
        return taken

    def birth(self, now_ms: int) -> bytes:
        """Return the state message of a node that has come up."""
        state = {"st": "online", "profile": self.model.profile, "fw": "sim-1", "boot": self.boot}
        # a gateway that meets us now must not take our first message for our first reading
        first = self.kept[0].seq if self.kept else self.next_seq
        state |= {"log": self.log, "t": now_ms, "first": {str(self.log): first}}
        return json.dumps(state).encode()

    def come_up(self, now_ms: int) -> None:
        """Begin a connection: what is old or was under way before it is backlog."""
        fresh_ms = now_ms - 2 * self.interval_ms - 10_000
        old = [r.seq for r in self.kept if r.seq <= self.sent or r.time_ms < fresh_ms]
        self._resend.clear()
        if old:
            self._resend.append((old[0], old[-1]))
            self.sent = max(self.sent, old[-1])

    def live(self, now_ms: int) -> bytes | None:
        """Return the next message for lane t, None where nothing is due."""
        unsent = takewhile(lambda r: r.seq > self.sent, reversed(self.kept))
        new = list(islice(unsent, ROWS_PER_MESSAGE))
        if not new:
            return None
        if self.kept[0].seq < new[-1].seq and self.sent + 1 < new[-1].seq:
            self._resend.append((self.sent + 1, new[-1].seq - 1))  # more than one message holds
        self.sent = new[0].seq
        if not self._resend_at_ms:
            self._resend_at_ms = now_ms + self._resend_wait_ms
        return self._rows(new[::-1])

    def event(self) -> bytes | None:
        """Return the next message for lane e; a plain node has none."""
        return None

    def backlog(self, now_ms: int) -> bytes | None:
        """Return the next message for lane b, None where nothing is owed any more."""
        while self._resend:
            first, last = self._resend.popleft()
            chunk = list(islice(self._between(first, last), ROWS_PER_MESSAGE))
            if chunk:
                if chunk[-1].seq < last:
                    self._resend.appendleft((chunk[-1].seq + 1, last))
                self._backlog_ms = now_ms
                return self._rows(chunk)
        return None

    def receive_receipt(self, payload: bytes, now_ms: int) -> int:
        """Forget what the gateway has made durable; return the highest such number, else 0."""
        try:
            receipt = json.loads(payload)
            log, seq, missing = receipt["log"], int(receipt["seq"]), receipt.get("missing", [])
            ranges = [(int(first), int(last)) for first, last in missing]
        except (ValueError, TypeError, KeyError, AttributeError):
            return 0  # not a receipt: keep everything
        if log != self.log:
            return 0
        before = len(self.kept)
        while self.kept and self.kept[0].seq <= seq:
            self.kept.popleft()
        gone = before - len(self.kept)
        self.receipted += gone
        if gone:
            self._resend_wait_ms = RESEND_FIRST_MS
            self._resend_at_ms = now_ms + RESEND_FIRST_MS if self.kept else 0
        # a receipt that was under way does not know yet what has just left on lane b
        is_old_news = now_ms - self._backlog_ms < RECEIPT_MS
        if ranges and not self._resend and not is_old_news:
            # at most what one receipt can usefully ask for; the next one asks for the rest
            self._resend.extend(ranges[:64])
        return seq if gone else 0

    def check_resend(self, now_ms: int) -> None:
        """Owe everything again whose receipt is overdue, each time after twice the wait."""
        if not self._resend_at_ms or now_ms < self._resend_at_ms or self._resend:
            return
        if self.kept and self.kept[0].seq <= self.sent:
            self._resend.append((self.kept[0].seq, self.sent))
        self._resend_wait_ms = min(2 * self._resend_wait_ms, RESEND_LAST_MS)
        self._resend_at_ms = now_ms + self._resend_wait_ms

    def _sleep_until(self, time_ms: int) -> None:
        if time_ms > self.last_ms:
            self.model.skip(self.last_ms, time_ms)
            # stay on the grid even where the interval is another one than before
            self.last_ms = time_ms

    def _between(self, first: int, last: int) -> Iterator[Reading]:
        return (r for r in self.kept if first <= r.seq <= last)

    def _rows(self, readings: list[Reading]) -> bytes:
        base_ms = readings[0].time_ms
        head = f'{{"p":"{self.model.profile}","log":{self.log},"b":{self.boot}'
        head += f',"n":{readings[0].seq},"t":{base_ms},"i":{self.interval_ms},"r":['
        rows = ",".join(f"[{r.time_ms - base_ms},{r.tail}" for r in readings)
        return f"{head}{rows}]}}".encode()
