"""What a message becomes under a mapping, in names and engineering units: for people and tests."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isclose
from typing import NamedTuple

import numpy as np

from gateway.decode import Foreign, Remembering
from gateway.decode.collect import Collector
from gateway.decode.foreign.family import ExampleForm, ExpectedReading, Family
from gateway.decode.foreign.mapped import REPORT, MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.wire import reject
from gateway.errors import RejectedError
from gateway.model import DecodedBatch, QuarantineReason, Record
from gateway.ports import Route
from gateway.profiles import Profiles

_RELATIVE = 1e-9  # a value and its column's scale have some last bits between them


class Stored(NamedTuple):
    """A row as it would be stored."""

    device: str
    profile: str
    time_ms: int
    is_stamped: bool
    values: Mapping[str, float]  # what was measured, in the columns' units
    status: int


class Outcome(NamedTuple):
    """What becomes of a message."""

    readings: Sequence[Stored]
    kept: Mapping[str, object]  # the report: what no column took
    state: str | None
    refused: str | None  # reason of the quarantine
    detail: str = ""
    reports: Sequence[Mapping[str, object]] = ()  # each of several, of readings of several times
    kept_ms: int = 0  # the time of the last report


class _Names:
    """A registry that takes in every device; implements ``ports.DeviceDirectory``."""

    def __init__(self, model: str = "") -> None:
        self.names: list[str] = []
        self._model = model

    def route(self, org: str, sector: str, device: str) -> Route:
        """Return the route of a device."""
        del org
        if device not in self.names:
            self.names.append(device)
        return Route(self.names.index(device), sector, is_registered=True)

    def foreign(self, topic: str, named: tuple[str, str], org: str, sector: str) -> Route:
        """Return the route of a foreign device."""
        del topic
        return self.route(org, sector, "-".join(filter(None, named)))

    def model(self, topic: str) -> str:
        """Return the declared model."""
        del topic
        return self._model

    def zone(self, topic: str) -> str | None:
        """Return no zone: that of the options holds."""
        del topic
        return None


def try_message(
    formats: Sequence[Foreign],
    topic: str,
    payload: bytes,
    received_ms: int,
    profiles: Profiles,
    *,
    model: str = "",
) -> Outcome:
    """Return what the first taker makes of a message; ``model`` is what the registry says."""
    names, out = _Names(model), Collector()
    for one in formats:
        if isinstance(one, Remembering):
            one.forget_routes()  # of another trial
    record = Record(1, received_ms, 0, 0, topic.encode(), payload)
    try:
        taker = next((one for one in formats if one.takes(topic)), None)
        if taker is None:
            reject(QuarantineReason.UNMAPPED, f"no mapping takes topic {topic!r}")
        taker.decode(record, names, out)
    except RejectedError as error:
        return Outcome((), {}, None, error.reason, error.detail)
    readings = [row for batch in out.batches() for row in _rows(batch, names, profiles)]
    kept = {}
    reports = []
    state, kept_ms = None, 0
    for event in out.events:
        found = json.loads(event.detail)
        if event.kind == REPORT:
            kept.update(found)
            reports.append(found)
            kept_ms = event.time_ms
        elif event.kind == "state":
            state = found["st"]
    return Outcome(readings, kept, state, None, reports=reports, kept_ms=kept_ms)


def _rows(batch: DecodedBatch, names: _Names, profiles: Profiles) -> list[Stored]:
    rows, profile = batch.readings, profiles[batch.readings.profile]
    found = []
    for place in range(len(rows)):
        row = rows.values[place]
        values = {
            column.name: float(value) * column.scale
            for column, value in zip(profile.columns, row, strict=True)
            if not np.isnan(value)
        }
        device = names.names[int(rows.device_index[place])]
        moment = int(rows.time_ms[place]), bool(batch.is_stamped[place])
        found.append(Stored(device, profile.name, *moment, values, int(rows.status[place])))
    return found


def run_examples(family: Family, options: Options, received_ms: int) -> list[str]:
    """Run the examples written in a mapping file; return what is wrong, a line each."""
    problems = []
    for number, example in enumerate(family.example):
        got = try_example(family, example, options, received_ms)
        name = f"{family.family}: example {number} ({example.topic})"
        problems += [f"{name}: {problem}" for problem in _compare(example, got)]
    return problems


def try_example(
    family: Family, example: ExampleForm, options: Options, received_ms: int
) -> Outcome:
    """Return what a mapping file makes of one of its examples."""
    zoned = options._replace(zone=example.zone or options.zone)
    payload = example.payload.encode()
    formats = [MappedFamily(family, zoned)]
    return try_message(formats, example.topic, payload, received_ms, options.profiles)


def _compare(example: ExampleForm, got: Outcome) -> list[str]:
    if got.refused != example.refused:
        return [f"refused: {got.refused} {got.detail}, not {example.refused}"]
    problems = []
    if got.state != example.state:
        problems.append(f"state {got.state}, not {example.state}")
    if example.kept is not None and got.kept != example.kept:
        problems.append(f"kept {dict(got.kept)}, not {example.kept}")
    waiting = list(got.readings)
    for expected in example.reading:
        near = [one for one in waiting if _is_of(expected, one)]
        if not near:
            problems.append(f"no row of {expected.device} in {expected.profile}: {waiting}")
            continue
        waiting.remove(near[0])
        problems += _differences(expected, near[0])
    return problems + [f"a row that nobody expects: {one}" for one in waiting]


def _is_of(expected: ExpectedReading, got: Stored) -> bool:
    return (got.device, got.profile) == (expected.device, expected.profile)


def _differences(expected: ExpectedReading, got: Stored) -> list[str]:
    problems = []
    moment = datetime.fromtimestamp(got.time_ms / 1000, UTC)
    if expected.time is None and not got.is_stamped:
        problems.append(f"time {moment}, not stamped")
    elif expected.time is not None and moment != datetime.fromisoformat(expected.time):
        problems.append(f"time {moment}, not {expected.time}")
    if expected.values.keys() != got.values.keys():
        return [*problems, f"columns {sorted(got.values)}, not {sorted(expected.values)}"]
    return problems + [
        f"{name} is {got.values[name]}, not {value}"
        for name, value in expected.values.items()
        if not isclose(got.values[name], value, rel_tol=_RELATIVE, abs_tol=1e-9)
    ]
