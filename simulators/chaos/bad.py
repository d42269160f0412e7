"""Messages that nobody can read, each of them like no other, so that each can be looked for."""

import struct
import zlib

from simulators.chance import mix
from simulators.chaos.ledger import ORG, Bad

_LARGE_BYTES = 200_000


def bad_message(seed: int, number: int, *, is_native: bool) -> Bad:
    """Return the message of this number: its kind, and bytes that are its own.

    A gateway that is the client of a broker subscribes to native topics only.
    """
    bits = mix(seed, 0xBAD, number)
    topic = f"tg/1/{ORG}/energy/broken-{bits % 5:02d}/t"
    mark = b"%d-%d" % (seed, number)
    row = b"[0,1,0,1,2300,1,900,0]"
    head = b'{"p":"em1","t":1795300200000,"x":"%s",' % mark
    noise = b"".join(struct.pack(">Q", mix(seed, number, k)) for k in range(4))
    block = b"\x10" + noise  # version 1 of a block, and then nothing that belongs there
    kinds = (
        Bad(topic, head + b'"r":[' + row),  # torn
        Bad(topic, head + b'"r":[[0,NaN,0,1,2300,1,900,0]]}'),
        Bad(topic, head + b'"n":1.5,"r":[' + row + b"]}"),
        Bad(topic, head.replace(b"em1", b"no-such") + b'"r":[' + row + b"]}"),
        Bad(topic, head + b'"p":"em1","r":[' + row + b"]}"),  # a key twice
        Bad(topic, b"\xff\xfe" + mark + noise),
        Bad(topic, b"\xa3\x61p" + noise + mark),  # CBOR that ends too early
        Bad(topic, block + struct.pack("<I", zlib.crc32(block) ^ 1 + number)),
        Bad(topic, b"[" * 5000 + mark),
        Bad(topic, mark + b"\0" * (1 + bits % 100)),
        Bad(topic, head + b'"y":"' + b"y" * _LARGE_BYTES + b'"'),
    )
    foreign = Bad(
        f"factory/{ORG}/machine-{bits % 3}", b'{"temperature":%d,"x":"%s"}' % (bits % 90, mark)
    )
    usable = kinds if is_native else (*kinds, foreign)
    return usable[number % len(usable)]
