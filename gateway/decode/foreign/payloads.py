"""Payloads of foreign devices: JSON as they write it, single words and numbers, states."""

import re
from typing import Never

import msgspec

from gateway.decode.text import reject_json
from gateway.decode.wire import reject
from gateway.model import QuarantineReason

_decode = msgspec.json.Decoder().decode
# printf writes these for a probe that does not answer; JSON has no such thing (RFC 8259 §6)
_TEXT_OR_NAN = re.compile(
    rb'"(?:[^"\\]|\\.)*+"|(?<![\w.])-?(?:nan|inf(?:inity)?)\b', re.IGNORECASE | re.DOTALL
)
_MAX_WORD_BYTES = 1024


def document_of(payload: bytes) -> dict[str, object]:
    """Return a JSON object; an array or scalar comes as an object with the keys 0, 1, … or "".

    A bare ``nan`` or ``inf`` is read as null: the other values of the message are good.

    Raises:
        RejectedError: ``encoding`` or ``schema``.
    """
    try:
        root = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        root = _mended(payload, error)
    if type(root) is dict:
        return root
    if type(root) is list:
        return {str(index): one for index, one in enumerate(root)}
    return reject(QuarantineReason.SCHEMA, "neither an object nor an array")


def _mended(payload: bytes, error: Exception) -> object:
    mended = _TEXT_OR_NAN.sub(_null, payload)
    if mended == payload:
        _refuse(payload, error)
    try:
        return _decode(mended)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _refuse(payload, error)


def _refuse(payload: bytes, error: Exception) -> Never:
    reject_json(payload, error)


def _null(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b'"') else b"null"


def word_of(payload: bytes, key: str) -> dict[str, object]:
    """Return a payload that is one number or word, under the key that its topic gives it.

    Raises:
        RejectedError: ``encoding`` or ``schema``.
    """
    if not payload or len(payload) > _MAX_WORD_BYTES:
        reject(QuarantineReason.SCHEMA, f"{len(payload)} bytes are neither a number nor a word")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        reject(QuarantineReason.ENCODING, "not UTF-8")
    try:
        found = _decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return {key: text}
    return {key: found}


def state_of(payload: bytes, online: tuple[str, ...], lost: tuple[str, ...]) -> str:
    """Return ``online`` or ``lost``; a JSON object says it under ``state``.

    Raises:
        RejectedError: ``schema``, it is neither.
    """
    text = payload.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        said = document_of(payload).get("state")
        text = said if isinstance(said, str) else ""
    if text in online:
        return "online"
    if text in lost:
        return "lost"
    return reject(QuarantineReason.SCHEMA, f"{text[:64]!r} says neither online nor offline")
