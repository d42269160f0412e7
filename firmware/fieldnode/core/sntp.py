"""Questions to a time server and its answers (RFC 4330)."""

import struct

from fieldnode.core.clock import TICKS_PERIOD_MS

_NTP_EPOCH_S = 2_208_988_800  # 1900 to 1970
_NTP_BYTES = 48


def request(nonce: bytes) -> bytes:
    """Return a question; ``nonce``, 8 random bytes, comes back in the answer."""
    return b"\x23" + bytes(39) + nonce


def answer(packet: bytes, nonce: bytes) -> "int | None":
    """Return the server's Unix ms when it sent the answer; None where it is none to trust."""
    if len(packet) < _NTP_BYTES or packet[24:32] != nonce:
        return None
    leap, mode, stratum = packet[0] >> 6, packet[0] & 7, packet[1]
    if leap == 3 or mode != 4 or not 1 <= stratum <= 15:  # RFC 4330 §5: not synchronised
        return None
    seconds: int
    fraction: int
    seconds, fraction = struct.unpack_from(">II", packet, 40)
    if not seconds | fraction:  # RFC 4330 §5: no time, and 2036 would stay the floor for ever
        return None
    if seconds < 1 << 31:  # after 2036-02-07 (RFC 4330 §3)
        seconds += 1 << 32
    return (seconds - _NTP_EPOCH_S) * 1000 + (fraction * 1000 >> 32)


def best_time(samples: "list[tuple[int, int, int]]") -> "tuple[int, int]":
    """Return ticks and Unix ms of the sample with the shortest round trip.

    A sample is ``(ticks when asked, ticks when answered, server's Unix ms)``; the answer was
    under way for half of the round trip, so the error is at most that.
    """
    best = min(samples, key=_round_trip)
    return best[1], best[2] + _round_trip(best) // 2


def _round_trip(sample: "tuple[int, int, int]") -> int:
    return (sample[1] - sample[0]) % TICKS_PERIOD_MS
