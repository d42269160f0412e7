"""A mapping file proposed from messages that nobody could read.

Messages whose topics have as many levels and whose payloads have the same keys are of one kind.
A level that differs among them names the device; what a value is, its name says (``guess``). Where
a payload is a single number, the last level of its topic is its name; a word such as ``offline``
says whether the device is there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.config.sections import MappingTime
from gateway.decode.foreign.family import may_be_foreign
from gateway.decode.foreign.guess import Names, guess, load_names, words_of
from gateway.decode.foreign.payloads import document_of, word_of
from gateway.decode.foreign.proposal import (
    Found,
    left_lines,
    path_text,
    placed,
    quoted,
    reading_lines,
)
from gateway.decode.instants import compile_time
from gateway.decode.paths import Path, leaves
from gateway.errors import RejectedError
from gateway.profiles import Profiles

_BRACES = re.compile(r"[{}*#+]")  # mean something in a pattern
_OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d)\Z")
_MIN_UNIX_S, _MAX_UNIX_S = 1_420_070_400, 4_102_444_800  # 2015 … 2100
_RECEIVED_MS = 1_795_300_200_000
_KEY = "{key}"


class Sample(NamedTuple):
    """A message."""

    topic: str
    payload: bytes


class _Kind(NamedTuple):
    samples: list[Sample]
    root: dict[str, object]  # what they say; of documents the first


class _Proposer:
    """What is known while messages are proposed."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._names = load_names()

    def document(self, kind: _Kind) -> list[str]:
        """Return the lines of a message of JSON, none where no name says anything."""
        time, found = "", list[Found]()
        values = dict(_values(kind.root))
        for path, value in list(values.items()):
            if not time and (time := _time_line(path, value, self._names)):
                del values[path]
            elif (one := self._found(path, value)) is not None:
                found.append(one)
        places = placed(found, self._profiles)
        if not places:
            return []
        used = {one.path for columns in places.values() for one in columns.values()}
        left = {path: value for path, value in values.items() if path not in used}
        lines = [_topic_line(kind.samples)] + ([time] if time else [])
        return [*lines, *reading_lines(places), *left_lines(left)]

    def numbers(self, kind: _Kind) -> list[str]:
        """Return the lines of a message of single numbers, each on a topic of its own."""
        each = [self._found((name,), value) for name, value in kind.root.items()]
        found = [one for one in each if one is not None]
        if not found:
            return []
        lines = [_topic_line(kind.samples, _KEY), 'payload = "text"']
        return [*lines, *reading_lines(placed(found, self._profiles))]

    def state(self, kind: _Kind) -> list[str]:
        """Return the lines of a message that says whether a device is there."""
        pairs = [self._pair(word) for word in kind.root]
        words = {"online": [pair[0] for pair in pairs], "lost": [pair[1] for pair in pairs]}
        said = [f"{key} = [{', '.join(map(quoted, dict.fromkeys(words[key])))}]" for key in words]
        last = kind.samples[0].topic.rpartition("/")[2]
        return [_topic_line(kind.samples, last), 'payload = "state"', *said]

    def is_state(self, word: object) -> bool:
        """Return whether a word says that a device is there, or not."""
        return isinstance(word, str) and any(word.lower() in pair for pair in self._names.states)

    def _pair(self, word: str) -> tuple[str, str]:
        """Return what such a device says when it is there and when not, in the letters it uses."""
        there, lost = next(pair for pair in self._names.states if word.lower() in pair)
        write = str.upper if word.isupper() else str.title if word.istitle() else str.lower
        return write(there), write(lost)

    def _found(self, path: Path, value: object) -> Found | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if any('"' in step for step in path if isinstance(step, str)):
            return None  # no path says such a key
        made = guess(".".join(map(str, path)), None, self._profiles, self._names)
        return None if made is None else Found(path, value, made)


