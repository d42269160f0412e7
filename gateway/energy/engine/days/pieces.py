"""What is to be worked out again, in which order and when."""

from collections.abc import Container, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.energy.billing import month
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.grid.roster import DEFAULT_INTERVAL_MS, Roster
from gateway.model import IntArray
from gateway.profiles import Profile

GROUP = 500  # meters of a piece: a tenth of a second, and 4 MB of history
# A day is worked out when nothing of it has come for so long, for who sends every second at least
# so often: the readings of one interval come within half a minute, by clocks that differ.
SETTLE_MS, PATIENCE_MS = 5_000, 30_000
# A day that costs more waits longer, so that meters that send every second cost a twentieth of a
# core and not all of it.
_PAUSES = 20


class Piece(NamedTuple):
    """A local day of a group of meters of one profile."""

    day: int
    profile: str
    group: int  # device_index // GROUP


class Pieces:
    """The pieces that wait, oldest day first among those that are due."""

    def __init__(self, due: Iterable[tuple[Piece, int]] = ()) -> None:
        self._due_ms = dict(due)
        self._latest_ms = {piece: due_ms + PATIENCE_MS for piece, due_ms in self._due_ms.items()}
        self._pause_ms: dict[tuple[str, int], int] = {}  # by what the last one of a group cost

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._due_ms)

    def add(self, pieces: Iterable[Piece], now_ms: int, *, at_once: bool = False) -> bool:
        """Note pieces; one that is not due yet waits for more. Return whether any is new."""
        before = len(self._due_ms)
        for piece in pieces:
            known_ms = self._due_ms.get(piece)
            pause_ms = self._pause_ms.get(piece[1:], SETTLE_MS)
            if known_ms is not None and known_ms > now_ms + max(pause_ms, PATIENCE_MS):
                known_ms = None  # it waited for time to pass, and now there is news
            if at_once:
                self._due_ms[piece] = now_ms if known_ms is None else min(known_ms, now_ms)
            elif known_ms is None:
                self._due_ms[piece] = now_ms + pause_ms
                self._latest_ms[piece] = now_ms + max(pause_ms, PATIENCE_MS)
            elif known_ms > now_ms:
                settled_ms = min(now_ms + SETTLE_MS, self._latest_ms.get(piece, known_ms))
                self._due_ms[piece] = max(known_ms, settled_ms)
        return len(self._due_ms) > before

    def next(self, now_ms: int, without: Container[tuple[str, int]] = ()) -> Piece | None:
        """Return the oldest day that is due, None where nothing is.

        Args:
            now_ms: the moment.
            without: groups (profile, number) that shall wait.
        """
        due = (piece for piece, due_ms in self._due_ms.items() if due_ms <= now_ms)
        return min((piece for piece in due if piece[1:] not in without), default=None)

    def soon(self, now_ms: int) -> list[Piece]:
        """Return what is due, or soon; the rest waits for slots that are under way."""
        soon_ms = now_ms + PATIENCE_MS
        return [piece for piece, due_ms in self._due_ms.items() if due_ms <= soon_ms]

    def done(self, piece: Piece, cost_ms: int) -> None:
        """Forget a piece that was worked out."""
        self._due_ms.pop(piece, None)
        self._latest_ms.pop(piece, None)
        self._pause_ms[piece[1:]] = max(SETTLE_MS, _PAUSES * cost_ms)

    def waiting(self) -> list[tuple[Piece, int]]:
        """Return the pieces with their times, to be given to the next life."""
        return sorted(self._due_ms.items())


def of_mains(roster: Roster, device_index: IntArray, day: IntArray) -> set[Piece]:
    """Return the pieces that readings of check meters are of as well: those of their main meters.

    Args:
        roster: who checks whom.
        device_index: of readings.
        day: of each of them.
    """
    return {
        Piece(of, sends, main // GROUP)
        for row, main in roster.pairs.mains_of(device_index)
        for of in day[row : row + 1].tolist()
        if roster.is_meter(sends := roster.profile_of.get(main, ""))
    }


def interval_of(profile: Profile) -> int:
    """Return the length of a slot for meters of a profile, ms."""
    return profile.interval_s * 1000 or DEFAULT_INTERVAL_MS


def name_of(piece: Piece) -> str:
    """Return the name of a piece's memos."""
    return f"{piece.profile}/{piece.group}"


def month_of(day: int) -> tuple[int, int]:
    """Return the calendar month that a local day lies in: its first day and the day behind it."""
    date = datetime.fromtimestamp(day * DAY_MS / 1000, UTC)
    return month(date.year, date.month)
