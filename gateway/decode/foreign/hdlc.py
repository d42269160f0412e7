"""HDLC frames of format type 3 (IEC 62056-46): length, addresses and checks between ``7E``."""

from gateway.decode.foreign.checksums import crc_x25
from gateway.decode.wire import reject
from gateway.model import QuarantineReason

FLAG = 0x7E
_FORMAT, _SEGMENTED = 0xA0, 0x08
_LENGTH_BITS = 0x07FF
_LEAST = 9  # format 2, addresses 1 and 1, control 1, header check 2, frame check 2
_ADDRESS_BYTES_MAX = 4


def unframe(data: bytes) -> bytes:
    """Return the information of the frames in ``data``, put together where it was segmented.

    Raises:
        RejectedError: ``checksum``; ``encoding``, these are not frames of one message.
    """
    information, at = b"", 0
    while at < len(data):
        if data[at] == FLAG:
            at += 1  # the flag before a frame, and behind it: two frames may share one
            continue
        frame, is_last = _frame(data, at)
        information += _information(frame)
        at += len(frame)
        if is_last:
            break
    else:
        reject(QuarantineReason.ENCODING, "HDLC frames whose last one is missing")
    if data[at:].strip(b"\x7e"):
        reject(QuarantineReason.ENCODING, f"{len(data) - at} bytes behind the HDLC frame")
    return information


def _frame(data: bytes, at: int) -> tuple[bytes, bool]:
    head = int.from_bytes(data[at : at + 2])
    size = head & _LENGTH_BITS
    frame = data[at : at + size]
    if head >> 8 & 0xF0 != _FORMAT or size < _LEAST or len(frame) != size:
        reject(QuarantineReason.ENCODING, "no HDLC frame of format type 3")
    if crc_x25(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
        reject(QuarantineReason.CHECKSUM, "the check of the HDLC frame is wrong")
    return frame, not head >> 8 & _SEGMENTED


def _information(frame: bytes) -> bytes:
    at = 2
    for _ in range(2):  # destination and source, up to a byte whose lowest bit is set
        end = next(
            (n for n in range(at, min(at + _ADDRESS_BYTES_MAX, len(frame))) if frame[n] & 1), -1
        )
        if end < 0:
            reject(QuarantineReason.ENCODING, "an HDLC address without an end")
        at = end + 1
    at += 1  # control
    if crc_x25(frame[:at]) != int.from_bytes(frame[at : at + 2], "little"):
        reject(QuarantineReason.CHECKSUM, "the check of the HDLC header is wrong")
    return frame[at + 2 : -2]
