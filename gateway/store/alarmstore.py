"""The annunciator's side of ``alarms.sqlite``; see ``alarms`` for who reads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.store.alarms import (
    CHANGE_MARK,
    DERIVED_MARK,
    FILE_NAME,
    WORDS_MARK,
    AlarmReader,
    Happening,
    KeptAlarm,
    Window,
)
from gateway.store.files import connect, create, full_disk_is_ours, transaction

_SCHEMA = """
CREATE TABLE alarm (
    id TEXT PRIMARY KEY, domain TEXT NOT NULL, kind TEXT NOT NULL, place TEXT NOT NULL,
    org TEXT NOT NULL, scope TEXT NOT NULL, severity INTEGER NOT NULL, confidence REAL NOT NULL,
    raised_ms INTEGER NOT NULL, found_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
    cleared_ms INTEGER NOT NULL, last_raised_ms INTEGER NOT NULL, times INTEGER NOT NULL,
    evidence TEXT NOT NULL, ack_who TEXT NOT NULL, ack_ms INTEGER NOT NULL,
    ack_note TEXT NOT NULL, suppressed TEXT NOT NULL, change INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX alarm_change ON alarm (change);
CREATE INDEX alarm_raised ON alarm (raised_ms, id);
CREATE INDEX alarm_open ON alarm (severity, raised_ms) WHERE cleared_ms = 0;
CREATE INDEX alarm_point ON alarm (domain, kind, place, raised_ms);
CREATE INDEX alarm_cleared ON alarm (cleared_ms) WHERE cleared_ms > 0;
CREATE TABLE history (
    alarm TEXT NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, what TEXT NOT NULL,
    who TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (alarm, number)
) WITHOUT ROWID;
CREATE TABLE lasting (
    domain TEXT NOT NULL, kind TEXT NOT NULL, place TEXT NOT NULL, raised_ms INTEGER NOT NULL,
    alarm TEXT NOT NULL, PRIMARY KEY (domain, kind, place, raised_ms)
) WITHOUT ROWID;
CREATE TABLE maintenance (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    reason TEXT NOT NULL, who TEXT NOT NULL, when_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE waiting (
    alarm TEXT PRIMARY KEY, who TEXT NOT NULL, when_ms INTEGER NOT NULL, note TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_WIDTH = len(KeptAlarm._fields)
_PUT = f"INSERT OR REPLACE INTO alarm VALUES ({','.join('?' * _WIDTH)})"  # noqa: S608
_TELL = """INSERT INTO history SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5
FROM history WHERE alarm = ?1"""
# Of an alarm that flaps for a year its beginning and its newest days are worth their place.
FIRST_KEPT, LAST_KEPT = 4, 28
_TRIM = """DELETE FROM history WHERE alarm = ?1 AND number > ?2
AND number <= (SELECT max(number) FROM history WHERE alarm = ?1) - ?3"""
_LAST_OF_POINT = """SELECT id FROM alarm WHERE domain = ? AND kind = ? AND place = ?
AND raised_ms <= ? ORDER BY raised_ms DESC LIMIT 1"""
_PUT_WINDOW = "INSERT OR REPLACE INTO maintenance VALUES (?,?,?,?,?,?,?)"
_PUT_MARK = "INSERT OR REPLACE INTO mark VALUES (?,?)"
_FORGET = (
    "DELETE FROM alarm WHERE cleared_ms > 0 AND cleared_ms < :before_ms",
    # the oldest of those that are over make room
    """DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE cleared_ms > 0
    ORDER BY cleared_ms LIMIT max(0, (SELECT count(*) FROM alarm) - :most))""",
    "DELETE FROM maintenance WHERE to_ms < :before_ms",
    """DELETE FROM history WHERE alarm NOT IN (SELECT id FROM alarm)
    AND alarm NOT IN (SELECT id FROM maintenance)""",
)

Point = tuple[str, str, str]  # domain, kind, place
RowKey = tuple[str, str, str, int]  # and when the finding behind it began


class Acknowledged(NamedTuple):
    """What somebody said of an alarm."""

    who: str
    when_ms: int
    note: str


class Told(NamedTuple):
    """One line for the history of one alarm, or of one maintenance window."""

    alarm: str  # its id; those of windows are shorter
    happening: Happening


class AlarmStep(NamedTuple):
    """What one step of the annunciator changed; written whole or not at all."""

    alarms: Sequence[KeptAlarm] = ()
    told: Sequence[Told] = ()
    begun: Sequence[tuple[RowKey, str]] = ()  # findings that last, and the alarm they are part of
    ended: Sequence[RowKey] = ()
    windows: Sequence[Window] = ()
    waiting: Sequence[tuple[str, Acknowledged]] = ()  # of alarms that are not known (yet)
    met: Sequence[str] = ()  # those that are known by now
    words: int = 0  # bytes of people's words heard
    derived: int = 0  # the last change of derived.sqlite that is in this
    change: int = 0  # the number of the last change


class AlarmStore(AlarmReader):
    """Writes; the annunciator has the only one."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        file = data_dir / FILE_NAME
        if not file.exists():
            create(file, _SCHEMA)
        self._writing = connect(file, is_writer=True)

    def commit(self, step: AlarmStep) -> None:
        """Make a step durable.

        Raises:
            JournalFullError: the disk is full; nothing was written, call again later.
        """
        with full_disk_is_ours(), transaction(self._writing):
            run = self._writing.executemany
            run(_PUT, step.alarms)
            run(_TELL, ((one.alarm, *one.happening) for one in step.told))
            told = {one.alarm for one in step.told}
            run(_TRIM, ((alarm, FIRST_KEPT, LAST_KEPT) for alarm in told))
            run(
                "DELETE FROM lasting WHERE (domain, kind, place, raised_ms) = (?,?,?,?)", step.ended
            )
            begun = ((*key, alarm) for key, alarm in step.begun)
            run("INSERT OR REPLACE INTO lasting VALUES (?,?,?,?,?)", begun)
            run(_PUT_WINDOW, (one[:7] for one in step.windows))  # its end is history
            waiting = ((alarm, *said) for alarm, said in step.waiting)
            run("INSERT OR IGNORE INTO waiting VALUES (?,?,?,?)", waiting)
            run("DELETE FROM waiting WHERE alarm = ?", ((alarm,) for alarm in step.met))
            marks = {WORDS_MARK: step.words, DERIVED_MARK: step.derived, CHANGE_MARK: step.change}
            run(_PUT_MARK, marks.items())

    def last_of(self, point: Point, until_ms: int) -> KeptAlarm | None:
        """Return the last alarm of a point that began up to a moment."""
        rows = self._writing.execute(_LAST_OF_POINT, (*point, until_ms)).fetchall()
        return self.find(rows[0][0]) if rows else None

    def lasting(self) -> dict[RowKey, str]:
        """Return the findings that last, as they were told, and the alarm of each."""
        rows = self._rows("SELECT domain, kind, place, raised_ms, alarm FROM lasting", ())
        return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}

    def waiting(self) -> dict[str, Acknowledged]:
        """Return what was said of alarms that are not known."""
        rows = self._rows("SELECT alarm, who, when_ms, note FROM waiting", ())
        return {row[0]: Acknowledged._make(row[1:]) for row in rows}

    def forget(self, before_ms: int, most: int) -> None:
        """Delete what was over before a moment, and of the rest the oldest beyond ``most``.

        Raises:
            JournalFullError: the disk is full; call again later.
        """
        with full_disk_is_ours(), transaction(self._writing):
            for sql in _FORGET:
                self._writing.execute(sql, {"before_ms": before_ms, "most": most})

    def close(self) -> None:
        """Close the file."""
        self._writing.close()
