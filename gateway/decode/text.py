"""JSON and CBOR of the native lanes: one strictness for both, whatever the message means.

Refused although some parsers take them: NaN, infinity, duplicate keys, lone surrogates, bytes
that are not UTF-8, tags and shared references of CBOR, and nesting without bound.
"""

import io
import json
from collections.abc import Mapping
from typing import Never, cast

import cbor2
import msgspec

from gateway.decode.wire import reject
from gateway.errors import RejectedError
from gateway.model import QuarantineReason

# Deep enough for any document a device sends; rows need three.
_MAX_DEPTH = 16
# Exact search for duplicate keys runs in Python at 30 ns a byte: 64 KiB keep it under 3 ms.
_MAX_EXACT_BYTES = 64 << 10
# cbor2 makes an object of every two bytes where it is told to, 0.6 µs each: 40 ms at most. The
# 4,096 rows of a meter have 115 KB.
_MAX_CBOR_BYTES = 128 << 10
# Every tag that cbor2 would turn into an object of its own (dates, bignums, sets, references …).
_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004)
_KNOWN_TAGS = (*_TAGS, 43000, 55799)

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
    """Check exactly what counting colons could only suspect.

    Raises:
        RejectedError: a key comes twice in an object, or something skipped over is not JSON.
    """
    if len(payload) > _MAX_EXACT_BYTES:
        reject(QuarantineReason.TOO_LARGE, "unknown keys in a message of more than 64 KiB")
    try:
        # Numbers stay text: a number of 5,000 digits costs nothing and means nothing here.
        json.loads(payload.decode(), object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        reject(QuarantineReason.ENCODING, f"not JSON: {error}")


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
        return _object.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reject_json(payload, error)


def cbor_object(payload: bytes) -> dict[str, object]:
    """Return a CBOR map with text keys, all of ``payload``.

    Raises:
        RejectedError: ``encoding`` or ``schema``.
    """
    if len(payload) > _MAX_CBOR_BYTES:
        reject(QuarantineReason.TOO_LARGE, f"{len(payload)} bytes of CBOR")
    stream = io.BytesIO(payload)
    try:
        found = cbor2.CBORDecoder(
            stream,
            tag_hook=_refuse_tag,
            semantic_decoders=_REFUSED_TAGS,
            max_depth=_MAX_DEPTH,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        ).decode()
    except cbor2.CBORError as error:
        if isinstance(error.__cause__, RejectedError):
            raise error.__cause__ from error
        reject(QuarantineReason.ENCODING, f"not CBOR: {error}")
    if stream.tell() != len(payload):
        reject(QuarantineReason.ENCODING, "bytes after the CBOR item")
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        reject(QuarantineReason.SCHEMA, "not a map with text keys")
    return cast("dict[str, object]", found)


def _refuse_tag(*_: object) -> Never:
    reject(QuarantineReason.ENCODING, "CBOR tags and shared references are not used here")


_REFUSED_TAGS: Mapping[int, cbor2.SemanticDecoderCallback] = dict.fromkeys(_KNOWN_TAGS, _refuse_tag)
