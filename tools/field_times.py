"""Times without zone, and relative ones, in payloads of the field: by which rule each is handled.

Finds every leaf of the recorded payloads (``payloads_dev.jsonl``) that reads as a time but names no
instant, by its own look and without a decoder. What became of it is found by moving it: the
message is read again with this one time changed, with no zone declared and with one, and what
has changed then is what the time is used for.
"""

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from gateway.config.foreign import ForeignSection
from gateway.decode import Foreign
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.trial import Outcome, try_message
from gateway.profiles import Profiles

ZONE = "Europe/Berlin"
RECEIVED_MS = 1_795_300_260_000
MOVED = timedelta(hours=1, minutes=7)  # no number of whole hours, which zones differ by
_MOVED_MS = MOVED // timedelta(milliseconds=1)

_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?\Z", re.ASCII)
_COMPACT = re.compile(r"\d{12}\Z", re.ASCII)  # YYMMDDhhmmss of a P1 port
_OF_DAY = re.compile(r"\d\d:\d\d(:\d\d)?\Z", re.ASCII)
_DURATION = re.compile(r"\d+T\d\d:\d\d:\d\d\Z|\d+\.\d+s\Z", re.ASCII)
_STAMP = re.compile(r"timestamp|time\Z", re.IGNORECASE)
_SINCE = re.compile(r"(?:^|_)(?:up|down)time(?:sec)?\Z|remaining\Z|duration\Z", re.IGNORECASE)
_TEXTS = {"date and time": _LOCAL, "time of day": _OF_DAY, "relative": _DURATION}
# numbers that look like Unix times: family and key -> a key above it, form
_COUNTERS = {
    # µs since the radio of a LoRaWAN gateway was started
    ("lorawan-tts", "timestamp"): ("uplink_message", "relative"),
    # an hour beside ``unixtime``: that of Rome, in winter
    ("shelly-fixture", "timestamp"): ("meters", "local Unix time"),
}
_PAIR = re.compile(r'"([^"]+)"\s*:\s*"([^"]*)"')  # of what is no JSON: cut off, or a bare nan
# No topics of their own: what a bridge reads from an API, and dumps of a library's tests.
_WITHOUT_TOPIC = frozenset({"homewizard", "shelly-fixture"})

RULES = {
    "time": "the reading's time where a zone is declared, else stamped and graded `no_clock`",
    "event": "the time of the report where a zone is declared, else that of receipt",
    "column": "a column (`uptime`): a number, not a time",
    "report": "kept as sent, in the report",
    "dropped": "dropped by name, in the mapping file",
    "absent": "left out: the value that it is of is not in the message",
    "refused": "quarantined with its message",
}
_DROPPED = frozenset({"time"})  # by ``drop`` of the mapping file: beside ``unixtime``


class Leaf(NamedTuple):
    """A time in a payload that names no instant."""

    row: str
    family: str
    form: str
    path: tuple[str | int, ...]  # keys and places of arrays; the key alone of what is no JSON
    value: Any

    @property
    def is_relative(self) -> bool:
        """Counted from something else than a clock on the wall."""
        return self.form == "relative"


