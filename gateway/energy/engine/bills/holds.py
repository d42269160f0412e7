"""Slots that hold a bill up: suspect or failed, until a person has looked at them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from gateway.energy.billing import HELD
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.findings.series import DOMAIN, INTERVALS
from gateway.model import Quality
from gateway.ports import Result
from gateway.store.derived import DerivedReader

_LINES_AT_ONCE = 1_000  # 1.5 KB each
_NAMES = frozenset(Quality(number).name.lower() for number in HELD)


class HeldSlot(NamedTuple):
    """One of them."""

    device: str
    slot_ms: int  # its begin
    import_wh: float | None
    quality: str
    reasons: tuple[str, ...]  # which rules spoke


def held_slots(
    derived: DerivedReader, from_ms: int, to_ms: int, device: str = ""
) -> Iterator[HeldSlot]:
    """Yield what waits in [from_ms, to_ms), day by day; ``device`` empty: of all."""
    place = f"device:{device}" if device else ""
    # lines begin with their local day: one that began before may still reach in
    asked = Result(INTERVALS, place, from_ms - DAY_MS, to_ms, "")
    after = (-1, "")
    while lines := derived.results(DOMAIN, asked, _LINES_AT_ONCE, after):
        slots = (slot for line in lines for slot in _of_day(line))
        yield from (slot for slot in slots if from_ms <= slot.slot_ms < to_ms)
        after = lines[-1].from_ms, lines[-1].place


def _of_day(line: Result) -> Iterator[HeldSlot]:
    body: dict[str, Any] = msgspec.json.decode(line.body)
    grades = [grade for grade, count in body["quality"] for _ in range(count)]
    if _NAMES.isdisjoint(grades):
        return
    reasons = dict(body.get("reasons", ()))
    for number, (grade, wh) in enumerate(zip(grades, body["import_wh"], strict=True)):
        if grade in _NAMES:
            begin_ms = line.from_ms + number * body["interval_s"] * 1000
            device = line.place.removeprefix("device:")
            yield HeldSlot(device, begin_ms, wh, grade, tuple(reasons.get(number, ())))
