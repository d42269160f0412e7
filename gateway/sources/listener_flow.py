"""What one connection owes and is owed: acknowledgements in order, and its share of the rate."""

from bisect import bisect_right

from gateway.mqtt import pack_acks

_WORD_MAX = 0xFFFF_FFFF
_DENIED_PUBACK = 0x4003_0000  # a PUBACK of five bytes: with a reason code


class PendingAcks:
    """Answers to publishes, in the order they came, each waiting for a record to be durable.

    The two lists run in parallel and are public for the one loop that fills them.
    """

    __slots__ = ("_has_denial", "numbers", "words")

    def __init__(self) -> None:
        self.numbers: list[int] = []  # of the record that must be durable first; they only rise
        self.words: list[int] = []  # see ``mqtt.encode.PUBACK_WORD``; larger ones are denials
        self._has_denial = False

    def __len__(self) -> int:
        """Return how many answers are waiting."""
        return len(self.words)

    def deny(self, packet_id: int, code: int) -> None:
        """Put a refusing PUBACK behind the answers already waiting (MQTT-4.6.0-2)."""
        self._has_denial = True
        self.numbers.append(self.numbers[-1] if self.numbers else 0)
        self.words.append((_DENIED_PUBACK + packet_id) << 8 | code)

    def release(self, number: int) -> bytes:
        """Return, and forget, all answers that records up to ``number`` allow."""
        count = bisect_right(self.numbers, number)
        ready = self.words[:count]
        del self.words[:count], self.numbers[:count]
        if not self._has_denial:
            return pack_acks(ready)
        self._has_denial = any(word > _WORD_MAX for word in self.words)
        return b"".join(word.to_bytes(5 if word > _WORD_MAX else 4, "big") for word in ready)


class Bucket:
    """A token bucket that may be overdrawn by what one read brought, and is then waited for."""

    __slots__ = ("_at_s", "_tokens")

    def __init__(self) -> None:
        self._tokens = 0.0
        self._at_s = 0.0

    def spend(self, count: int, now_s: float, rate: float) -> float:
        """Take ``count`` tokens of ``rate`` a second; return how long to stop reading, 0 mostly.

        A second's worth may be saved up, so a device can empty its backlog after a reconnect.
        """
        tokens = min(rate, self._tokens + (now_s - self._at_s) * rate) - count
        self._tokens = tokens
        self._at_s = now_s
        return -tokens / rate if tokens < 0 else 0.0
