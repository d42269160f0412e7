"""Layouts of flagged blocks: version, device number, flags, then words of 16 bits.

Each set bit of the flags, the lowest first, says that the block of its place is there.
"""

import struct
from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

from gateway.decode.foreign.lorawan.fields import Values, words_of
from gateway.decode.foreign.lorawan.forms import BlockForm
from gateway.decode.foreign.lorawan.formula import Formula, compile_formula
from gateway.decode.foreign.lorawan.tagged import Said
from gateway.decode.wire import MAX_INT, reject
from gateway.model import QuarantineReason

_HEAD = struct.Struct(">BHH")


class _Field(NamedTuple):
    name: str
    formula: Formula
    words: Mapping[int, str]


class _Block(NamedTuple):
    words: int
    fields: tuple[_Field, ...]


class Flagged(NamedTuple):
    """A flagged layout, compiled."""

    version: int
    blocks: tuple[_Block, ...]
    parameters: Mapping[str, float]
    whose: str

    def read(self, frame: bytes) -> list[Said]:
        """Return what a frame says.

        Raises:
            RejectedError: ``schema``: not this version, blocks that the model has not, or not as
                many words as the flags say.
        """
        if len(frame) < _HEAD.size or frame[0] != self.version:
            reject(QuarantineReason.SCHEMA, f"not a frame of version {self.version}: {self.whose}")
        flags: int = _HEAD.unpack_from(frame)[2]
        blocks = [block for bit, block in enumerate(self.blocks) if flags >> bit & 1]
        count = sum(block.words for block in blocks)
        if flags >> len(self.blocks) or len(frame) != _HEAD.size + 2 * count:
            detail = f"flags {flags:#06x} and {len(frame)} bytes are not of {self.whose}"
            reject(QuarantineReason.SCHEMA, detail)
        words = struct.unpack_from(f">{count}H", frame, _HEAD.size)
        values: Values = {}
        at = 0
        for block in blocks:
            self._put(block, words[at : at + block.words], values)
            at += block.words
        return [Said(None, values)]

    def _put(self, block: _Block, words: tuple[int, ...], into: Values) -> None:
        raws = {**self.parameters, **{f"x{place}": word for place, word in enumerate(words)}}
        for name, formula, texts in block.fields:
            value = formula(raws)
            if isfinite(value):
                number = int(value) if value.is_integer() and abs(value) < MAX_INT else value
                into[name] = texts.get(int(value), number) if texts else number


def compile_block(form: BlockForm, parameters: Mapping[str, float]) -> _Block:
    """Return a block.

    Raises:
        ValueError: names what is wrong.
    """
    names = {*parameters, *(f"x{place}" for place in range(form.words))}
    fields = tuple(
        _Field(one.name, compile_formula(one.formula, names), words_of(one.words))
        for one in form.fields
    )
    return _Block(form.words, fields)
