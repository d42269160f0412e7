"""Messages of one form, read at once.

A Sparkplug node sends the same metrics again and again: only times, numbers and ``seq`` change.
So the first message of a form is read field by field, and what it was made of becomes one
``struct`` that takes the next ones apart in a single call. A message that differs in anything else
(another metric, another length, a null) does not fit, and is read field by field again.
"""

from collections.abc import Sequence
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from gateway.decode.foreign.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    read_varint,
    write_varint,
)
from gateway.errors import RejectedError

_TIMESTAMP, _METRICS, _SEQ = 1, 2, 3
_METRIC_TIME = 3
_NUMBERS = {10: VARINT, 11: VARINT, 12: FIXED32, 13: FIXED64, 14: VARINT}  # int … boolean
_CODES = {FIXED32: "f", FIXED64: "d"}
_CONST, _TIME, _VALUE, _SEQUENCE = range(4)


class Taken(NamedTuple):
    """What a message of a known form holds."""

    time_ms: int
    seq: int  # −1 where it has none
    values: Sequence[float]  # raw numbers, one for each metric


class _Piece(NamedTuple):
    kind: int
    code: str  # of struct
    raw: bytes


def form_of(data: bytes) -> "Form | None":
    """Return what takes messages of this one's form apart; None where it is not plain enough.

    ``data`` is known to be a good payload: one number a metric, all of one time.
    """
    try:
        pieces = _merge(_pieces(data))
    except (RejectedError, _NotPlainError):
        return None
    return _compile(pieces)


class _NotPlainError(Exception):
    pass


class Form:
    """One ``struct``, and what must be constant in a message; two of one ``key`` do the same."""

    def __init__(
        self, pieces: Sequence[_Piece], consts: Sequence[int], values: Sequence[int]
    ) -> None:
        layout = "<" + "".join(piece.code for piece in pieces)
        self._unpack = Struct(layout).unpack
        self._consts, self._values = itemgetter(*consts), itemgetter(*values)
        self._wanted = tuple(pieces[at].raw for at in consts)
        self.key = layout, self._wanted
        times = [at for at, one in enumerate(pieces) if one.kind == _TIME]
        self._time = times[0]
        # once more the first, so that there are two and itemgetter gives a tuple
        self._times = itemgetter(*times, times[0])
        sequences = [at for at, one in enumerate(pieces) if one.kind == _SEQUENCE]
        self._sequence = sequences[0] if sequences else -1
        self._varints = [at for at, place in enumerate(values) if pieces[place].code[-1] == "s"]

    def __call__(self, data: bytes) -> Taken | None:
        """Return what a message holds; None where it is of another form."""
        found = self._unpack(data)  # of one length: it is part of the key
        if self._consts(found) != self._wanted:
            return None
        time = found[self._time]
        times = self._times(found)
        if times.count(time) != len(times):
            return None
        numbers = self._values(found)
        if self._varints:
            numbers = list(numbers)
            for at in self._varints:
                number = numbers[at] = _number(numbers[at])
                if number < 0:
                    return None
        time_ms = _number(time)
        seq = -1
        if self._sequence >= 0:
            seq = _SEQUENCES.get(found[self._sequence], _BROKEN)
        if time_ms < 0 or seq < -1:
            return None
        return Taken(time_ms, seq, numbers)


def _compile(pieces: Sequence[_Piece]) -> Form | None:
    consts, values = (
        [at for at, piece in enumerate(pieces) if piece.kind == kind] for kind in (_CONST, _VALUE)
    )
    # itemgetter of one place returns no tuple; and such a message is short enough as it is
    if min(len(consts), len(values)) < 2 or not any(one.kind == _TIME for one in pieces):  # noqa: PLR2004
        return None
    return Form(pieces, consts, values)


_BROKEN = -2  # no varint: its bytes say that it ends elsewhere
_SEQUENCES = {write_varint(seq): seq for seq in range(256)}


def _number(raw: bytes) -> int:
    value = shift = 0
    for byte in raw:
        if shift < 0:
            return _BROKEN
        value |= (byte & 127) << shift
        shift = shift + 7 if byte > 127 else -1  # noqa: PLR2004  # the top bit: more follow
    return value if shift < 0 else _BROKEN


def _pieces(data: bytes) -> list[_Piece]:
    pieces: list[_Piece] = []
    at = 0
    while at < len(data):
        begin = at
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if number in {_TIMESTAMP, _SEQ} and kind == VARINT:
            end = read_varint(data, at)[1]
            pieces.append(_const(data[begin:at]))
            pieces.append(_changing(_TIME if number == _TIMESTAMP else _SEQUENCE, data[at:end]))
        elif number == _METRICS and kind == BYTES:
            size, at = read_varint(data, at)
            end = at + size
            pieces.append(_const(data[begin:at]))
            pieces += _metric(data, at, end)
        else:
            raise _NotPlainError
        at = end
    return pieces


def _metric(data: bytes, at: int, metric_end: int) -> list[_Piece]:
    pieces: list[_Piece] = []
    has_number = 0
    while at < metric_end:
        begin = at
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        value_at = at
        if kind == VARINT:
            end = read_varint(data, at)[1]
        elif kind == BYTES:
            size, value_at = read_varint(data, at)
            end = value_at + size
        else:
            end = at + (8 if kind == FIXED64 else 4)
        if number == _METRIC_TIME:
            pieces += [_const(data[begin:at]), _changing(_TIME, data[at:end])]
        elif _NUMBERS.get(number) == kind:
            has_number += 1
            code = _CODES.get(kind, f"{end - at}s")
            pieces += [_const(data[begin:at]), _Piece(_VALUE, code, data[at:end])]
        else:
            pieces.append(_const(data[begin:end]))
        at = end
    if has_number != 1:
        raise _NotPlainError
    return pieces


def _const(raw: bytes) -> _Piece:
    return _Piece(_CONST, f"{len(raw)}s", raw)


def _changing(kind: int, raw: bytes) -> _Piece:
    return _Piece(kind, f"{len(raw)}s", raw)


def _merge(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return pieces with neighbouring constant ones made one: half as many to compare."""
    merged: list[_Piece] = []
    for piece in pieces:
        if merged and piece.kind == _CONST == merged[-1].kind:
            merged[-1] = _const(merged[-1].raw + piece.raw)
        else:
            merged.append(piece)
    return merged
