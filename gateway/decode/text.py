"""JSON of the native lanes: one strictness, whatever the message means.

Refused although some parsers take them: NaN, infinity, duplicate keys, lone surrogates, bytes
that are not UTF-8, and nesting without bound.
"""

import json
import re
from itertools import accumulate
from typing import Never

import msgspec

from gateway.decode.wire import reject
from gateway.model import QuarantineReason

# Exact search for duplicate keys runs in Python at 30 ns a byte: 64 KiB keep it under 3 ms.
_MAX_EXACT_BYTES = 64 << 10
# The parsers stop at what their version of Python has stack for; a bound of ours is the same
# everywhere, and no document of a device comes near it.
_MAX_NESTING = 500
_TEXT_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{}]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}

_skim = msgspec.json.Decoder(msgspec.Raw)
_object = msgspec.json.Decoder(dict[str, object])


def is_json(payload: bytes) -> bool:
    """Return whether ``payload`` is one JSON text (RFC 8259), without building it."""
    try:
        _skim.decode(payload)
        payload.decode()  # the skim skips over what is inside strings
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def reject_json(payload: bytes, error: Exception) -> Never:
    """Refuse a payload that a typed decoder refused: broken JSON, or JSON of another shape."""
    if isinstance(error, msgspec.ValidationError) and is_json(payload):
        reject(QuarantineReason.SCHEMA, str(error))
    detail = "nested too deep" if isinstance(error, RecursionError) else str(error)
    reject(QuarantineReason.ENCODING, f"not JSON: {detail}")


def refuse_duplicates(payload: bytes) -> None:
    """Look at every key, also of objects that the typed decoders skip over.

    Raises:
        RejectedError: a key comes twice in an object, or something skipped over is not JSON.
    """
    if len(payload) > _MAX_EXACT_BYTES:
        reject(QuarantineReason.TOO_LARGE, "unknown keys in a message of more than 64 KiB")
    if payload.count(b"[") + payload.count(b"{") > _MAX_NESTING:
        _refuse_nesting(payload)
    try:
        # Numbers stay text: a number of 5,000 digits costs nothing and means nothing here.
        json.loads(payload.decode(), object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        reject(QuarantineReason.ENCODING, f"not JSON: {error}")


def _refuse_nesting(payload: bytes) -> None:
    steps = (_STEPS.get(found[0], 0) for found in _TEXT_OR_BRACKET.finditer(payload))
    if max(accumulate(steps)) > _MAX_NESTING:
        reject(QuarantineReason.ENCODING, "not JSON: nested too deep")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        reject(QuarantineReason.SCHEMA, "a key comes twice in an object")
    return found


def json_object(payload: bytes) -> dict[str, object]:
    """Return a JSON object.

    Raises:
        RejectedError: ``encoding`` or ``schema``.
    """
    try:
        found = _object.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reject_json(payload, error)
    refuse_duplicates(payload)
    return found
