"""CBOR of the native lanes, as strict as JSON in ``text``: no tags, no references, no depth."""

import io
import re
from collections.abc import Mapping
from typing import Never, cast

import cbor2

from gateway.decode.wire import MAX_ROWS, reject
from gateway.errors import RejectedError
from gateway.model import QuarantineReason

# Deep enough for any document a device sends; rows need three.
_MAX_DEPTH = 16
# The 4,096 rows of a meter have 115 KB.
_MAX_BYTES = 128 << 10
# Up to here whatever cbor2 is told to build takes it less than 2 ms; of 128 KiB an attacker could
# make 120,000 empty lists, 40 ms. Beyond, only what looks like plain rows gets that far.
_FREE_BYTES = 16 << 10
_ROW_ITEMS = 40  # 31 columns, dt and status; and some keys with their values
_ROWS_AND_MORE = MAX_ROWS + 16
# Every tag that cbor2 would turn into an object of its own (dates, bignums, sets, references …).
_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004)
_KNOWN_TAGS = (*_TAGS, 43000, 55799)

_SHORT = b"|".join(rb"[\x%02x\x%02x].{%d}" % (0x40 + n, 0x60 + n, n) for n in range(1, 24))
_SCALAR = (
    rb"[\x00-\x17\x20-\x37\x40\x60\xe0-\xf7\xff]|[\x18\x38\xf8].|[\x19\x39\xf9].{2}"
    rb"|[\x1a\x3a\xfa].{4}|[\x1b\x3b\xfb].{8}|" + _SHORT
)
_CONTAINER = (  # and tags, and strings in pieces: what has a head of its own before its content
    rb"[\x80-\x97\xa0-\xb7\x9f\xbf\x5f\x7f\xc0-\xd7]|[\x98\xb8\xd8].|[\x99\xb9\xd9].{2}"
    rb"|[\x9a\xba\xda].{4}|[\x9b\xbb\xdb].{8}"
)
_PLAIN_ROWS = re.compile(
    rb"(?s:(?:(?:%b){0,%d}+(?:%b)){0,%d}+(?:%b){0,%d}+)"
    % (_SCALAR, _ROW_ITEMS, _CONTAINER, _ROWS_AND_MORE, _SCALAR, _ROW_ITEMS)
)
_LONG = rb"[\x58-\x5b\x78-\x7b]"  # a string of more than 23 bytes
_ITEM = re.compile(rb"(?s:%b|%b|%b)" % (_SCALAR, _CONTAINER, _LONG))


def cbor_object(payload: bytes) -> dict[str, object]:
    """Return a CBOR map with text keys, all of ``payload``.

    Raises:
        RejectedError: ``encoding`` or ``schema``.
    """
    found = cbor_item(payload, has_text_keys=True)
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        reject(QuarantineReason.SCHEMA, "not a map with text keys")
    return cast("dict[str, object]", found)


def cbor_item(payload: bytes, *, has_text_keys: bool = False) -> object:
    """Return the one CBOR item that ``payload`` is, as strict as ``cbor_object``.

    Keys of maps are text or bytes, or without ``has_text_keys`` also numbers.

    Raises:
        RejectedError: ``encoding`` or ``too_large``.
    """
    if len(payload) > _MAX_BYTES:
        reject(QuarantineReason.TOO_LARGE, f"{len(payload)} bytes of CBOR")
    if len(payload) > _FREE_BYTES:
        _refuse_all_but_rows(payload)
    stream = io.BytesIO(payload)
    try:
        found = cbor2.CBORDecoder(
            stream,
            tag_hook=_refuse_tag,
            semantic_decoders=_REFUSED_TAGS,
            max_depth=_MAX_DEPTH,
            allow_duplicate_keys=False,
            strict_hashable_types=has_text_keys,
        ).decode()
    except cbor2.CBORError as error:
        if isinstance(error.__cause__, RejectedError):
            raise error.__cause__ from error
        reject(QuarantineReason.ENCODING, f"not CBOR: {error}")
    if stream.tell() != len(payload):
        reject(QuarantineReason.ENCODING, "bytes after the CBOR item")
    return cast("object", found)


def _refuse_all_but_rows(payload: bytes) -> None:
    """Refuse what would take long to build; where it is broken, cbor2 will say how."""
    rows = _PLAIN_ROWS.match(payload)  # it matches everything, if only the first 0 bytes
    end = rows.end() if rows is not None else 0
    if end < len(payload) and _ITEM.match(payload, end):
        detail = f"more than {_FREE_BYTES} bytes of CBOR, and at byte {end} no longer plain rows"
        reject(QuarantineReason.TOO_LARGE, detail)


def _refuse_tag(*_: object) -> Never:
    reject(QuarantineReason.ENCODING, "CBOR tags and shared references are not used here")


_REFUSED_TAGS: Mapping[int, cbor2.SemanticDecoderCallback] = dict.fromkeys(_KNOWN_TAGS, _refuse_tag)
