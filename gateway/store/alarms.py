"""The alarms of all domains in one file, ``alarms.sqlite``: what is open, seen, over, suppressed.

The annunciator is its only writer; web process and command line read beside it. What a step found
and how far it has listened to people commit together, so a crash repeats a step and nothing else.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gateway.store.files import LateFile

FILE_NAME = "alarms.sqlite"
_FOREVER_MS = 1 << 53
FOLLOWS = "alarm:"  # and an id: why an alarm is suppressed that follows from another one
_COLUMNS = (
    "id, domain, kind, place, org, scope, severity, confidence, raised_ms, found_ms, updated_ms, "
    "cleared_ms, last_raised_ms, times, evidence, ack_who, ack_ms, ack_note, suppressed, change"
)
_LIST = f"""SELECT {_COLUMNS} FROM alarm WHERE raised_ms < ?2
AND (cleared_ms = 0 OR cleared_ms >= ?1) AND (?3 = '' OR domain = ?3) AND (?4 = '' OR kind = ?4)
AND (?5 = '' OR instr(scope, ' ' || ?5 || ' ') > 0) AND severity >= ?6
AND (?7 = '' OR (?7 = 'cleared') = (cleared_ms > 0))
AND (?7 NOT IN ('raised', 'acknowledged') OR (?7 = 'acknowledged') = (ack_ms > 0))
AND (?8 IS NULL OR ?8 = (suppressed != '')) AND (raised_ms, id) < (?9, ?10)
ORDER BY raised_ms DESC, id DESC LIMIT ?11"""  # noqa: S608  # our own column names
_OPEN = f"""SELECT {_COLUMNS} FROM alarm WHERE cleared_ms = 0
ORDER BY suppressed != '', severity DESC, raised_ms DESC, id LIMIT ?"""  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM alarm WHERE id = ?"  # noqa: S608
_OVER = f"""SELECT {_COLUMNS} FROM alarm WHERE cleared_ms > 0 AND cleared_ms >= ?
AND kind IN (SELECT value FROM json_each(?)) ORDER BY cleared_ms DESC LIMIT ?"""  # noqa: S608
_CHANGED = f"SELECT {_COLUMNS} FROM alarm WHERE change > ? ORDER BY change LIMIT ?"  # noqa: S608
_TALLY = """SELECT severity, ack_ms > 0, suppressed != '', count(*) FROM alarm
WHERE cleared_ms = 0 GROUP BY 1, 2, 3"""
_HISTORY = "SELECT at_ms, what, who, note FROM history WHERE alarm = ? ORDER BY number"
# Who ended a window is a line of its history, as what people did to alarms is. Words that are heard
# anew add another such line: the newest counts, or the window would be there once for each.
_WINDOW = """SELECT m.id, m.subject, m.from_ms, m.to_ms, m.reason, m.who, m.when_ms,
coalesce(h.who, ''), coalesce(h.at_ms, 0)
FROM maintenance m LEFT JOIN history h ON h.alarm = m.id AND h.number = (
SELECT max(number) FROM history WHERE alarm = m.id AND what = 'ended')"""
_WINDOWS = f"{_WINDOW} WHERE m.to_ms > ?1 ORDER BY m.from_ms, m.id LIMIT ?2"
_PAST = f"{_WINDOW} WHERE m.to_ms <= ?1 ORDER BY m.to_ms DESC, m.id LIMIT ?2"
_MARK = "SELECT value FROM mark WHERE name = ?"

# bytes of alarm-words.jsonl heard; the last change; the last change of derived.sqlite looked at
WORDS_MARK, CHANGE_MARK, DERIVED_MARK = "words", "change", "derived"


class State(StrEnum):
    """Where an alarm is in its life."""

    RAISED = "raised"  # open, and nobody has said that he knows
    ACKNOWLEDGED = "acknowledged"  # open, and somebody takes care
    CLEARED = "cleared"  # over, whether or not anybody saw it


class KeptAlarm(NamedTuple):
    """An alarm as it is kept; one point (domain, kind, place) has one at a time."""

    id: str  # 12 hex digits, the same after a restart and however often it is worked out again
    domain: str  # "energy", "transport", "gateway"
    kind: str  # docs/energy.md, docs/transport.md, docs/operations.md
    place: str  # "device:m-1", "transformer:t-4", "sink:influx" …
    org: str  # whose it is, in the topic
    scope: str  # its place and all above it, spaces between and around: " device:m-1 feeder:f-2 "
    severity: int  # 1 note, 2 warning, 3 serious, 4 critical
    confidence: float  # 0 … 1
    raised_ms: int  # when what it tells of began
    found_ms: int  # when it was found
    updated_ms: int  # when anything of this line changed
    cleared_ms: int  # 0 while it lasts
    last_raised_ms: int  # when it began the last time; raised_ms where it came once
    times: int  # how often it came: a flapping one is one alarm
    evidence: str  # JSON object: the numbers behind it
    ack_who: str
    ack_ms: int  # 0: nobody has
    ack_note: str
    suppressed: str  # a maintenance window, or FOLLOWS and an alarm; "": it is called out
    change: int  # rises with every change of any alarm

    @property
    def state(self) -> State:
        """Where it is in its life."""
        if self.cleared_ms:
            return State.CLEARED
        return State.ACKNOWLEDGED if self.ack_ms else State.RAISED


class Happening(NamedTuple):
    """One line of an alarm's history."""

    at_ms: int
    what: str  # raised, reopened, severity, acknowledged, noted, suppressed, released, cleared
    who: str  # "" where nobody did
    note: str


