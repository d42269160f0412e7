"""What the analyst works out of the store, and the rooms that do it (energy, transport)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway.model import Event, ReadingBatch


class Changes(NamedTuple):
    """What came into the store since the analyst looked last; some of it may come again."""

    spans: Mapping[str, Sequence[tuple[int, int]]]  # profile → [first, last] times, Unix ms
    events: Sequence[Event]  # in the order they came
    # the readings themselves; None where they are too many at once (a first start, a replay):
    # then the spans alone tell
    readings: Sequence[ReadingBatch] | None = None


class Alarm(NamedTuple):
    """Something that needs a person, from when it began until it was over.

    (domain, kind, place, raised_ms) is its identity: found again, it is the same line.
    """

    kind: str  # as named in docs/energy.md and docs/transport.md
    place: str  # "device:m-1", "transformer:t-4", "feeder:f-2", "section:s-9" …
    raised_ms: int  # when what it tells of began, not when it was found
    found_ms: int  # when it was found first; a later finding does not change it
    cleared_ms: int  # 0 while it lasts
    severity: int  # 1 note, 2 warning, 3 serious, 4 critical
    confidence: float  # 0 … 1
    evidence: str  # JSON object: the numbers behind it


class Result(NamedTuple):
    """One line of a derived series. (domain, series, place, from_ms) is its identity."""

    series: str  # "determinants", "compliance", "balance" …
    place: str
    from_ms: int
    to_ms: int
    body: str  # JSON object, units in its names


class Memo(NamedTuple):
    """What an engine must know again, too large for its state; known by (domain, name, number)."""

    name: str
    number: int  # of a day
    data: bytes


class Findings(NamedTuple):
    """What one step of an engine found; written whole or not at all."""

    alarms: Sequence[Alarm] = ()
    results: Sequence[Result] = ()
    # given back at the next start; None: the state before this step, and what changed since then
    # comes again. An engine with much to remember need not write it down every second.
    state: bytes | None = None
    memos: Sequence[Memo] = ()


class Engine(Protocol):
    """A sector's analysis. One thread; deterministic: the same store gives the same findings."""

    @property
    def domain(self) -> str:
        """Its name, and that of its branch of the API."""

    def restore(self, state: bytes) -> None:
        """Go on from the state of the last findings that were written, b"" at the first start."""

    def step(self, changes: Changes, now_ms: int) -> Findings:
        """Work out again whatever the changes touch, and what time alone brings.

        Called every second or so, also without changes. After a crash the same changes come
        again; findings then replace their like.
        """
