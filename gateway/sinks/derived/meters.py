"""Series of single meters as points."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.energy.vee import Method
from gateway.model import Quality
from gateway.ports import Result
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point, known, number

_QUALITIES = {grade.name.lower(): float(grade) for grade in Quality}
_METHODS = {method.name.lower(): float(method) for method in Method}
_BILL = ("import_wh", "export_wh", "demand_w", "power_factor", "open_slots", "held_slots")

Body = Mapping[str, Any]


def intervals(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield the slots of a meter's day as far as they are told."""
    tags = places.tags(line.place, line.from_ms)
    imported = body.get("import_wh", ())
    exported = body.get("export_wh") or [None] * len(imported)
    quality, method = _spread(body["quality"], _QUALITIES), _spread(body["method"], _METHODS)
    step_ms = 1000 * int(body["interval_s"])
    rows = zip(imported, exported, quality, method, strict=True)
    for slot, (used, fed, grade, way) in enumerate(rows):
        fields = {"import_wh": number(used), "export_wh": number(fed)}
        fields |= {"quality": grade, "method": way}
        yield Point("meter_interval", tags, fields, line.from_ms + slot * step_ms)


def day(line: Result, body: Body, places: Places, now_ms: int) -> Iterator[Point]:
    """Yield what a day's bill is made of, once the day is over."""
    if line.to_ms <= now_ms:
        fields = known(body, *_BILL) | {"ready": number(body.get("is_billing_ready"))}
        yield Point("meter_day", places.tags(line.place, line.from_ms), fields, line.from_ms)


def month(line: Result, body: Body, places: Places, now_ms: int) -> Iterator[Point]:
    """Yield what a month's bill is made of, once the month is over."""
    if line.to_ms <= now_ms:
        fields = known(body, *_BILL, "missing_days")
        fields["ready"] = number(body.get("is_billing_ready"))
        yield Point("meter_month", places.tags(line.place, line.from_ms), fields, line.from_ms)


def _spread(runs: Sequence[Sequence[Any]], codes: Mapping[str, float]) -> list[float]:
    return [codes[str(name)] for name, count in runs for _ in range(int(count))]
