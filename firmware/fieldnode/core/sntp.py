"""Questions to a time server and its answers (RFC 4330)."""

import struct

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
