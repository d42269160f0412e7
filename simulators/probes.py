"""How long until the gateway has a message: by its receipt, and by asking its HTTP API."""

import json
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from typing_extensions import override

from simulators import wire
from simulators.channel import CONNECT_TIMEOUT_S, READ_BYTES, SAMPLES, open_socket
from simulators.target import Target
from simulators.templates import Encoder

_NOTES = 256  # sent messages of one device that wait for a receipt; the oldest go first
_ASK_EVERY_S = 0.02
_GIVE_UP_S = 20.0


class Note(NamedTuple):
    """One message of a sampled device: its last sequence number and when it left."""

    device: int
    seq: int
    time_ms: int
    sent_s: float


class ReceiptProbe:
    """Subscribes to lane a of some devices and times the receipts."""

    def __init__(self, encoder: Encoder, target: Target, sampled: Sequence[int]) -> None:
        shape = encoder.shape
        self.latencies_s: deque[float] = deque(maxlen=SAMPLES)
        self.newest: Note | None = None
        self._encoder = encoder
        self._sampled = sorted(sampled)
        self._notes: dict[str, deque[Note]] = {}
        for index in self._sampled:
            topic = f"tg/1/{shape.org}/energy/{shape.device(index)}/a"
            self._notes[topic] = deque(maxlen=_NOTES)
        self._reader = wire.Reader()
        self.sock = open_socket(target, "load-receipts")
        self.sock.settimeout(CONNECT_TIMEOUT_S)
        self.sock.sendall(wire.subscribe(1, *self._notes))
        self.sock.settimeout(0)

    @property
    def waits(self) -> bool:
        """Whether a receipt is outstanding."""
        return any(self._notes.values())

    def note(self, first: int, last: int) -> None:
        """Remember the messages that have just left for the devices from ``first`` on."""
        place = bisect_left(self._sampled, first)
        now_s = time.perf_counter()
        topics = list(self._notes)
        while place < len(self._sampled) and self._sampled[place] < last:
            index = self._sampled[place]
            seq = int(self._encoder.next_seq[index]) - 1
            self.newest = Note(index, seq, int(self._encoder.last_ms[index]), now_s)
            self._notes[topics[place]].append(self.newest)
            place += 1

    def receive(self) -> None:
        """Take the receipts that have come.

        Raises:
            ConnectionError: the server has closed.
        """
        data = self.sock.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("closed by the server")
        now_s = time.perf_counter()
        for frame in self._reader.feed(data):
            if frame.head & 0xF0 == wire.PUBLISH:
                self._take(*wire.parse_publish(frame), now_s)

    def _take(self, topic: str, payload: bytes, now_s: float) -> None:
        notes = self._notes.get(topic)
        receipt = json.loads(payload)
        if notes is None or receipt["log"] != self._encoder.shape.log:
            return
        while notes and notes[0].seq <= receipt["seq"]:
            self.latencies_s.append(now_s - notes.popleft().sent_s)


class QueryProbe(threading.Thread):
    """Asks the API for the newest sampled reading until it is there; a thread of its own."""

    def __init__(self, encoder: Encoder, receipts: ReceiptProbe, api: str) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(api)
        self.latencies_s: deque[float] = deque(maxlen=SAMPLES)
        self.missed = 0
        self._shape = encoder.shape
        self._receipts = receipts
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._halt = threading.Event()

    @override
    def run(self) -> None:
        """Probe until ``finish``."""
        last: Note | None = None
        while not self._halt.wait(_ASK_EVERY_S):
            note = self._receipts.newest
            if note is not None and note is not last:
                last = note
                self._time(note)

    def finish(self) -> None:
        """Stop asking."""
        self._halt.set()
        self.join(_GIVE_UP_S)

    def get(self, path: str) -> bytes | None:
        """Return the body of a 200, None for everything else."""
        connection = HTTPConnection(*self._address, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        return body if response.status == 200 else None  # noqa: PLR2004  # HTTP OK

    def _time(self, note: Note) -> None:
        moment = datetime.fromtimestamp(note.time_ms / 1000, UTC).isoformat("T", "milliseconds")
        wanted = {
            "device": self._shape.device(note.device),
            "profile": "em1",
            "from": moment.replace("+00:00", "Z"),
            "limit": 10,
            "format": "ndjson",
        }
        path = f"/api/v1/readings?{urlencode(wanted)}"
        while time.perf_counter() - note.sent_s < _GIVE_UP_S and not self._halt.is_set():
            lines = (self.get(path) or b"").splitlines()
            if any(json.loads(line).get("seq") == note.seq for line in lines):
                self.latencies_s.append(time.perf_counter() - note.sent_s)
                return
            self._halt.wait(_ASK_EVERY_S)
        self.missed += not self._halt.is_set()