def field_rows(data: Path) -> list[dict[str, Any]]:
    """Return the rows of the field whose payload is JSON text."""
    text = (data / "devices" / "payloads_dev.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def leaves_of(row: dict[str, Any]) -> Iterator[Leaf]:
    """Return the times of a row that name no instant."""
    for path, value in walk(_parsed(row)):
        form = _form_of(row["family"], path, value)
        if form:
            yield Leaf(row["id"], row["family"], form, path, value)


def _parsed(row: dict[str, Any]) -> object:
    try:
        return json.loads(row["payload"], parse_constant=_refuse)
    except ValueError:
        return dict(_PAIR.findall(row["payload"]))


def _refuse(name: str) -> object:
    raise ValueError(name)


def walk(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, object]]:
    """Yield each leaf of parsed JSON with its path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, (*path, key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from walk(value, (*path, place))
    else:
        yield path, node


def _form_of(family: str, path: Sequence[str | int], value: object) -> str:
    key, text = str(path[-1]) if path else "", str(value)
    if isinstance(value, str):
        found = next((form for form, pattern in _TEXTS.items() if pattern.match(text)), "")
    elif isinstance(value, int | float):
        counts = _COUNTERS.get((family, key))
        is_meant = counts is not None and counts[0] in path
        found = counts[1] if counts and is_meant else "relative" if _SINCE.search(key) else ""
    else:
        return ""
    return found or ("YYMMDDhhmmss" if _STAMP.search(key) and _COMPACT.match(text) else "")


def moved(leaf: Leaf) -> object:
    """Return the time of a leaf a little later, written the same way."""
    value = leaf.value
    if leaf.form == "date and time":
        later = datetime.fromisoformat(value) + MOVED
        return later.isoformat(value[10])[: len(value)]
    if leaf.form == "time of day":
        later = datetime.strptime(value, "%H:%M") + MOVED  # noqa: DTZ007  # of no zone
        return later.strftime("%H:%M")
    if leaf.form == "YYMMDDhhmmss":
        later = datetime.strptime(str(value), "%y%m%d%H%M%S") + MOVED  # noqa: DTZ007
        return type(value)(later.strftime("%y%m%d%H%M%S"))
    if isinstance(value, str):  # a duration
        return re.sub(r"\d(?=s?\Z)", lambda digit: str((int(digit[0]) + 1) % 10), value)
    return value + 67


class Fates:
    """What becomes of leaves with the formats as they ship."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._without: Sequence[Foreign] = build_foreign(ForeignSection(), profiles)
        self._within: Sequence[Foreign] = build_foreign(ForeignSection(zone=ZONE), profiles)

    def outcomes(self, row: dict[str, Any], payload: str | None = None) -> tuple[Outcome, Outcome]:
        """Return what a row becomes without a zone, and with one; LoRaWAN models are declared."""
        text = row["payload"] if payload is None else payload
        raw = bytes.fromhex(text) if row["encoding"] == "hex" else text.encode()
        topic = f"foreign/{row['id']}" if row["family"] in _WITHOUT_TOPIC else row["topic"]
        model = row["note"] if row["family"].startswith("lorawan") else ""
        first, second = (
            try_message(formats, topic, raw, RECEIVED_MS, self._profiles, model=model)
            for formats in (self._without, self._within)
        )
        return first, second

    def fate(self, row: dict[str, Any], leaf: Leaf) -> str:
        """Return the rule that a leaf took; "" where none explains what it did."""
        changed = _with(row, leaf, moved(leaf))
        without, within = self.outcomes(row)
        other, inside = self.outcomes(row, changed)
        refused = {one.refused for one in (without, within, other, inside)}
        if None not in refused:
            return "refused"
        if len(refused) > 1 or _times(other) != _times(without):
            return ""  # nobody declared a zone: no time may depend on it
        if _times(within) != _times(inside) or within.kept_ms != inside.kept_ms:
            return _use(without, within, inside)
        if _values(other) != _values(without):
            return "column"
        if other.reports != without.reports:
            return "report"
        return "dropped" if leaf.path[-1] in _DROPPED else "absent"


def _use(without: Outcome, within: Outcome, inside: Outcome) -> str:
    """Return what of a message has the time of a leaf, all of it moved as the leaf was."""
    both = zip(_times(within), _times(inside), strict=True)
    used = [one for one, (was, now) in zip(without.readings, both, strict=True) if was != now]
    moves = {now - was for was, now in zip(_times(within), _times(inside), strict=True)} - {0}
    if used:
        return "time" if moves == {_MOVED_MS} and all(one.is_stamped for one in used) else ""
    return "event" if inside.kept_ms - within.kept_ms == _MOVED_MS else ""


def _with(row: dict[str, Any], leaf: Leaf, value: object) -> str:
    """Return the payload of a row with another value at a leaf."""
    try:
        root = json.loads(row["payload"], parse_constant=_refuse)
    except ValueError:
        old = f'"{leaf.path[-1]}":"{leaf.value}"'
        if row["payload"].count(old) != 1:
            raise
        return str(row["payload"].replace(old, f'"{leaf.path[-1]}":"{value}"'))
    root = node = copy.deepcopy(root)
    for step in leaf.path[:-1]:
        node = node[step]
    node[leaf.path[-1]] = value
    return json.dumps(root, ensure_ascii=False)


def _times(got: Outcome) -> list[int]:
    return [0 if one.is_stamped else one.time_ms for one in got.readings]


def _values(got: Outcome) -> list[object]:
    return [(one.device, one.profile, one.values, one.status) for one in got.readings]


def count(data: Path, profiles: Profiles) -> Counter[tuple[str, str, str]]:
    """Return how many times take which rule, by form and family."""
    fates, found = Fates(profiles), Counter[tuple[str, str, str]]()
    for row in field_rows(data):
        found.update((one.form, one.family, fates.fate(row, one)) for one in leaves_of(row))
    return found


def table(found: Counter[tuple[str, str, str]]) -> str:
    """Return the table of docs/devices.md."""
    lines = ["| form | in payloads of | times | rule |", "|---|---|---|---|"]
    for (form, family, fate), number in sorted(found.items()):
        lines.append(f"| {form} | {family} | {number} | {RULES[fate]} |")
    local = sum(number for (form, _, _), number in found.items() if form != "relative")
    lines.append(f"| **without zone** | | **{local}** | |")
    lines.append(f"| **relative** | | **{sum(found.values()) - local}** | |")
    return "\n".join(lines) + "\n"
