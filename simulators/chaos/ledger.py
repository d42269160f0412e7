"""What was sent, what was promised for it, and what each reading must look like."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from simulators.chance import mix

LOG = 7
ORG = "chaos"


class Bad(NamedTuple):
    """A message that must end in quarantine."""

    topic: str
    payload: bytes

    @property
    def key(self) -> tuple[str, str]:
        """Topic and digest: what the API lists."""
        return self.topic, hashlib.sha256(self.payload).hexdigest()


@dataclass
class Book:
    """One device: bounded by how long a run lasts and how fast the device sends."""

    index: int
    seed: int
    promises_by_puback: bool  # the listener's PUBACK means durable, a broker's does not
    times_ms: list[int] = field(default_factory=list)  # of reading 1, 2, …
    receipted: int = 0
    acknowledged: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Return the device id."""
        return f"chaos-{self.index:03d}"

    @property
    def last(self) -> int:
        """Return the number of the newest reading."""
        return len(self.times_ms)

    def add(self, now_ms: int) -> int:
        """Take one more reading; return its number. No two have the same time."""
        newest = self.times_ms[-1] if self.times_ms else 0
        self.times_ms.append(max(now_ms, newest + 1))
        return self.last

    def is_promised(self, seq: int) -> bool:
        """Return whether the gateway has said that this reading is safe."""
        return seq <= self.receipted or (self.promises_by_puback and seq in self.acknowledged)

    def values(self, seq: int) -> tuple[int, ...]:
        """Return the columns of ``em1`` in scaled units; all follow from the number."""
        bits = mix(self.seed, self.index, seq)
        return (
            1_000_000 + 3 * seq,
            0,
            bits % 5000,
            2200 + (bits >> 13) % 200,
            (bits >> 21) % 3000,
            900 + (bits >> 33) % 100,
        )

    def message(self, seqs: Sequence[int]) -> bytes:
        """Return one message of readings whose numbers follow each other."""
        base_ms = self.times_ms[seqs[0] - 1]
        rows = [[self.times_ms[seq - 1] - base_ms, *self.values(seq), 0] for seq in seqs]
        body = {"p": "em1", "log": LOG, "b": 1, "n": seqs[0], "t": base_ms, "r": rows}
        return json.dumps(body, separators=(",", ":")).encode()


@dataclass
class Ledger:
    """All devices of a run, and the messages that nobody can read."""

    books: list[Book]
    bad_promised: dict[tuple[str, str], Bad] = field(default_factory=dict)
    bad_sent: set[tuple[str, str]] = field(default_factory=set)

    @property
    def sent(self) -> int:
        """Return how many readings were sent."""
        return sum(book.last for book in self.books)

    @property
    def receipted(self) -> int:
        """Return how many readings a receipt covers."""
        return sum(book.receipted for book in self.books)


def make_ledger(seed: int, devices: int) -> Ledger:
    """Return an empty one; every second device goes straight to the gateway's listener."""
    return Ledger([Book(index, seed, bool(index % 2)) for index in range(devices)])
