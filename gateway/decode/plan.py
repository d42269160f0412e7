"""What a ``[[mapping]]`` of the configuration comes to, checked against its profile at start."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from gateway.config.sections import Mapping as MappingSection
from gateway.config.sections import MappingColumn, duration_ms
from gateway.decode.instants import Instant, compile_time
from gateway.decode.linear import Converter, Linear, compile_linear
from gateway.decode.paths import Path, parse_path
from gateway.errors import ConfigError
from gateway.profiles import Column, Profile
from gateway.topics import is_filter
from gateway.units import conversion

DEVICE = "{device}"
_PART = re.compile(r"\{(device|path:[^{}]*)\}")
_A = TypeVar("_A")
_T = TypeVar("_T")


class Place(NamedTuple):
    """Where a value is: in the row, or (``$.``) in the whole message."""

    from_root: bool
    path: Path


class Value(NamedTuple):
    """One column: its place in a row of the profile, its key in the node, its conversion."""

    place: int  # in a row [dt, value…, status]
    key: str | int | None  # None: the node itself
    convert: Converter


class Group(NamedTuple):
    """Columns that lie side by side in one node, which is then looked up once."""

    node: Place
    values: tuple[Value, ...]


class Plan(NamedTuple):
    """A mapping, compiled."""

    name: str
    org: str
    profile: Profile
    topic_filter: str
    device_level: int | None  # level of the topic that is {device}
    device: tuple[str | Place, ...]  # text, DEVICE, and places to be filled in
    rows: Path | None
    seq: Place | None
    time: Place | None
    instant: Instant
    groups: tuple[Group, ...]
    known: frozenset[Place] | None  # every place that is used; None where others may be, too
    max_age_ms: int


def compile_plan(mapping: MappingSection, profiles: Mapping[str, Profile]) -> Plan:
    """Return the plan of a mapping.

    Raises:
        ConfigError: names the mapping and the key.
    """
    profile = profiles.get(mapping.profile)
    if profile is None:
        raise _error(mapping, "profile", f"unknown profile {mapping.profile!r}")
    topic_filter, device_level = _topic(mapping)
    device = _device(mapping, device_level)
    rows = None if mapping.rows is None else _try(mapping, "rows", parse_path, mapping.rows)
    seq = _optional(mapping, "seq", mapping.seq)
    time = _optional(mapping, "time.path", mapping.time.path)
    if rows is not None and seq is None and time is None and profile.shape == "series":
        raise _error(mapping, "rows", "rows of a series need time.path or seq")
    columns = _columns(mapping, profile)
    places = {place for place, _, _ in columns}
    places |= {place for place in (seq, time, *device) if isinstance(place, Place)}
    return Plan(
        name=mapping.name,
        org=mapping.org,
        profile=profile,
        topic_filter=topic_filter,
        device_level=device_level,
        device=device,
        rows=rows,
        seq=seq,
        time=time,
        instant=_try(mapping, "time", compile_time, mapping.time),
        groups=_groups(columns),
        known=None if mapping.ignore_extra else frozenset(places),
        max_age_ms=duration_ms(mapping.max_age or "0s"),
    )


def _error(mapping: MappingSection, key: str, problem: str) -> ConfigError:
    return ConfigError(f"mapping {mapping.name!r}: {key}: {problem}")


def _try(mapping: MappingSection, key: str, compile_one: Callable[[_A], _T], text: _A) -> _T:
    try:
        return compile_one(text)
    except (ValueError, ConfigError) as error:
        raise _error(mapping, key, str(error)) from error


def _topic(mapping: MappingSection) -> tuple[str, int | None]:
    """Return the filter, and which level of a topic names the device."""
    levels = mapping.topic.split("/")
    if levels.count(DEVICE) > 1:
        raise _error(mapping, "topic", "{device} comes twice")
    topic_filter = "/".join("+" if level == DEVICE else level for level in levels)
    if not is_filter(topic_filter) or "{" in topic_filter:
        detail = "not an MQTT topic filter in which {device} stands for one whole level"
        raise _error(mapping, "topic", f"{mapping.topic!r} is {detail}")
    return topic_filter, levels.index(DEVICE) if DEVICE in levels else None


def _device(mapping: MappingSection, level: int | None) -> tuple[str | Place, ...]:
    parts: list[str | Place] = []
    at = 0
    for match in _PART.finditer(mapping.device):
        parts.append(mapping.device[at : match.start()])
        at = match.end()
        if match[1] != "device":
            parts.append(_place(mapping, "device", "$." + match[1].removeprefix("path:")))
        elif level is None:
            raise _error(mapping, "device", "{device} is not in the topic")
        else:
            parts.append(DEVICE)
    parts.append(mapping.device[at:])
    if any(isinstance(part, str) and part != DEVICE and "{" in part for part in parts):
        raise _error(mapping, "device", "only {device} and {path:…} are filled in")
    return tuple(part for part in parts if part)


def _optional(mapping: MappingSection, key: str, text: str | None) -> Place | None:
    return None if text is None else _place(mapping, key, text)


def _place(mapping: MappingSection, key: str, text: str) -> Place:
    from_root = text == "$" or text.startswith(("$.", "$["))
    rest = text[1:].removeprefix(".") if from_root else text
    return Place(from_root, _try(mapping, key, parse_path, rest))


def _columns(mapping: MappingSection, profile: Profile) -> list[tuple[Place, int, Linear]]:
    found = []
    for name, form in mapping.columns.items():
        path = form if isinstance(form, str) else form.path
        place = _place(mapping, f"columns.{name}.path", path)
        found.append((place, *column_of(mapping, profile, name)))
    if not found:
        raise _error(mapping, "columns", "none")
    return found


def column_of(mapping: MappingSection, profile: Profile, name: str) -> tuple[int, Linear]:
    """Return which column of the profile one of the mapping is, and the way of its values.

    Raises:
        ConfigError: names the mapping and the key.
    """
    key, form = f"columns.{name}", mapping.columns[name]
    index = profile.column_index(name)
    if index is None:
        known = ", ".join(column.name for column in profile.columns)
        raise _error(mapping, key, f"no column of {profile.name}, which has {known}")
    full = MappingColumn(path=form) if isinstance(form, str) else form
    return index, _linear(mapping, key, full, profile.columns[index])


def _linear(mapping: MappingSection, key: str, form: MappingColumn, column: Column) -> Linear:
    try:
        factor, zero = conversion(form.unit or column.unit, column.unit)
    except ConfigError as error:
        raise _error(mapping, f"{key}.unit", str(error)) from error
    try:
        return compile_linear(form.scale, form.offset + zero / factor, factor, column.scale)
    except ValueError as error:
        raise _error(mapping, key, str(error)) from error


def _groups(columns: list[tuple[Place, int, Linear]]) -> tuple[Group, ...]:
    """Put the columns of one node together; the document itself is a node of its own."""
    groups: dict[Place, list[Value]] = {}
    for place, index, linear in columns:
        *above, key = place.path or (None,)
        groups.setdefault(Place(place.from_root, tuple(above)), []).append(
            Value(1 + index, key, linear.converter())
        )
    return tuple(Group(node, tuple(values)) for node, values in groups.items())
