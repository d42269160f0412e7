"""Which open alarms are kept quiet: work goes on there, or they follow from another alarm.

Thirty detectors behind one dark transformer are one alarm and thirty things to know of. What is
said of each stays, and is called out where it lasts longer than what it followed from.
"""

from collections.abc import Mapping

from gateway.alarms.book import Book
from gateway.alarms.people import People
from gateway.alarms.policy import AlarmPolicy
from gateway.store.alarms import FOLLOWS, KeptAlarm


def hush(book: Book, people: People, now_ms: int, policy: AlarmPolicy) -> None:
    """Mark the open alarms that are to be quiet, and those that are no more."""
    windows = people.at_work(now_ms)
    causes = _causes(book, now_ms, policy)
    for alarm in book.open:
        window = next((one.id for one in windows if f" {one.subject} " in alarm.scope), "")
        book.suppress(alarm, window or _cause_of(alarm, causes, policy), now_ms)


def _causes(book: Book, now_ms: int, policy: AlarmPolicy) -> Mapping[str, KeptAlarm]:
    """Return alarms that others follow from, by the word of their place in a scope.

    They last, or they were over a moment ago: whoever was in the dark needs some time to be back.
    """
    kinds, after_ms = policy.consequences.causes, policy.consequences.after_s * 1000
    opened = book.open
    found = [one for one in opened if one.kind in kinds]
    known = {FOLLOWS + one.id for one in found}
    for name in {one.suppressed for one in opened if one.suppressed.startswith(FOLLOWS)} - known:
        past = book.find(name.removeprefix(FOLLOWS))
        if past is None or '"withdrawn"' in past.evidence:  # there was no outage, or a larger one
            continue
        if now_ms - past.cleared_ms <= after_ms:
            found.append(past)
    found.sort(key=lambda one: one.raised_ms, reverse=True)
    return {one.place.replace(" ", "_"): one for one in found}  # of two the earlier one


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
