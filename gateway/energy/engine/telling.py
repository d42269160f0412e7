"""Results as they are kept and shown: JSON with units in its names, runs instead of repetition."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
import numpy as np

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


def intervals_bodies(found: vee.Intervals, stops: Sequence[int]) -> Iterator[str]:
    """Yield for each meter its slots before ``stops``."""
    interval_s = found.interval_ms // 1000
    # whole tables at once: a numpy call for each meter would cost more than the text
    imported, exported = tabled(found.import_wh), tabled(found.export_wh)
    register, reasons = tabled(found.register_wh), found.reasons.tolist()
    quality, method = found.quality.tolist(), found.method.tolist()
    is_final, marked_rows = found.is_final.tolist(), set(np.nonzero(found.reasons)[0].tolist())
    for row, stop in enumerate(stops):
        body: dict[str, object] = {
            "interval_s": interval_s,
            "import_wh": imported[row][:stop],
            "quality": _runs(quality[row][:stop], _QUALITY_NAMES),
            "method": _runs(method[row][:stop], _METHOD_NAMES),
            "open_slots": stop - sum(is_final[row][:stop]),
            "register_begin_wh": register[row][0],
            "register_end_wh": register[row][stop],
        }
        if any(exported[row][:stop]):
            body["export_wh"] = exported[row][:stop]
        if row in marked_rows:
            marked = [(slot, bits) for slot, bits in enumerate(reasons[row][:stop]) if bits]
            if marked:
                body["reasons"] = [[slot, reason_names(bits)] for slot, bits in marked]
        yield encode(body)


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


def determinants_bodies(found: Determinants) -> Iterator[str]:
    """Yield for each meter what its bill is made of."""
    totals = np.stack(
        [
            *(found.import_wh, found.export_wh, found.demand_w, found.register_start_wh),
            *(found.register_end_wh, found.reactive_varh, found.power_factor),
        ],
        axis=1,
    )
    rows = zip(
        *(tabled(totals), tabled(found.by_rate_wh), found.demand_ms.tolist()),
        *(found.is_low_factor.tolist(), found.grades.tolist()),
        *(found.open_slots.tolist(), found.held_slots.tolist(), found.is_ready.tolist()),
        strict=True,
    )
    at = {ms: time_text(ms) for ms in set(found.demand_ms[np.isfinite(found.demand_w)].tolist())}
    for values, by_rate, demand_ms, is_low, grades, is_open, held, is_ready in rows:
        imported, exported, demand, begin, end, reactive, factor = values
        yield encode(
            {
                "import_wh": imported,
                "export_wh": exported,
                "by_rate_wh": dict(zip(found.rates, by_rate, strict=True)),
                "demand_w": demand,
                "demand_at": None if demand is None else at[demand_ms],
                "register_begin_wh": begin,
                "register_end_wh": end,
                "reactive_varh": reactive,
                "power_factor": factor,
                "is_low_power_factor": is_low,
                "quality_slots": {
                    _QUALITY_NAMES[grade]: count for grade, count in enumerate(grades) if count
                },
                "open_slots": is_open,
                "held_slots": held,
                "missing_days": found.missing_days,
                "is_billing_ready": is_ready,
            }
        )


def tabled(table: FloatArray) -> list[list[float | int | None]]:
    """Return the rows of a table as ``numbers`` would, all at once."""
    shown = np.round(table, _DECIMALS)
    is_known = np.isfinite(shown)
    is_whole = is_known & (np.rint(shown) == shown)
    told = np.full(shown.shape, None, object)  # a Python call for each value would cost ten times
    told[is_known] = shown[is_known]
    told[is_whole] = shown[is_whole].astype(np.int64)
    rows: list[list[float | int | None]] = told.tolist()
    return rows


def numbers(values: FloatArray) -> list[float | int | None]:
    """Return numbers for JSON: whole ones without a point, None for NaN."""
    return tabled(values[None])[0]


def number(value: float) -> float | int | None:
    """Return one number for JSON."""
    shown = round(float(value), _DECIMALS)
    if shown.is_integer():
        return int(shown)
    return shown if math.isfinite(shown) else None


def _rounded(value: float | None) -> float | int | None:
    return None if value is None else number(value)


def _runs(codes: list[int], names: dict[int, str]) -> list[tuple[str, int]]:
    if codes and codes.count(codes[0]) == len(codes):
        return [(names[codes[0]], len(codes))]
    return [(names[code], len(list(group))) for code, group in groupby(codes)]


def _spread(runs: Sequence[Sequence[object]], codes: dict[str, int]) -> list[int]:
    return [codes[str(name)] for name, count in runs for _ in range(int(str(count)))]
