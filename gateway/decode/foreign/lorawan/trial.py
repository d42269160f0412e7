"""Examples of codec files, run: for ``map test``, the tests and the document."""

from collections.abc import Iterator, Mapping, Sequence
from math import isclose, nan

from gateway.decode.foreign.lorawan.codecs import Codecs, Frame
from gateway.decode.foreign.lorawan.forms import CodecExample, CodecFile
from gateway.decode.foreign.lorawan.table import Table
from gateway.decode.foreign.lorawan.tagged import Said
from gateway.errors import RejectedError
from gateway.profiles import Profiles
from gateway.units import conversion

_RELATIVE = 1e-9


def run_codec_examples(file: CodecFile, profiles: Profiles) -> list[str]:
    """Run the examples written in a codec file; return what is wrong, a line each.

    Raises:
        ConfigError: the file itself is wrong.
    """
    codecs = Codecs([file], profiles)
    codecs.check()
    problems = []
    for number, example in enumerate(file.example):
        where = f"{file.codec}: example {number} ({example.model or 'not declared'})"
        found = _run(codecs, example, profiles)
        problems += [f"{where}: {problem}" for problem in found]
    return problems


def read_example(codecs: Codecs, example: CodecExample) -> tuple[Table, list[Said]]:
    """Return what the codecs make of an example.

    Raises:
        RejectedError: they cannot read it.
    """
    return codecs.read(Frame(example.port, bytes.fromhex(example.frame), example.model, ()))


def _run(codecs: Codecs, example: CodecExample, profiles: Profiles) -> Iterator[str]:
    try:
        table, (now, *stored) = read_example(codecs, example)
    except RejectedError as error:
        if example.refused is None or example.refused not in error.detail:
            yield f"refused: {error.detail}"
        return
    if example.refused is not None:
        yield f"read, not refused: {now.values}"
        return
    if now.time_s is not None:
        stored = [now, *stored]
        now = Said(None, {})
    yield from _differences(example.values, now.values)
    yield from _record_differences(example, stored)
    values = now.values or (stored[-1].values if stored else {})
    if not values:
        yield "the frame says nothing, so the example shows nothing"
    got = columns_of(table, values, profiles)
    for name, value in example.columns.items():
        if not isclose(got.get(name, nan), value, rel_tol=_RELATIVE, abs_tol=1e-9):
            yield f"{name} is {got.get(name)}, not {value}"


def _record_differences(example: CodecExample, stored: Sequence[Said]) -> Iterator[str]:
    records = [{"time": one.time_s, **one.values} for one in stored]
    if len(records) != len(example.records):
        yield f"records {records}, not {list(example.records)}"
    for expected, got in zip(example.records, records, strict=False):
        yield from _differences(expected, got)


def columns_of(table: Table, values: Mapping[str, object], profiles: Profiles) -> dict[str, float]:
    """Return the columns that values go to, as ``profile.column`` or ``part/profile.column``."""
    found = {}
    for (profile, name, part, _), form in table.places.items():
        of = profiles[profile]
        column = of.columns[of.column_index(name) or 0]
        factor, zero = conversion(form.unit or column.unit, column.unit)
        for path in (form.path,) if isinstance(form.path, str) else form.path:
            value = values.get(path)
            if isinstance(value, str):
                value = form.codes.get(value)
                factor, zero = 1.0, 0.0
            if isinstance(value, int | float):
                found[f"{part}/{profile}.{name}".lstrip("/")] = value * factor + zero
    return found


def _differences(expected: Mapping[str, object], got: Mapping[str, object]) -> Iterator[str]:
    if expected.keys() != got.keys():
        yield f"values {dict(got)}, not {sorted(expected)}"
    for name in expected.keys() & got.keys():
        if not _same(expected[name], got[name]):
            yield f"{name} is {got[name]!r}, not {expected[name]!r}"


def _same(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return isclose(one, other, rel_tol=_RELATIVE, abs_tol=1e-12)
    return one == other
