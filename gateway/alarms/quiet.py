"""Which open alarms are kept quiet: work goes on there, or they follow from another alarm.

Thirty detectors behind one dark transformer are one alarm and thirty things to know of. What is
said of each stays, and is called out where it lasts longer than what it followed from.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.alarms.book import Book
from gateway.alarms.people import People
from gateway.alarms.policy import AlarmPolicy
from gateway.store.alarms import FOLLOWS, KeptAlarm

_MOST_PAST = 10_000  # outages over in a quarter of an hour: more transformers than a site has


class Remembering(Protocol):
    """``store.alarmstore.AlarmStore``."""

    def over_since(self, since_ms: int, kinds: Sequence[str], limit: int) -> Sequence[KeptAlarm]:
        """Return what of some kinds was over then or later, the last first."""


class Quiet:
    """Remembers the causes that were over a moment ago, whether or not anything follows yet.

    A station that is heard every ten minutes is missed only when a short outage is over.

    Args:
        book: open alarms.
        people: maintenance.
        store: asked once, of what an earlier life of ours saw end.
    """

    def __init__(self, book: Book, people: People, store: Remembering) -> None:
        self._book, self._people, self._store = book, people, store
        self._past: Mapping[str, KeptAlarm] | None = None  # None: not asked yet

    def hush(self, now_ms: int, policy: AlarmPolicy) -> None:
        """Mark the open alarms that are to be quiet, and those that are no more."""
        windows = self._people.at_work(now_ms)
        causes = self._causes(now_ms, policy)
        for alarm in self._book.open:
            window = next((one.id for one in windows if f" {one.subject} " in alarm.scope), "")
            self._book.suppress(alarm, window or _cause_of(alarm, causes, policy), now_ms)

    def _causes(self, now_ms: int, policy: AlarmPolicy) -> Mapping[str, KeptAlarm]:
        """Return alarms that others follow from, by the word of their place in a scope.

        They last, or they were over a moment ago: whoever was in the dark needs some time.
        """
        kinds = policy.consequences.causes
        since_ms = now_ms - round(policy.consequences.after_s * 1000)
        self._past = self._lately(since_ms, kinds)
        found = [one for one in self._book.open if one.kind in kinds]
        found += self._past.values()
        found.sort(key=lambda one: one.raised_ms, reverse=True)
        return {one.place.replace(" ", "_"): one for one in found}  # of two the earlier one

    def _lately(self, since_ms: int, kinds: Sequence[str]) -> Mapping[str, KeptAlarm]:
        """Return the causes that were over since then, by id, as they are by now."""
        known = self._past
        if known is None:
            over = self._store.over_since(since_ms, kinds, _MOST_PAST)
            known = {one.id: one for one in over}
        changed = {one.id: one for one in self._book.changed if one.kind in kinds}
        past = [one for one in {**known, **changed}.values() if _was(one, since_ms)]
        past.sort(key=lambda one: one.cleared_ms)
        return {one.id: one for one in past[-_MOST_PAST:]}


def _was(alarm: KeptAlarm, since_ms: int) -> bool:
    """Return whether it is over since then; withdrawn: there was no outage, or a larger one."""
    return alarm.cleared_ms >= since_ms and '"withdrawn"' not in alarm.evidence


def _cause_of(alarm: KeptAlarm, causes: Mapping[str, KeptAlarm], policy: AlarmPolicy) -> str:
    """Return what stands for the alarm that another follows from, "" where it stands for itself.

    Whoever hears of another organisation's alarms only would miss both.
    """
    if not causes or alarm.kind not in policy.consequences.kinds:
        return ""
    earliest_ms = alarm.raised_ms + policy.consequences.before_s * 1000
    for word in alarm.scope.split():
        cause = causes.get(word)
        if cause is not None and cause.org == alarm.org and cause.raised_ms <= earliest_ms:
            return FOLLOWS + cause.id
    return ""
