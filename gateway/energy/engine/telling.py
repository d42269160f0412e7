"""Results as they are kept and shown: JSON with units in its names, runs instead of repetition."""

from collections.abc import Sequence
from itertools import groupby

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.energy import vee
from gateway.energy.billing import Determinants
from gateway.energy.vee.lineage import Change
from gateway.model import FloatArray, IntArray, Quality
from gateway.views.engineering import reason_names, time_text

MOST_CHANGES = 20  # in the lineage of a slot; the first and the newest stay
_DECIMALS = 3
_QUALITIES = {grade.name.lower(): int(grade) for grade in Quality}
_METHODS = {method.name.lower(): int(method) for method in vee.Method}
_QUALITY_NAMES = {number: name for name, number in _QUALITIES.items()}
_METHOD_NAMES = {number: name for name, number in _METHODS.items()}


def encode(body: dict[str, object]) -> str:
    """Return a body as JSON."""
    return msgspec.json.encode(body).decode()


def intervals_body(found: vee.Intervals, row: int, first: int, stop: int) -> str:
    """Return slots ``first`` to before ``stop`` of a meter."""
    part = slice(first, stop)
    exported = found.export_wh[row, part]
    body: dict[str, object] = {
        "interval_s": found.interval_ms // 1000,
        "import_wh": numbers(found.import_wh[row, part]),
        "quality": _runs(found.quality[row, part], _QUALITY_NAMES),
        "method": _runs(found.method[row, part], _METHOD_NAMES),
        "open_slots": int(stop - first - found.is_final[row, part].sum()),
        "register_begin_wh": number(found.register_wh[row, first]),
        "register_end_wh": number(found.register_wh[row, stop]),
    }
    if np.nansum(exported) > 0:
        body["export_wh"] = numbers(exported)
    reasons = found.reasons[row, part]
    marked = np.flatnonzero(reasons).tolist()
    if marked:
        body["reasons"] = [[slot, reason_names(int(reasons[slot]))] for slot in marked]
    return encode(body)


def read_back(
    bodies: Sequence[str | None],
    device_index: IntArray,
    start_ms: int,
    interval_ms: int,
    slots: int,
) -> vee.Intervals:
    """Return what stored bodies say, for the comparison with what is new; empty where None."""
    shape = (len(bodies), slots)
    energy, unknown = np.full(shape, np.nan), np.full((len(bodies), slots + 1), np.nan)
    quality = np.full(shape, -1, np.int64)
    method = np.full(shape, -1, np.int8)
    for row, text in enumerate(bodies):
        if text is None:
            continue
        body = msgspec.json.decode(text)
        shown = body["import_wh"][:slots]
        energy[row, : len(shown)] = [np.nan if one is None else one for one in shown]
        quality[row, : len(shown)] = _spread(body["quality"], _QUALITIES)[: len(shown)]
        method[row, : len(shown)] = _spread(body["method"], _METHODS)[: len(shown)]
    return vee.Intervals(
        device_index,
        start_ms,
        interval_ms,
        energy,
        np.full(shape, np.nan),
        quality,
        np.zeros(shape, np.int64),
        method,
        np.zeros(shape, np.bool_),
        unknown,
        np.zeros(0, np.int64),
        np.zeros((len(bodies), 0), np.bool_),
        (),
        vee.Carry.nothing(len(bodies)),
    )


def is_same_use(body: str, found: vee.Intervals, row: int, first: int) -> bool:
    """Return whether a stored body tells the same values, come about in the same way."""
    told = msgspec.json.decode(body)
    part = slice(first, first + len(told["import_wh"]))
    return bool(
        told["import_wh"] == numbers(found.import_wh[row, part])
        and _spread(told["method"], _METHODS) == found.method[row, part].tolist()
    )


def lineage_body(old: str | None, changes: Sequence[Change]) -> str:
    """Return the history of a slot with further steps; one that is told already is left out."""
    told = [] if old is None else msgspec.json.decode(old)["changes"]
    for change in changes:
        step = {
            "old_wh": _rounded(change.old_wh),
            "new_wh": _rounded(change.new_wh),
            "old_rule": change.old_rule,
            "rule": change.rule,
            "who": change.who,
            "when": time_text(change.when_ms),
            "why": change.why,
        }
        if not told or told[-1] != step:
            told.append(step)
    if len(told) > MOST_CHANGES:
        told = [told[0], *told[1 - MOST_CHANGES :]]
    return encode({"changes": told})


def determinants_body(found: Determinants, row: int) -> str:
    """Return what a bill is made of."""
    grades = found.grades[row]
    demand = number(found.demand_w[row])
    return encode(
        {
            "import_wh": number(found.import_wh[row]),
            "export_wh": number(found.export_wh[row]),
            "by_rate_wh": dict(zip(found.rates, numbers(found.by_rate_wh[row]), strict=True)),
            "demand_w": demand,
            "demand_at": None if demand is None else time_text(int(found.demand_ms[row])),
            "register_begin_wh": number(found.register_start_wh[row]),
            "register_end_wh": number(found.register_end_wh[row]),
            "reactive_varh": number(found.reactive_varh[row]),
            "power_factor": number(found.power_factor[row]),
            "is_low_power_factor": bool(found.is_low_factor[row]),
            "quality_slots": {
                _QUALITY_NAMES[grade]: int(count) for grade, count in enumerate(grades) if count
            },
            "open_slots": int(found.open_slots[row]),
            "held_slots": int(found.held_slots[row]),
            "missing_days": found.missing_days,
            "is_billing_ready": bool(found.is_ready[row]),
        }
    )


def numbers(values: FloatArray) -> list[float | int | None]:
    """Return numbers for JSON: whole ones without a point, None for NaN."""
    shown = np.round(values, _DECIMALS)
    if np.isfinite(shown).all() and (np.rint(shown) == shown).all():
        return list(shown.astype(np.int64).tolist())
    return [number(value) for value in shown.tolist()]


def number(value: float) -> float | int | None:
    """Return one number for JSON."""
    if np.isnan(value):
        return None
    shown = round(float(value), _DECIMALS)
    return int(shown) if shown.is_integer() else shown


def _rounded(value: float | None) -> float | int | None:
    return None if value is None else number(value)


def _runs(codes: NDArray[np.integer], names: dict[int, str]) -> list[tuple[str, int]]:
    return [(names[code], len(list(group))) for code, group in groupby(codes.tolist())]


def _spread(runs: Sequence[Sequence[object]], codes: dict[str, int]) -> list[int]:
    return [codes[str(name)] for name, count in runs for _ in range(int(str(count)))]
