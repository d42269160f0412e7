"""SenML packs in JSON and CBOR, resolved (RFC 8428).

A pack is an array of records. Base fields (``bn``, ``bt``, ``bu``, ``bv``, ``bs``, ``bver``) hold
from the record they stand in until another one sets them; resolving a record adds them to its own
fields (§4.6). CBOR uses small integers for the names of fields, or the names themselves (§6).

A time below 2**28 s is relative to now (§4.5.3): ``Resolved.is_relative`` says so, and whoever
knows the receive time adds it. Versions above 10 and fields whose name ends in ``_`` must not be
read by who does not know them (§4.4), so such a pack is refused whole.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, DecimalException, InvalidOperation
from typing import NamedTuple, cast

import msgspec

from gateway.decode.cbor import cbor_item
from gateway.decode.text import refuse_duplicates, reject_json
from gateway.decode.wire import MAX_INT, reject
from gateway.model import QuarantineReason

MAX_RECORDS = 4096  # of a pack, as rows of a message
_MAX_VERSION = 10  # "bver" of RFC 8428
_RELATIVE_BELOW_S = 1 << 28  # 268,435,456 s: nothing was measured with SenML before July 1978
_MAX_NAME = 256  # an attacker's name becomes a device id and words of an error
_MS = 1000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*\Z", re.ASCII)
# RFC 8428, table 4: what CBOR writes for each field
_LABELS: Mapping[object, str] = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_NUMBERS = ("bt", "bv", "bs", "v", "s", "t", "ut", "bver")
_TEXTS = ("bn", "bu", "n", "u", "vs")

Number = int | Decimal
Value = int | Decimal | str | bool | bytes


class Resolved(NamedTuple):
    """One measurement with all base fields added to it."""

    base: str  # what of the name is the pack's: the device
    name: str  # the whole name
    unit: str  # "" where it has none
    time_ms: int  # since 1970; where it is relative, since the pack was received
    is_relative: bool
    value: Value | None  # None: it has a sum only
    total: Number | None  # integral of the value over time, in unit x s; None: it has none


_decode_json = msgspec.json.Decoder(list[dict[str, object]], float_hook=Decimal).decode
_Record = dict[str, object]


def read_json(payload: bytes) -> list[Resolved]:
    """Return the measurements of a JSON pack.

    Raises:
        RejectedError: it is no pack.
    """
    try:
        records = _decode_json(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        reject_json(payload, error)
    refuse_duplicates(payload)
    return resolve(records)


def read_cbor(payload: bytes) -> list[Resolved]:
    """Return the measurements of a CBOR pack.

    Raises:
        RejectedError: it is no pack.
    """
    found = cbor_item(payload)
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        reject(QuarantineReason.SCHEMA, "not a SenML pack: an array of maps")
    return resolve([_named(record) for record in found])


def resolve(records: Sequence[_Record]) -> list[Resolved]:
    """Return records with their base fields added (RFC 8428 §4.6), in the order they came.

    Raises:
        RejectedError: ``schema``, a field is not what it must be, or must not be skipped over.
    """
    if not records:
        reject(QuarantineReason.SCHEMA, "an empty pack")
    if len(records) > MAX_RECORDS:
        reject(QuarantineReason.TOO_LARGE, f"{len(records)} records; at most {MAX_RECORDS}")
    found = list(_resolved(records))
    if not found:
        reject(QuarantineReason.SCHEMA, "no record has a value")
    return found


def _resolved(records: Sequence[_Record]) -> Iterator[Resolved]:
    base: _Record = {}
    for record in records:
        _refuse_wrong(record)
        base.update((key, value) for key, value in record.items() if key in _BASES)
        version = cast("Number", base.get("bver", _MAX_VERSION))
        if version > _MAX_VERSION:
            reject(QuarantineReason.SCHEMA, f"SenML version {version}, known is {_MAX_VERSION}")
        value, total = _value(record, base), _total(record, base)
        if value is not None or total is not None:
            yield _one(record, base, value, total)


_BASES = ("bn", "bt", "bu", "bv", "bs", "bver")


def _one(record: _Record, base: _Record, value: Value | None, total: Number | None) -> Resolved:
    device = cast("str", base.get("bn", ""))
    name = device + cast("str", record.get("n", ""))
    if len(name) > _MAX_NAME or not _NAME.match(name):
        reject(QuarantineReason.SCHEMA, f"{name[:64]!r} is no SenML name")
    time_s = _sum(base.get("bt"), record.get("t")) or 0
    is_relative = time_s < _RELATIVE_BELOW_S
    unit = cast("str", record.get("u", base.get("bu", "")))
    return Resolved(device, name, unit, round(time_s * _MS), is_relative, value, total)


def _value(record: _Record, base: _Record) -> Value | None:
    """Return the value; the base value is added to numbers only (§4.6)."""
    kinds = [kind for kind in ("v", "vs", "vb", "vd") if kind in record]
    if len(kinds) > 1:
        reject(QuarantineReason.SCHEMA, f"a record with {' and '.join(kinds)}")
    if not kinds:
        return None
    found = record[kinds[0]]
    return _sum(base.get("bv"), found) if kinds[0] == "v" else cast("Value", found)


def _total(record: _Record, base: _Record) -> Number | None:
    """Return the sum; a base sum alone is one of every record that has a value (§4.5.5)."""
    if "s" not in record and not ("bs" in base and "v" in record):
        return None
    return _sum(base.get("bs"), record.get("s"))


def _sum(first: object, second: object) -> Number:
    total = cast("Number", first or 0) + cast("Number", second or 0)
    if not -MAX_INT <= total <= MAX_INT:
        reject(QuarantineReason.LIMIT, "a number beyond 2**53")
    return total


def _refuse_wrong(record: _Record) -> None:
    for key, value in record.items():
        is_right = _IS_RIGHT.get(key)
        if is_right is None:
            if key.endswith("_"):
                reject(QuarantineReason.SCHEMA, f"field {key[:32]!r} must be known to be read")
        elif not is_right(value):
            reject(QuarantineReason.SCHEMA, f"field {key!r} cannot be {str(value)[:32]!r}")


def _is_number(value: object) -> bool:
    if type(value) is int:
        return -MAX_INT <= value <= MAX_INT
    if not isinstance(value, Decimal) or not value.is_finite():
        return False
    try:
        return -MAX_INT <= value <= MAX_INT
    except DecimalException:
        return False


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_IS_RIGHT: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_NUMBERS, _is_number),
    **dict.fromkeys(_TEXTS, _is_text),
    "vb": lambda value: isinstance(value, bool),
    "vd": lambda value: isinstance(value, str | bytes),  # base64url in JSON, bytes in CBOR
}


def _named(record: Mapping[object, object]) -> _Record:
    """Return a CBOR record with the names of its fields, and its floats as what they mean."""
    named: _Record = {}
    for label, value in record.items():
        name = label if isinstance(label, str) else _LABELS.get(label, "") if _is_int(label) else ""
        if name in named:
            reject(QuarantineReason.SCHEMA, f"field {name!r} comes twice, by name and by number")
        if name:
            # the shortest decimal that is this float: 120.1, not 120.099999999999994
            named[name] = Decimal(repr(value)) if isinstance(value, float) else value
    return named


def _is_int(label: object) -> bool:
    return type(label) is int  # True would be found as 1
