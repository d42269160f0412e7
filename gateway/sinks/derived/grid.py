"""Series of the grid as points."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.ports import Result
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point, known, number, ratio

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
_VERDICTS = {True: 1.0, False: 0.0, None: -1.0}
_LOAD = (
    *("coverage", "peak_va", "peak_pu", "loading_pu", "load_factor", "power_factor"),
    *("imbalance", "unbalance_loss", "export_wh", "reverse_peak_w"),
)
_INDICES = ("customers", "sustained", "momentary", "saidi_min", "saifi", "caidi_min", "maifi")

Body = Mapping[str, Any]


def load(line: Result, body: Body, places: Places, now_ms: int) -> Iterator[Point]:
    """Yield the quarters of a day, and what it came to once it is over."""
    tags = places.tags(line.place, line.from_ms)
    course = body.get("course", {})
    step_ms, rating_va = 1000 * course.get("interval_s", 900), course.get("rating_va")
    columns = (course.get(name, ()) for name in ("active_w", "apparent_va", "imbalance"))
    for slot, (active_w, apparent_va, imbalance) in enumerate(zip(*columns, strict=True)):
        fields = {
            "p_w": number(active_w),
            "s_va": number(apparent_va),
            "rating_va": number(rating_va) if active_w is not None else None,
            "loading_pu": ratio(number(apparent_va), number(rating_va)),
            "power_factor": ratio(_magnitude(active_w), number(apparent_va)),
            "imbalance": number(imbalance),
        }
        yield Point("grid_load", tags, fields, line.from_ms + slot * step_ms)
    if line.to_ms <= now_ms:
        above = body.get("share_of_time_above_pu", {})
        shares = {f"above_{round(100 * float(at))}": number(part) for at, part in above.items()}
        yield Point("grid_load_day", tags, known(body, *_LOAD) | shares, line.from_ms)


def balance(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield a day's balance."""
    fields = known(body, "in_wh", "loss_wh", "technical_wh", "residual_wh", "coverage")
    into, lost = fields["in_wh"], fields["loss_wh"]
    fields["out_wh"] = into - lost if into is not None and lost is not None else None
    for name in ("loss", "technical", "residual"):
        fields[f"{name}_share"] = ratio(fields[f"{name}_wh"], into)
    yield Point("grid_balance", places.tags(line.place, line.from_ms), fields, line.from_ms)


def compliance(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield the verdict of each rule, at the end of the days it is made of."""
    tags = places.tags(line.place, line.from_ms)
    name = "meter_compliance" if "device" in tags else "grid_compliance"
    keeping = body.get("share_of_meters_that_keep", {})
    time_ms = line.from_ms + int(body.get("days", 0)) * DAY_MS
    for rule, found in body.get("rules", {}).items():
        fields = known(found, "share", "coverage")
        fields["verdict"] = _VERDICTS[found.get("holds")]
        if name == "grid_compliance":
            fields["meters"] = number(body.get("meters"))
            fields["meters_that_keep"] = number(keeping.get(rule))
        yield Point(name, {**tags, "rule": rule}, fields, time_ms)


def violation(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield a time out of the band at its begin."""
    tags = places.tags(line.place, line.from_ms)
    fields = known(body, "worst_pu", "withdrawn")
    fields["duration_s"] = (line.to_ms - line.from_ms) / 1000
    fields["withdrawn"] = fields["withdrawn"] or 0.0
    if body.get("kind"):
        yield Point("voltage_violation", {**tags, "kind": str(body["kind"])}, fields, line.from_ms)


def interruption(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield a time without power at its begin; what changes of it only grows."""
    fields = known(body, "minutes")
    fields["withdrawn"] = 1.0 if body.get("withdrawn") else 0.0
    fields["ended"] = 0.0 if body.get("is_open") else 1.0
    yield Point("meter_interruption", places.tags(line.place, line.from_ms), fields, line.from_ms)


def reliability(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield the indices of a month."""
    tags = places.tags(line.place, line.from_ms)
    yield Point("grid_reliability", tags, known(body, *_INDICES), line.from_ms)


def readiness(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield how many meters were ready for their bill so many hours after the end of a month."""
    tags = places.tags(line.place, line.from_ms)
    shares: Sequence[object] = body.get("share_ready", ())
    for hours, share in zip(body.get("hours_after_end", ()), shares, strict=True):
        fields = {"meters": number(body.get("meters")), "share": number(share)}
        yield Point("billing_curve", tags, fields, line.to_ms + int(hours) * HOUR_MS)


def _magnitude(value: float | None) -> float | None:
    return None if value is None else abs(float(value))
