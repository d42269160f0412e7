"""What the registry said of each device and time, short enough to be kept: two files compared.

People date what they enter: a meter that was taken down last week, a transformer that it has hung
on since March. A file that says something else of days that are done asks for them again.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gateway.columns import pack_columns, unpack_columns
from gateway.registry import ALWAYS_MS, NEVER_MS, MeterFact, NodeKind, Registry, Standing

SECTOR = "energy"
_DIGEST = 8  # bytes: of a million facts two are alike by chance once in forty million files


class Said(NamedTuple):
    """What was said of a device from a moment on, as two fingerprints; 0 = nothing."""

    since_ms: int
    own: int  # the meter, what it may carry and do: its slots are made of that
    grid: int  # what is above it: balances, indices, places of alarms


Prints = Mapping[str, Sequence[Said]]


class Amendment(NamedTuple):
    """A time of which a file says something else of a device than the one before."""

    device: str
    begin_ms: int
    end_ms: int
    is_own: bool


def prints_of(registry: Registry | None) -> Prints:
    """Return the fingerprints of all devices of energy, each by time."""
    if registry is None:
        return {}
    devices = (one.id for one in registry.devices() if one.sector == SECTOR)
    return {name: _said(registry, name) for name in devices}


def amendments(old: Prints, new: Prints, begin_ms: int, end_ms: int) -> Iterator[Amendment]:
    """Yield the differences of two files within a time."""
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name, ()), new.get(name, ())
        if was == now:
            continue
        edges = sorted({one.since_ms for one in (*was, *now)})
        for first_ms, last_ms in pairwise([*edges, NEVER_MS]):
            here = max(first_ms, begin_ms), min(last_ms, end_ms)
            before, after = _at(was, first_ms), _at(now, first_ms)
            if here[0] < here[1] and before[1:] != after[1:]:
                yield Amendment(name, *here, before.own != after.own)


def pack_prints(prints: Prints) -> bytes:
    """Return them as bytes."""
    rows = [one for name in prints for one in prints[name]]
    table = np.array(rows, np.int64).reshape(-1, len(Said._fields))
    count = np.array([len(prints[name]) for name in prints], np.int64)
    columns = dict(zip(Said._fields, table.T, strict=True))
    return pack_columns({"count": count, **columns}, names=list(prints))


def unpack_prints(data: bytes) -> Prints:
    """Return what was packed."""
    columns, told = unpack_columns(data)
    rows = zip(*(columns[name].tolist() for name in Said._fields), strict=True)
    said = iter([Said._make(row) for row in rows])
    counts = zip(told["names"], columns["count"].tolist(), strict=True)
    return {name: [next(said) for _ in range(count)] for name, count in counts}


def _said(registry: Registry, name: str) -> list[Said]:
    meters = registry.meters(name)
    edges = {edge for one in meters for edge in (one.from_ms, one.to_ms)} - {ALWAYS_MS, NEVER_MS}
    # what was noted at the moment a meter came or went belongs to that moment alone
    checks = {edge for _, link in registry.checks(name) for edge in (link.from_ms, link.to_ms)}
    moments = {ALWAYS_MS, *registry.moments(name), *edges, *(edge + 1 for edge in edges), *checks}
    moments.discard(NEVER_MS)
    found: list[Said] = []
    for moment in sorted(moments):
        standing = registry.at(name, moment)
        own = _own(registry, name, standing, moment)
        one = Said(moment, own, _grid(registry, name, standing, moment))
        if not found or found[-1][1:] != one[1:]:
            found.append(one)
    return found


def _own(registry: Registry, name: str, standing: Standing, time_ms: int) -> int:
    transformer = standing.parent(NodeKind.TRANSFORMER)
    absent = any(begin <= time_ms < end for begin, end in registry.absences(name))
    noted = [
        _noted(one)
        for one in registry.meters(name)
        if time_ms in {one.from_ms, one.to_ms} - {ALWAYS_MS}
    ]
    facts = (
        *(None if standing.meter is None else standing.meter.serial, absent),
        None if standing.rating is None else standing.rating.amperes,
        standing.is_prosumer or not registry.names_prosumers,
        *(standing.is_connected, standing.budget_kwh, standing.main),
        [one.id for one, link in registry.checks(name) if link.holds(time_ms)],
        None if transformer is None else transformer.id,
        noted,
    )
    return _print(facts)


def _grid(registry: Registry, name: str, standing: Standing, time_ms: int) -> int:
    device, above = registry.device(name), standing.parents
    ratings = [registry.rating(node.id, time_ms) for node in above]
    kva = [None if one is None else one.kva for one in ratings]
    return _print(([node.id for node in above], kva, device is not None and device.head))


def _noted(one: MeterFact) -> tuple[object, ...]:
    of_import = one.first_wh, one.last_wh
    return one.serial, *of_import, one.first_export_wh, one.last_export_wh


def _print(facts: object) -> int:
    digest = blake2b(repr(facts).encode(), digest_size=_DIGEST).digest()
    return int.from_bytes(digest, "little", signed=True)


def _at(said: Sequence[Said], time_ms: int) -> Said:
    held = [one for one in said if one.since_ms <= time_ms]
    return held[-1] if held else Said(time_ms, 0, 0)
