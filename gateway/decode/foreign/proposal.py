"""Readings that a proposed mapping has: which values share a row, and what their device is called.

Several values of one kind (the temperatures of a heat pump) are parts of the device, each called
after the words that only its name has. Values of three phases go to the profile that has them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.decode.foreign.guess import Guess
from gateway.decode.foreign.trial import Outcome
from gateway.decode.paths import Path
from gateway.profiles import Profiles

_PLAIN_KEY = re.compile(r"[^.\[\]\"*]+\Z")
_PHASE = re.compile(r"(?:\A|[^a-zA-Z])[lL]([123])(?!\d)|(?<=[a-z])L([123])(?!\d)")
_ONE, _THREE = "plug1", "em3"
_PHASES = 3
_MAX_COMMENT = 60  # characters of a value beside its path


class Found(NamedTuple):
    """A number whose name says what it may be."""

    path: Path
    value: float
    guess: Guess


Places = dict[tuple[str, str], dict[str, Found]]
"""Profile and part of the device → column → what is in it."""


def placed(found: Sequence[Found], profiles: Profiles) -> Places:
    """Return the rows that values make."""
    by_column: dict[tuple[str, str], list[Found]] = {}
    for one in _phased(found, profiles):
        by_column.setdefault((one.guess.profile, one.guess.column), []).append(one)
    places: Places = {}
    for (profile, column), alike in by_column.items():
        for part, one in zip(_parts(alike), alike, strict=True):
            places.setdefault((profile, part), {}).setdefault(column, one)
    return places


def _phased(found: Sequence[Found], profiles: Profiles) -> Iterator[Found]:
    """Yield values of three phases, and what is beside them, as columns of a profile of three.

    What that profile has no column for is left out: it would be a second meter of the device.
    """
    paths = {one.path for one in found}
    known = {column.name for column in profiles[_THREE].columns}
    phases = {one.path: _phase(one.path, paths) for one in found if one.guess.profile == _ONE}
    is_three = set(phases.values()) >= set(range(1, _PHASES + 1))
    for one in found:
        phase = phases.get(one.path, 0)
        column = f"{one.guess.column}_l{phase}" if phase else one.guess.column
        if not is_three or one.path not in phases:
            yield one
        elif column in known:
            rest = tuple(word for word in one.guess.rest if word not in {"l", "1", "2", "3"})
            yield one._replace(guess=one.guess._replace(profile=_THREE, column=column, rest=rest))


def _phase(path: Path, paths: set[Path]) -> int:
    """Return 1 to 3 where a path names a phase, or is one of an array of three, else 0."""
    *above, last = path
    if isinstance(last, int):
        siblings = [(*above, place) in paths for place in range(_PHASES + 1)]
        return last + 1 if siblings == [True] * _PHASES + [False] else 0
    said = [found for step in path if (found := _PHASE.search(str(step)))]
    return int(said[-1][1] or said[-1][2]) if said else 0


def _parts(alike: Sequence[Found]) -> list[str]:
    """Return names that tell values of one column apart; the plainest is the device's own."""
    if len(alike) == 1:
        return [""]
    common = set.intersection(*(set(one.guess.rest) for one in alike))
    names: list[str] = []
    for one in alike:
        name = "-".join(word for word in one.guess.rest if word not in common)
        names.append(name if name not in names else f"{name}-{len(names)}".lstrip("-"))
    return names


def reading_lines(places: Places) -> Iterator[str]:
    """Yield the readings of a message as a mapping file writes them."""
    for (profile, part), columns in places.items():
        yield from ("", "[[message.reading]]", f"profile = {quoted(profile)}")
        if part:
            yield f"part = {quoted(part)}"
        yield "[message.reading.columns]"
        for column, (path, value, guess) in columns.items():
            doubt = "" if guess.is_said else ", its unit is assumed"
            where = f"path = {quoted(path_text(path))}, unit = {quoted(guess.unit)}"
            yield f"{column} = {{ {where} }}  # {value}{doubt}"


def left_lines(left: Mapping[Path, object]) -> Iterator[str]:
    """Yield what no column takes, as comments: a path to copy, and what is there."""
    if left:
        yield from ("", "# Kept in the report, for want of a column:")
    for path, value in left.items():
        shown = json.dumps(value)[:_MAX_COMMENT]
        yield f"#   {quoted(path_text(path))}  {shown}"


def example_lines(topic: str, payload: str, zone: str | None, got: Outcome) -> Iterator[str]:
    """Yield a message and what becomes of it, as an example of a mapping file."""
    yield from ("", "[[example]]", f"topic = {quoted(topic)}", f"payload = {quoted(payload)}")
    if zone is not None:
        yield f"zone = {quoted(zone)}"
    if got.state is not None:
        yield f"state = {quoted(got.state)}"
    for row in got.readings:
        yield from ("[[example.reading]]", f"device = {quoted(row.device)}")
        yield f"profile = {quoted(row.profile)}"
        if not row.is_stamped:
            moment = datetime.fromtimestamp(row.time_ms / 1000, UTC)
            yield f'time = "{moment.isoformat(timespec="milliseconds")}"'
        values = ", ".join(f"{name} = {value:.12g}" for name, value in row.values.items())
        yield f"values = {{ {values} }}"


def path_text(path: Path) -> str:
    """Return a path as a mapping file writes it."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.match(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def quoted(text: str) -> str:
    """Return a string of TOML; the plain quotes where nothing has to be escaped."""
    if '"' in text and "'" not in text and text.isprintable() and "\\" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
