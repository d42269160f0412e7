"""Files of history: what other systems have kept, read into rows as a device would send them.

Pure: text in, rows and complaints out. Each reader names the line of whatever it does not take.
Market files (NEM12, NEM13, Green Button) are taken whole or refused whole, since half a day of a
bill is worse than none; of tables and logs single lines are refused.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

ESTIMATED_STATUS, NO_DATA_STATUS = 1, 4  # AMR status: suspect; not valid
MAX_FILE_BYTES = 256 << 20  # a year of minutes has 30 MB; read into memory as a whole
# 9999-12-31: calendars end a day later, so that each zone has a wall clock for what is before it
_LAST_MS = 253_402_214_400_000
NO_TIME = "a time before 1970 or beyond the year 9999"


def is_time(time_ms: int) -> bool:
    """Return whether a time can be stored, and shown in every zone."""
    return 0 <= time_ms <= _LAST_MS


class Flag(IntEnum):
    """What a source says of an interval: column ``flag`` of ``ei1``."""

    NOTHING = 0
    ACTUAL = 1
    ESTIMATED = 2
    FINAL_SUBSTITUTE = 3
    SUBSTITUTE = 4
    NO_DATA = 5
    QUESTIONABLE = 6

    @property
    def status(self) -> int:
        """Return the AMR status that makes the gateway grade such a reading as it should."""
        if self in {Flag.NOTHING, Flag.ACTUAL}:
            return 0
        return NO_DATA_STATUS if self is Flag.NO_DATA else ESTIMATED_STATUS


class Row(NamedTuple):
    """One reading, in the scaled integers of its profile."""

    line: int  # where it stands in the file
    time_ms: int
    values: Sequence[int | None]
    status: int = 0


class Series(NamedTuple):
    """Readings of one device and profile."""

    device: str
    profile: str
    rows: Sequence[Row]
    interval_ms: int = 0  # nominal; 0: when something happens, or not known


class Raw(NamedTuple):
    """A message as it was captured."""

    line: int
    topic: str
    payload: bytes
    received_ms: int  # 0: the capture does not say


class Complaint(NamedTuple):
    """Something that was not taken, and why."""

    line: int
    reason: str


class Found(NamedTuple):
    """What a file holds."""

    series: Sequence[Series] = ()
    raw: Sequence[Raw] = ()
    refused: Sequence[Complaint] = ()
    notes: Sequence[Complaint] = ()  # taken, but worth a look: an hour that comes twice
    checks: Sequence[Complaint] = ()  # totals that a file says itself, against its intervals


class FileRefusedError(Exception):
    """The whole file is refused."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.complaint = Complaint(line, reason)
