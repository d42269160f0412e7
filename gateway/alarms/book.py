"""The life of alarms: findings come, change and end; what a person watches stays one alarm.

Theory of operation. A *point* is (domain, kind, place). A *row* is a finding with its beginning
(``ports.Alarm``), as the sectors keep it; it may be found again with another end, vanish, come
back. A point has one open alarm at a time, made of all its rows that last. It is over when none
does; a row that begins soon after is the same alarm once more. The id is a digest of the point and
the beginning of the first row, so it is the same whoever works it out, and a word of a person that
is about it finds it again.

Nothing here reads a clock, and of files only what is over and may come back (``Recalling``).
``Book`` is told rows and words, and ``take_step`` gives what has to be written at once.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway.alarms.page import Page
from gateway.alarms.policy import AlarmPolicy
from gateway.ports import Alarm
from gateway.store.alarms import Happening, KeptAlarm, Window
from gateway.store.alarmstore import Acknowledged, AlarmStep, Point, RowKey

_FOREVER_MS = 1 << 53
OWN = "gateway"  # the domain of what the gateway finds in itself
ID_DIGITS = 12  # 48 bits: of a million alarms two share one once in 600 sites
MOST_WAITING = 10_000  # words about alarms nobody knows; the file keeps them all

ScopeOf = Callable[[str, str, int], tuple[str, str]]  # domain, place, time → org, scope


class Recalling(Protocol):
    """``store.alarmstore.AlarmStore``."""

    def find(self, alarm: str) -> KeptAlarm | None:
        """Return the alarm of an id."""

    def last_of(self, point: Point, until_ms: int) -> KeptAlarm | None:
        """Return the last alarm of a point that began up to a moment."""


class Known(NamedTuple):
    """What an earlier life left."""

    alarms: Sequence[KeptAlarm]  # those that are open
    lasting: Mapping[RowKey, str]
    waiting: Mapping[str, Acknowledged]
    change: int


def id_of(point: Point, raised_ms: int) -> str:
    """Return the id of an alarm that began then."""
    digest = hashlib.sha256("\n".join((*point, str(raised_ms))).encode())
    return digest.hexdigest()[:ID_DIGITS]


class Book:
    """Every open alarm, and what has changed since the last step was taken."""

    def __init__(self, known: Known, recall: Recalling, scope_of: ScopeOf) -> None:
        self._recall, self._scope_of = recall, scope_of
        self._open: dict[Point, KeptAlarm] = {one[1:4]: one for one in known.alarms}
        self._rows: dict[str, dict[RowKey, int]] = {one.id: {} for one in known.alarms}
        for key, alarm in known.lasting.items():
            self._rows.setdefault(alarm, {})[key] = 0
        self._lost: dict[RowKey, int] = {}  # since when a finding is not there, our time
        self._over: dict[str, int] = {}  # alarm → since when none of its rows lasts, our time
        self._waiting = dict(known.waiting)
        self._page = Page(known.change)
        self.refused = 0  # rows not taken in, as too many alarms are open

    @property
    def open(self) -> Sequence[KeptAlarm]:
        """Every open alarm."""
        return list(self._open.values())

    @property
    def changed(self) -> Iterable[KeptAlarm]:
        """Every alarm that has changed since the last step was taken."""
        return self._page.alarms

    def at(self, point: Point) -> KeptAlarm | None:
        """Return the open alarm of a point."""
        return self._open.get(point)

    def find(self, alarm: str) -> KeptAlarm | None:
        """Return an alarm as it is by now, also one that is over."""
        found = next((one for one in self._open.values() if one.id == alarm), None)
        return found or self._page.find(alarm) or self._recall.find(alarm)

    def lasting(self) -> list[RowKey]:
        """Return the rows that last, as far as was told."""
        return [key for rows in self._rows.values() for key in rows]

    def see(self, domain: str, rows: Iterable[Alarm], now_ms: int, policy: AlarmPolicy) -> None:
        """Take in findings as they are now; those that last before those that are over.

        So one that was withdrawn for another of the same point leaves no gap between them.
        """
        for row in sorted(rows, key=lambda one: (bool(one.cleared_ms), one.raised_ms)):
            key: RowKey = (domain, row.kind, row.place, row.raised_ms)
            current = self._open.get(key[:3])
            if current is not None and (row.cleared_ms or _FOREVER_MS) >= current.raised_ms:
                self._go_on(current, key, row, now_ms, policy)
            else:
                self._begin(key, row, now_ms, policy)

    def lose(self, keys: Iterable[RowKey], now_ms: int, policy: AlarmPolicy) -> None:
        """Take note of findings that are not there any more, nor told to be over.

        Whoever deletes ``derived.sqlite`` has them worked out again: that is waited for.
        """
        lost = set(keys)
        self._lost = {key: since_ms for key, since_ms in self._lost.items() if key in lost}
        for key in lost:
            since_ms = self._lost.setdefault(key, now_ms)
            current = self._open.get(key[:3])
            is_too_long = now_ms - since_ms >= policy.not_found_min * 60_000
            if current is not None and is_too_long and key in self._rows[current.id]:
                self._rows[current.id][key] = now_ms

    def settle(self, now_ms: int, policy: AlarmPolicy) -> None:
        """End alarms of which nothing has lasted for as long as the policy waits."""
        for alarm in self.open:
            rows = self._rows[alarm.id]
            if not all(rows.values()):
                self._over.pop(alarm.id, None)
                continue
            since_ms = self._over.setdefault(alarm.id, now_ms)
            if now_ms - since_ms >= policy.clear_after_s * 1000:
                self._end(alarm, max(rows.values(), default=now_ms), now_ms)

    def acknowledge(self, alarm: str, said: Acknowledged) -> None:
        """Take note that somebody has seen an alarm; the first who did stays, others add notes."""
        kept = self.find(alarm)
        if kept is None:
            if len(self._waiting) < MOST_WAITING and alarm not in self._waiting:
                self._waiting[alarm] = said
                self._page.wait(alarm, said)
            return
        self._say(kept, said)

    def suppress(self, alarm: KeptAlarm, why: str, now_ms: int) -> None:
        """Take note of why an open alarm is quiet, a window or ``FOLLOWS``; "": it is no more."""
        if alarm.suppressed == why:
            return
        what, note = ("suppressed", why) if why else ("released", alarm.suppressed)
        self._put(alarm._replace(suppressed=why), now_ms, Happening(now_ms, what, "", note))

    def keep_window(self, window: Window, happening: Happening) -> None:
        """Write a maintenance window with the next step, and what somebody has just done to it."""
        self._page.open_window(window, happening)

    def take_step(self, words: int, derived: int) -> AlarmStep:
        """Return what has changed since the last step, to be written at once with both marks."""
        step = self._page.take(words, derived)
        self._page = Page(step.change)
        return step

    # -- rows --

    def _begin(self, key: RowKey, row: Alarm, now_ms: int, policy: AlarmPolicy) -> None:
        """Take in a row whose point has no alarm that lasts through it."""
        last = self._last_of(key[:3], row.cleared_ms or _FOREVER_MS)
        if last is not None and row.raised_ms - last.cleared_ms <= policy.reopen_ms:
            self._come_back(last, key, row, now_ms)
        elif len(self._open) >= policy.max_open and key[0] != OWN:  # ours are few, and say so
            self.refused += 1
        else:
            self._raise(key, row, now_ms)

    def _raise(self, key: RowKey, row: Alarm, now_ms: int) -> None:
        alarm = id_of(key[:3], row.raised_ms)
        org, scope = self._scope_of(key[0], row.place, row.raised_ms)
        said = self._waiting.pop(alarm, None)
        one = KeptAlarm(
            *(alarm, *key[:3], org, scope, row.severity, row.confidence),
            *(row.raised_ms, row.found_ms, now_ms, row.cleared_ms, row.raised_ms, 1),
            *(row.evidence, "", 0, "", "", 0),
        )
        kept = self._put(one, now_ms, Happening(row.raised_ms, "raised", "", ""))
        if row.cleared_ms:
            self._page.tell(kept, Happening(row.cleared_ms, "cleared", "", _why(row)))
        else:
            self._last(kept, key)
        if said is not None:
            self._page.meet(alarm)
            self._say(kept, said)

    def _come_back(self, last: KeptAlarm, key: RowKey, row: Alarm, now_ms: int) -> None:
        """Take in a row of an alarm that was over."""
        is_new = row.raised_ms > last.last_raised_ms
        again = _renewed(last, row)._replace(
            cleared_ms=row.cleared_ms and max(row.cleared_ms, last.cleared_ms),
            times=last.times + is_new,
        )
        at_ms = row.raised_ms if is_new else now_ms
        if not row.cleared_ms:
            self._last(self._put(again, now_ms, Happening(at_ms, "reopened", "", "")), key)
        elif again != last:  # it was over when it was found, or is told otherwise now
            what = "again" if is_new else "changed"
            self._put(again, now_ms, Happening(at_ms, what, "", _why(row)))

    def _go_on(
        self, current: KeptAlarm, key: RowKey, row: Alarm, now_ms: int, policy: AlarmPolicy
    ) -> None:
        """Take in a row of an alarm that lasts."""
        rows = self._rows[current.id]
        is_known = key in rows
        is_new = row.raised_ms > current.last_raised_ms
        if row.cleared_ms:
            if is_known:
                rows[key] = row.cleared_ms
        elif not is_known or rows[key]:
            self._last(current, key)
        times = current.times + (is_new and not is_known)
        changed = _renewed(current, row)._replace(times=times)
        if _is_worth_telling(current, changed, row, now_ms, policy):
            self._put(changed, now_ms, _change_of(current, changed, now_ms))

    def _last(self, alarm: KeptAlarm, key: RowKey) -> None:
        self._rows.setdefault(alarm.id, {})[key] = 0
        self._page.begin(key, alarm.id)

    def _end(self, alarm: KeptAlarm, cleared_ms: int, now_ms: int) -> None:
        rows = self._rows.pop(alarm.id)
        self._over.pop(alarm.id, None)
        del self._open[alarm[1:4]]
        for key in rows:
            self._page.end(key)
        ended = alarm._replace(cleared_ms=max(cleared_ms, alarm.raised_ms))
        self._put(ended, now_ms, Happening(ended.cleared_ms, "cleared", "", _why(ended)))

    # -- words and lines --

    def _last_of(self, point: Point, until_ms: int) -> KeptAlarm | None:
        """Return the last alarm of a point, as it is by now."""
        kept = self._recall.last_of(point, until_ms)
        found = [self._page.last_of(point, until_ms)]
        found.append(kept and (self._page.find(kept.id) or kept))
        return max((one for one in found if one), key=lambda one: one.raised_ms, default=None)

    def _say(self, alarm: KeptAlarm, said: Acknowledged) -> None:
        when_ms = said.when_ms
        if not alarm.ack_ms:
            seen = alarm._replace(ack_who=said.who, ack_ms=when_ms, ack_note=said.note)
            self._put(seen, when_ms, Happening(when_ms, "acknowledged", said.who, said.note))
        elif (alarm.ack_who, alarm.ack_note) != (said.who, said.note):  # not the same once more
            self._put(alarm, when_ms, Happening(when_ms, "noted", said.who, said.note))

    def _put(self, alarm: KeptAlarm, now_ms: int, happening: Happening | None) -> KeptAlarm:
        kept = self._page.put(alarm._replace(updated_ms=max(now_ms, alarm.updated_ms)))
        if not kept.cleared_ms:
            self._open[kept[1:4]] = kept
        if happening is not None:
            self._page.tell(kept, happening)
        return kept


def _renewed(alarm: KeptAlarm, row: Alarm) -> KeptAlarm:
    """Return an alarm as a row tells it, if the row is its newest."""
    if row.raised_ms < alarm.last_raised_ms:
        return alarm
    return alarm._replace(
        severity=row.severity,
        confidence=row.confidence,
        evidence=row.evidence,
        last_raised_ms=row.raised_ms,
    )


def _change_of(before: KeptAlarm, after: KeptAlarm, now_ms: int) -> Happening | None:
    if after.times > before.times:
        return Happening(after.last_raised_ms, "again", "", "")
    if after.severity != before.severity:
        return Happening(now_ms, "severity", "", str(after.severity))
    return None


def _is_worth_telling(
    before: KeptAlarm, after: KeptAlarm, row: Alarm, now_ms: int, policy: AlarmPolicy
) -> bool:
    if before == after:
        return False
    if (before.severity, before.times) != (after.severity, after.times) or row.cleared_ms:
        return True
    return now_ms - before.updated_ms >= policy.evidence_every_s * 1000


def _why(one: Alarm | KeptAlarm) -> str:
    return "withdrawn" if '"withdrawn"' in one.evidence else ""
