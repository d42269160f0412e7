"""A mapping file proposed from messages that nobody could read.

Messages whose topics have as many levels and whose payloads have the same keys are of one kind.
A level that differs among them names the device; what a value is, its name says (``guess``).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.config.sections import MappingTime
from gateway.decode.foreign.guess import Guess, Names, guess, load_names, words_of
from gateway.decode.foreign.payloads import document_of
from gateway.decode.instants import compile_time
from gateway.decode.paths import leaves
from gateway.errors import RejectedError
from gateway.profiles import Profiles

_PLAIN_KEY = re.compile(r"[^.\[\]\"*]+\Z")
_MIN_UNIX_S, _MAX_UNIX_S = 1_420_070_400, 4_102_444_800  # 2015 … 2100
_MAX_EXAMPLES = 3
_RECEIVED_MS = 1_795_300_200_000


class Sample(NamedTuple):
    """A message."""

    topic: str
    payload: bytes


class _Kind(NamedTuple):
    samples: list[Sample]
    root: Mapping[str, object]  # of the first


def suggest(family: str, samples: Sequence[Sample], profiles: Profiles) -> str:
    """Return the text of a mapping file, "" where nothing could be found out."""
    names = load_names()
    kinds = _kinds(samples)
    messages = [
        text
        for number, kind in enumerate(kinds)
        if (text := _message(f"{family}-{number + 1}", kind, profiles, names))
    ]
    if not messages:
        return ""
    head = [
        "# Proposed by `infragate map suggest`: see that units and times are right.",
        f'family = "{family}"',
        f'title = "{family}"',
        'source = "infragate map suggest"',
    ]
    return "\n".join([*head, *messages]) + "\n"


def _kinds(samples: Sequence[Sample]) -> list[_Kind]:
    found: dict[object, _Kind] = {}
    for sample in samples:
        try:
            root = document_of(sample.payload)
        except RejectedError:
            continue
        key = sample.topic.count("/"), frozenset(root)
        found.setdefault(key, _Kind([], root)).samples.append(sample)
    return list(found.values())


def _message(name: str, kind: _Kind, profiles: Profiles, names: Names) -> str:
    found: dict[str, dict[str, tuple[str, Guess]]] = {}
    time = ""
    for path, value in _values(kind.root):
        text = path_text(path)
        if not time and (form := _time_form(path, value, names)):
            time = f"time = {{ path = {_quoted(text)}, format = {_quoted(form)} }}"
        elif isinstance(value, int | float) and not isinstance(value, bool):
            made = guess(".".join(map(str, path)), None, profiles, names)
            if made is not None:
                found.setdefault(made.profile, {}).setdefault(made.column, (text, made))
    if not found:
        return ""
    lines = ["", "[[message]]", f'name = "{name}"', f"topic = [{_quoted(_pattern(kind.samples))}]"]
    lines += [time] if time else []
    for profile, columns in found.items():
        lines += ["", "[[message.reading]]", f'profile = "{profile}"', "[message.reading.columns]"]
        lines += [
            f"{column} = {{ path = {_quoted(text)}, unit = {_quoted(made.unit)} }}"
            for column, (text, made) in columns.items()
        ]
    return "\n".join(lines)


def _values(root: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    for path in sorted(leaves(root), key=str):
        node = root
        for step in path:
            node = node[step]  # type: ignore[index]  # the path comes from there
        yield path, node


def path_text(path: Sequence[str | int]) -> str:
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


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def _time_form(path: Sequence[str | int], value: object, names: Names) -> str:
    """Return how a value is written if it is a time, else ""."""
    name = "_".join(words_of(str(path[-1])))
    if name not in names.times:
        return ""
    if isinstance(value, str):
        try:
            compile_time(MappingTime())(value, _RECEIVED_MS, 0)
        except RejectedError:
            return ""
        return "rfc3339"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if _MIN_UNIX_S <= value <= _MAX_UNIX_S:
        return "unix_s"
    return "unix_ms" if _MIN_UNIX_S <= value / 1000 <= _MAX_UNIX_S else ""


def _pattern(samples: Sequence[Sample]) -> str:
    """Return the topic pattern: the first level that differs names the device, else the longest.

    A level that all have in common is a word of the format, unless there is but one device.
    """
    topics = [sample.topic.split("/") for sample in samples]
    first = topics[0]
    differing = [n for n in range(len(first)) if len({levels[n] for levels in topics}) > 1]
    device = differing[0] if differing else max(range(len(first)), key=lambda n: _oddness(first[n]))
    levels = [
        "{device}" if n == device else "*" if n in differing else level
        for n, level in enumerate(first)
    ]
    return "/".join(levels)


def _oddness(level: str) -> tuple[bool, int]:
    return any(char.isdigit() for char in level), len(level)
