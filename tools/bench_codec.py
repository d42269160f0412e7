"""How long our parser and paho's take for a 200-byte QoS 1 PUBLISH, in one process, one run.

    python -m tools.bench_codec [messages]

paho parses from a socket-like object packet by packet; it gets one that hands it bytes from
memory, so that both sides are measured without the kernel.
"""

import sys
import time
from collections.abc import Callable, Iterable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.mqtt import (
    FLAG_QOS1,
    V5,
    V311,
    ConnAck,
    Parser,
    Role,
    encode,
    encode_pubacks,
    encode_publish,
)

_READ_BYTES = 1 << 16
_ROUNDS = 5


def _stream(count: int, version: int) -> bytes:
    topics = [b"tg/1/site/energy/meter-%05d/t" % n for n in range(1000)]
    payload = b"x" * (200 - 2 - 3 - len(topics[0]) - 2)
    return b"".join(
        encode_publish((n % 65_535 + 1, FLAG_QOS1, topics[n % 1000], payload), version)
        for n in range(count)
    )


def _ours(stream: bytes, version: int) -> int:
    parser = Parser(Role.CLIENT, version)
    list(parser.feed(encode(ConnAck(), version)))
    seen = 0
    for at in range(0, len(stream), _READ_BYTES):
        for item in parser.feed(stream[at : at + _READ_BYTES]):
            if isinstance(item, list):
                seen += len(item)
    return seen


class _Memory:
    """As much of a socket as paho's reading loop uses."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)
        self._at = 0

    def recv(self, size: int) -> bytes:
        part = bytes(self._view[self._at : self._at + size])
        self._at += len(part)
        if not part:
            raise BlockingIOError
        return part

    def send(self, data: bytes) -> int:
        return len(data)

    def close(self) -> None:
        """Nothing to close."""


def _paho(stream: bytes, version: int) -> int:
    protocol = MQTTProtocolVersion.MQTTv5 if version == V5 else MQTTProtocolVersion.MQTTv311
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    seen = 0

    def on_message(_client: paho.Client, _data: object, _message: paho.MQTTMessage) -> None:
        nonlocal seen
        seen += 1

    client.on_message = on_message
    client._sock = _Memory(stream)  # type: ignore[assignment]  # noqa: SLF001
    while client._packet_read() == paho.MQTT_ERR_SUCCESS:  # noqa: SLF001
        pass
    return seen


def _best_us(run: Callable[[bytes, int], int], stream: bytes, version: int, count: int) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        begin = time.process_time()
        seen = run(stream, version)
        best = min(best, time.process_time() - begin)
        if seen != count:
            raise SystemExit(f"{run.__name__} saw {seen} of {count} messages")
    return best / count * 1e6


def _acks_us(packet_ids: Iterable[int]) -> float:
    ids = list(packet_ids)
    begin = time.process_time()
    for _ in range(_ROUNDS):
        encode_pubacks(ids)
    return (time.process_time() - begin) / len(ids) / _ROUNDS * 1e6


def main() -> None:
    """Print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    few = count // 10
    print("µs CPU per 200-byte QoS 1 PUBLISH, best of", _ROUNDS)
    for name, version in (("3.1.1", V311), ("5", V5)):
        ours = _best_us(_ours, _stream(count, version), version, count)
        theirs = _best_us(_paho, _stream(few, version), version, few)
        print(f"MQTT {name:5}  ours {ours:5.2f}   paho {theirs:6.2f}   ratio {theirs / ours:.0f}")
    print(f"PUBACKs in a batch: {_acks_us(range(1, 5001)):.3f} each")


if __name__ == "__main__":
    main()
