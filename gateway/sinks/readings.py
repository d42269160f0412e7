"""Graded readings to lines, by column: ~1 µs a row where ``Point`` of a client library takes 8.

Measurement = profile, tags = device, org, sector, fields = the profile's columns in engineering
units, quality and reasons; time in ms.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, cast

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray, ReadingBatch, Record
from gateway.profiles import Column, Profile
from gateway.sinks.line_protocol import UnwritableError, encode_point, series_prefix
from gateway.store.pages import decode_page

DeviceName = tuple[str, str, str]  # org, sector, device

# Types are pinned: InfluxDB fixes a field's type by its first point and refuses any other since.
# Columns are floats even where they count (1.0), never unsigned (InfluxDB 1 cannot read "5u").
# These two are integers, so that InfluxQL and SQL can test the bits of the reasons.
INTEGER_FIELDS = ("quality", "reasons")

# Readings of an "events" profile (a vehicle each) may share device and millisecond, and a
# database keeps one point of a series and time: the sequence number modulo this is a tag, so up
# to 8 within one millisecond stay apart, for 8 series a device.
EVENT_SLOTS = 8

CANARY = "infragate_canary"

# Bounds: 100,000 devices is the registry's default limit, of 1-2 profiles each (~100 B a prefix);
# templates and tails against a device that varies nulls and reasons at will.
_MAX_PREFIXES = 1 << 18
_MAX_TEMPLATES = 1 << 10
_MAX_TAILS = 1 << 12

_EXACT_LIMIT = float(1 << 53)  # beyond, a float64 is no longer an exact integer
_KEY_BITS = 62
_GRADES = 16  # room for every Quality in the key of a tail


class Unwritable(NamedTuple):
    """Readings that no line can carry, and why."""

    device_index: int  # −1: the whole batch
    readings: int
    reason: str


class Encoded(NamedTuple):
    """What became of a batch: ``lines + empty + unwritable readings`` is its length."""

    lines: list[bytes]
    empty: int  # readings without any value
    unwritable: list[Unwritable]


class ReadingEncoder:
    """Turns batches into lines; keeps what repeats (names, templates) in bounded caches.

    Args:
        profiles: all known profiles by name.
        names: org, sector and device of a device index; they never change.
    """

    def __init__(self, profiles: Mapping[str, Profile], names: Callable[[int], DeviceName]) -> None:
        self._profiles = profiles
        self._names = names
        self._prefixes: dict[str, dict[int, bytes]] = {}  # by profile, then series key
        self._templates: dict[tuple[str, int, int], bytes] = {}
        self._tails: dict[int, bytes] = {}

    def encode_record(self, record: Record) -> Encoded:
        """Return the lines of a record of an outbox: a page under the name of its profile.

        Raises:
            PageDamagedError: its checksum is wrong.
            LookupError: a device is not in the names yet.
        """
        profile = record.topic.decode("utf-8", "replace")
        return self.encode(decode_page(record.payload, profile))

    def encode(self, batch: ReadingBatch) -> Encoded:
        """Return the lines of a batch; rows with the same nulls stand together."""
        profile = self._profiles.get(batch.profile)
        width = batch.values.shape[1]
        if profile is None or width > len(profile.columns):
            reason = f"{width} columns do not fit profile {batch.profile!r}"
            return Encoded([], 0, [Unwritable(-1, len(batch), reason)])
        has_value: BoolArray = np.isfinite(batch.values)
        has_any: BoolArray = np.any(has_value, axis=1)
        keys = self._series_keys(batch, profile)
        unwritable, is_lost = self._load_prefixes(profile, keys, has_any)
        encoded = Encoded([], len(batch) - int(has_any.sum()), unwritable)
        for pattern, rows in _patterns(batch.values, has_value, has_any & ~is_lost):
            encoded.lines.extend(self._lines(profile, batch.take(rows), keys[rows], pattern))
        return encoded

    def _series_keys(self, batch: ReadingBatch, profile: Profile) -> IntArray:
        slots = EVENT_SLOTS if profile.shape == "events" else 1
        # NO_SEQ: identity is the time then, so one slot is enough
        keys: IntArray = batch.device_index * slots + np.maximum(batch.seq, 0) % slots
        return keys

    def _load_prefixes(
        self, profile: Profile, keys: IntArray, is_wanted: BoolArray
    ) -> tuple[list[Unwritable], BoolArray]:
        unwritable = []
        is_lost = np.zeros(len(keys), dtype=np.bool_)
        known = self._prefixes.setdefault(profile.name, {})
        if len(known) > _MAX_PREFIXES:
            known.clear()
        for key in set(keys.tolist()) - known.keys():
            try:
                known[key] = self._prefix(profile, key)
            except UnwritableError as error:
                rows = keys == key
                is_lost |= rows
                count = int((rows & is_wanted).sum())
                unwritable.append(Unwritable(_device_of(profile, key), count, str(error)))
        return unwritable, is_lost

    def _prefix(self, profile: Profile, key: int) -> bytes:
        org, sector, device = self._names(_device_of(profile, key))
        tags = {"device": device, "org": org, "sector": sector}
        if profile.shape == "events":
            tags["slot"] = str(key % EVENT_SLOTS)
        for name, value in tags.items():
            # InfluxDB reads "\\," as one value with a comma, VictoriaMetrics as its end: no id of
            # ours has a backslash, so one that does is somebody's attempt
            if "\\" in value:
                raise UnwritableError(f"{name} {value!r} has a backslash")
        return series_prefix(profile.name, tags)

    def _lines(
        self, profile: Profile, batch: ReadingBatch, keys: IntArray, pattern: int
    ) -> Sequence[bytes]:
        width = batch.values.shape[1]
        chosen = [index for index in range(width) if pattern >> index & 1]
        columns = [profile.columns[index] for index in chosen]
        is_fine = pattern >> width != 0
        key = (profile.name, width, pattern)
        if key not in self._templates:
            if len(self._templates) >= _MAX_TEMPLATES:
                self._templates.clear()
            self._templates[key] = _template(columns, is_fine=is_fine)
        template = self._templates[key]
        cells = [
            _scaled(column, batch.values[:, index], is_fine=is_fine)
            for column, index in zip(columns, chosen, strict=True)
        ]
        prefixes = map(self._prefixes[profile.name].__getitem__, keys.tolist())
        rows = zip(prefixes, *cells, self._tails_of(batch), batch.time_ms.tolist(), strict=True)
        return [template % row for row in rows]

    def _tails_of(self, batch: ReadingBatch) -> list[bytes]:
        if len(self._tails) > _MAX_TAILS:
            self._tails.clear()
        keys = (batch.reasons * _GRADES + batch.quality).tolist()
        for key in set(keys):
            if key not in self._tails:
                reasons, quality = divmod(key, _GRADES)
                self._tails[key] = b",quality=%di,reasons=%di " % (quality, reasons)
        return [self._tails[key] for key in keys]


def _device_of(profile: Profile, key: int) -> int:
    return key // EVENT_SLOTS if profile.shape == "events" else key


def _patterns(
    values: FloatArray, has_value: BoolArray, is_wanted: BoolArray
) -> list[tuple[int, IntArray]]:
    """Group rows by which columns they have; the bit above says they are finer than the scale."""
    with np.errstate(invalid="ignore"):
        is_whole = (values == np.floor(values)) & (np.abs(values) < _EXACT_LIMIT)
    is_fine = (has_value & ~is_whole).any(axis=1)
    flags = np.column_stack((has_value, is_fine))
    patterns = []
    # several keys where rollups of a wide profile have more columns than an integer bits
    starts = range(0, flags.shape[1], _KEY_BITS)
    keys = [_bits(flags[:, start : start + _KEY_BITS]) for start in starts]
    for rows in _equal_rows(keys, np.flatnonzero(is_wanted)):
        parts = (int(key[rows[0]]) << start for key, start in zip(keys, starts, strict=True))
        patterns.append((sum(parts), rows))
    return patterns


def _equal_rows(keys: Sequence[IntArray], rows: IntArray) -> list[IntArray]:
    """Split rows into those that have the same keys."""
    groups = [rows]
    for key in keys:
        groups = [
            part[key[part] == value] for part in groups for value in np.unique(key[part]).tolist()
        ]
    return groups


def _bits(flags: BoolArray) -> IntArray:
    bits: IntArray = flags @ (1 << np.arange(flags.shape[1], dtype=np.int64))
    return bits


def _decimals(scale: float) -> int:
    exponent = Decimal(repr(scale)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _template(columns: Sequence[Column], *, is_fine: bool) -> bytes:
    pairs = (f"{column.name}={_form(column, is_fine=is_fine)}" for column in columns)
    return f"%b{','.join(pairs)}%b%d".encode()


def _form(column: Column, *, is_fine: bool) -> str:
    if is_fine:  # finer than the scale: every digit a float64 is sure of
        return "%.15g"
    decimals = _decimals(column.scale)
    return f"%.{decimals}f" if decimals else "%d.0"


def _scaled(column: Column, values: FloatArray, *, is_fine: bool) -> Sequence[float]:
    scaled: FloatArray = values * column.scale + 0.0  # -0.0 becomes 0.0
    if is_fine or _decimals(column.scale):
        return cast("Sequence[float]", scaled.tolist())
    return cast("Sequence[float]", np.rint(scaled).astype(np.int64).tolist())


def canary_line(sink: str, value: int, time_ms: int) -> bytes:
    """Return the known point that a sink writes and reads back at connect."""
    return encode_point(CANARY, {"sink": sink}, {"value": float(value)}, time_ms)
