"""From a PUBLISH to a record, and from a durable record to its acknowledgement.

Both sources do this for every message there is, so it works on whole runs of them.
"""

from bisect import bisect_right
from collections.abc import Sequence

from gateway.model import RecordFlag
from gateway.mqtt import (
    FLAG_DUP,
    FLAG_QOS1,
    FLAG_QOS2,
    FLAG_RETAIN,
    PUBACK_WORD,
    PUBREC_WORD,
    Publish,
    pack_acks,
)
from gateway.ports import Message

# What RecordFlag says of a message, by the flags of its PUBLISH (QoS 2 arrives exactly as
# durable as QoS 1). Plain numbers, since enumerations cost a microsecond each time.
RECORD_FLAGS = tuple(
    (int(RecordFlag.QOS1) if flags & (FLAG_QOS1 | FLAG_QOS2) else 0)
    | (int(RecordFlag.RETAINED) if flags & FLAG_RETAIN else 0)
    | (int(RecordFlag.DUP) if flags & FLAG_DUP else 0)
    for flags in range(16)
)
# How a PUBLISH with these flags is answered once it is durable; 0 = not at all.
_ACK_WORDS = tuple(
    PUBREC_WORD if flags & FLAG_QOS2 else PUBACK_WORD if flags & FLAG_QOS1 else 0
    for flags in range(16)
)
_WORD_MAX = 0xFFFF_FFFF
_DENIED_PUBACK = 0x4003_0000  # a PUBACK of five bytes: with a reason code


def messages_of(run: Sequence[Publish]) -> list[Message]:
    """Return publishes as the intake takes them."""
    flags_of = RECORD_FLAGS
    return [(flags_of[flags], topic, payload) for _, flags, topic, payload in run]


class PendingAcks:
    """Answers to publishes, in the order they came, each waiting for a record to be durable."""

    __slots__ = ("_has_denial", "_numbers", "_words")

    def __init__(self) -> None:
        self._numbers: list[int] = []  # of the record that must be durable first; they only rise
        self._words: list[int] = []  # see ``mqtt.encode.PUBACK_WORD``; larger ones are denials
        self._has_denial = False

    def __len__(self) -> int:
        """Return how many answers are waiting."""
        return len(self._words)

    def add(self, number: int, word: int) -> None:
        """Owe ``word`` for a record."""
        self._numbers.append(number)
        self._words.append(word)

    def add_run(self, last: int, run: Sequence[Publish]) -> None:
        """Owe the answers to a run of publishes, whose records end with ``last``."""
        word_of = _ACK_WORDS
        words = [word_of[flags] + packet_id for packet_id, flags, _, _ in run]
        numbers = range(last - len(run) + 1, last + 1)
        if all(words):
            self._numbers += numbers
            self._words += words
            return
        for number, word in zip(numbers, words, strict=True):
            if word:
                self.add(number, word)

    def deny(self, packet_id: int, code: int) -> int:
        """Put a refusing PUBACK behind the answers already waiting (MQTT-4.6.0-2).

        Returns:
            The record it waits for, 0 for none.
        """
        self._has_denial = True
        number = self._numbers[-1] if self._numbers else 0
        self.add(number, (_DENIED_PUBACK + packet_id) << 8 | code)
        return number

    def release(self, number: int) -> bytes:
        """Return, and forget, all answers that records up to ``number`` allow."""
        count = bisect_right(self._numbers, number)
        ready = self._words[:count]
        del self._words[:count], self._numbers[:count]
        if not self._has_denial:
            return pack_acks(ready)
        self._has_denial = any(word > _WORD_MAX for word in self._words)
        return b"".join(word.to_bytes(5 if word > _WORD_MAX else 4, "big") for word in ready)