def suggest(family: str, samples: Sequence[Sample], profiles: Profiles) -> str:
    """Return the text of a mapping file, "" where nothing could be found out."""
    proposer = _Proposer(profiles)
    documents, words, states = _kinds(samples, proposer)
    messages = [lines for kind in documents if (lines := proposer.document(kind))]
    numbers = [lines for kind in words if (lines := proposer.numbers(kind))]
    if not messages and not numbers:
        return ""
    # the first message that takes a topic gets it, and numbers take any last level
    messages += [*(proposer.state(kind) for kind in states), *numbers]
    text = [
        "# Proposed by `infragate map suggest`: see that units and times are right.",
        f"family = {quoted(family)}",
        f"title = {quoted(family)}",
        'source = "infragate map suggest"',
    ]
    for number, lines in enumerate(messages, 1):
        text += ["", "[[message]]", f"name = {quoted(f'{family}-{number}')}", *lines]
    return "\n".join(text) + "\n"


def _kinds(
    samples: Sequence[Sample], proposer: _Proposer
) -> tuple[list[_Kind], list[_Kind], list[_Kind]]:
    """Return kinds of documents, of single numbers and of states."""
    documents, numbers, states = (dict[object, _Kind]() for _ in range(3))
    for sample in samples:
        if not may_be_foreign(sample.topic):
            continue  # a broker's own `$SYS` in a capture: no pattern may say it
        depth, (above, _, last) = sample.topic.count("/"), sample.topic.rpartition("/")
        try:
            root = document_of(sample.payload)
            kind = documents.setdefault((depth, frozenset(root)), _Kind([], root))
        except RejectedError:
            value = _word(sample.payload)
            if value is None or not above:
                continue
            if proposer.is_state(value):
                kind = states.setdefault((depth, last), _Kind([], {}))
                kind.root[str(value)] = True
            else:
                kind = numbers.setdefault((depth, above.partition("/")[0]), _Kind([], {}))
                kind.root.setdefault(last, value)
        kind.samples.append(sample)
    return list(documents.values()), list(numbers.values()), list(states.values())


def _word(payload: bytes) -> object:
    try:
        (value,) = word_of(payload, "").values()
    except RejectedError:
        return None
    return value.strip() if isinstance(value, str) else value


def _values(root: Mapping[str, object]) -> Iterator[tuple[Path, object]]:
    for path in sorted(leaves(root), key=str):
        node: object = root
        for step in path:
            node = node[step]  # type: ignore[index]  # the path comes from there
        yield path, node


def _time_line(path: Path, value: object, names: Names) -> str:
    """Return how a value is written if it is a time, else ""."""
    form = _time_form(path, value, names)
    if not form:
        return ""
    line = f"time = {{ path = {quoted(path_text(path))}, format = {quoted(form)} }}"
    if isinstance(value, str) and not _OFFSET.search(value):
        line += "  # without offset: `zone` here, of the device or of [foreign] says which"
    return line


def _time_form(path: Path, value: object, names: Names) -> str:
    is_named = "_".join(words_of(str(path[-1]))) in names.times
    if not is_named or not all(str(step).isidentifier() for step in path):
        return ""
    if isinstance(value, str):
        try:
            compile_time(MappingTime())(value, _RECEIVED_MS, 0)
        except RejectedError:
            return ""
        return "rfc3339"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    spans = {"unix_s": 1, "unix_ms": 1000} if is_number else {}
    found = (name for name, per in spans.items() if _is_recent_s(value, per))
    return next(found, "")


def _is_recent_s(value: object, per_s: int) -> bool:
    # nothing is divided: a payload may have an integer that no float holds
    return isinstance(value, int | float) and _MIN_UNIX_S * per_s <= value <= _MAX_UNIX_S * per_s


def _topic_line(samples: Sequence[Sample], last: str = "") -> str:
    """Return the pattern: the first level that differs names the device, else the longest.

    A level that all have in common is a word of the format, unless there is but one device.
    ``last`` is what the last level is, where it is known.
    """
    topics = [sample.topic.split("/") for sample in samples]
    first = topics[0]
    free = range(len(first) - 1 if last else len(first))
    differing = [n for n in free if len({levels[n] for levels in topics}) > 1]
    device = differing[0] if differing else max(free, key=lambda n: _oddness(first[n]))
    levels = [
        "{device}" if n == device else "*" if n in differing or _BRACES.search(level) else level
        for n, level in enumerate(first)
    ]
    levels[len(free) :] = [last] if last else []
    return f"topic = [{quoted('/'.join(levels))}]"


def _oddness(level: str) -> tuple[bool, int]:
    return any(char.isdigit() for char in level), len(level)