class Stage(StrEnum):
    """Where a maintenance window is in its life."""

    PLANNED = "planned"
    NOW = "now"
    PAST = "past"
    CALLED_OFF = "called_off"  # ended before it began


class Window(NamedTuple):
    """A maintenance window."""

    id: str
    subject: str
    from_ms: int
    to_ms: int
    reason: str
    who: str
    when_ms: int
    ended_who: str = ""  # of whoever ended it early, "" where nobody did
    ended_ms: int = 0

    def stage(self, now_ms: int) -> Stage:
        """Return where it is in its life."""
        if now_ms < self.to_ms:
            return Stage.NOW if self.from_ms <= now_ms else Stage.PLANNED
        return Stage.PAST if self.from_ms < self.to_ms else Stage.CALLED_OFF


class Tally(NamedTuple):
    """How many open alarms there are of one sort."""

    severity: int
    is_acknowledged: bool
    is_suppressed: bool
    number: int


class AlarmFilter(NamedTuple):
    """Which alarms are asked for: those that lasted some time in [from_ms, to_ms)."""

    from_ms: int = 0
    to_ms: int = _FOREVER_MS
    domain: str = ""
    kind: str = ""
    subject: str = ""  # the place, or anything above it
    severity: int = 1  # at least
    state: str = ""  # a ``State``, or "open": raised or acknowledged
    is_suppressed: bool | None = None


class AlarmReader:
    """Reads beside the annunciator; empty where it has not run yet."""

    def __init__(self, data_dir: Path) -> None:
        self._rows = LateFile(data_dir / FILE_NAME).rows

    def list(
        self, asked: AlarmFilter, limit: int, before: tuple[int, str] = (_FOREVER_MS, "")
    ) -> Sequence[KeptAlarm]:
        """Return alarms, the newest first, behind the (raised_ms, id) of an earlier page."""
        values = (*asked, *before, limit)
        return [KeptAlarm._make(row) for row in self._rows(_LIST, values)]

    def open(self, limit: int) -> Sequence[KeptAlarm]:
        """Return what lasts: first what is called out, the most severe, the newest."""
        return [KeptAlarm._make(row) for row in self._rows(_OPEN, (limit,))]

    def over_since(self, since_ms: int, kinds: Sequence[str], limit: int) -> Sequence[KeptAlarm]:
        """Return what of some kinds was over then or later, the last first."""
        rows = self._rows(_OVER, (since_ms, json.dumps(kinds), limit))
        return [KeptAlarm._make(row) for row in rows]

    def find(self, alarm: str) -> KeptAlarm | None:
        """Return the alarm of that id."""
        rows = self._rows(_ONE, (alarm,))
        return KeptAlarm._make(rows[0]) if rows else None

    def history(self, alarm: str) -> Sequence[Happening]:
        """Return what happened to an alarm, in order; of a long history its first and last."""
        return [Happening._make(row) for row in self._rows(_HISTORY, (alarm,))]

    def tally(self) -> Sequence[Tally]:
        """Return how many alarms are open, by severity."""
        return [
            Tally(severity, bool(seen), bool(kept), number)
            for severity, seen, kept, number in self._rows(_TALLY, ())
        ]

    def changed_since(self, change: int, limit: int) -> Sequence[KeptAlarm]:
        """Return alarms that changed after a change number, in that order."""
        return [KeptAlarm._make(row) for row in self._rows(_CHANGED, (change, limit))]

    def last_change(self) -> int:
        """Return the number of the last change; 0 before the first."""
        return self._mark(CHANGE_MARK)

    def heard(self) -> int:
        """Return up to which byte people's words have had their effect."""
        return self._mark(WORDS_MARK)

    def looked_at(self) -> int:
        """Return up to which of its changes the findings of the sectors are told here."""
        return self._mark(DERIVED_MARK)

    def windows(self, now_ms: int, limit: int = 1000) -> Sequence[Window]:
        """Return the maintenance windows that are not over, those of the future included."""
        return [Window._make(row) for row in self._rows(_WINDOWS, (now_ms, limit))]

    def past_windows(self, now_ms: int, limit: int = 1000) -> Sequence[Window]:
        """Return the maintenance windows that are over, the last first, as long as kept."""
        return [Window._make(row) for row in self._rows(_PAST, (now_ms, limit))]

    def _mark(self, name: str) -> int:
        rows = self._rows(_MARK, (name,))
        return int(rows[0][0]) if rows else 0
