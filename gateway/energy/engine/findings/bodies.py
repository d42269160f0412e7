"""Results as they are kept and shown: JSON with units in its names, runs instead of repetition."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import msgspec
import numpy as np

from gateway.energy import vee
from gateway.energy.billing import Determinants
from gateway.energy.vee.lineage import Change
from gateway.model import FloatArray, IntArray, Quality, Reason
from gateway.views.engineering import reason_names, time_text

MOST_CHANGES = 20  # in the lineage of a slot; the first and the newest stay
_DECIMALS = 3
_QUALITIES = {grade.name.lower(): int(grade) for grade in Quality}
_METHODS = {method.name.lower(): int(method) for method in vee.Method}
_METHOD = '"method":'
_CHECKED, _OFF_TIME, _MS_PER_S = int(vee.Method.CHECK_METER), int(Reason.TIME_SYNC), 1000
_AT_ONCE = (vee.Method.MEASURED.name.lower(), vee.Method.BACKLOG.name.lower())  # no history
_QUALITY_NAMES = {number: name for name, number in _QUALITIES.items()}
_METHOD_NAMES = {number: name for name, number in _METHODS.items()}


def encode(body: dict[str, object]) -> str:
    """Return a body as JSON."""
    return msgspec.json.encode(body).decode()


def intervals_bodies(
    found: vee.Intervals, stops: Sequence[int], name_of: Callable[[int], str]
) -> Iterator[str]:
    """Yield for each meter its slots before ``stops``; ``name_of`` device indexes."""
    interval_s = found.interval_ms // 1000
    # whole tables at once: a numpy call for each meter would cost more than the text
    imported, exported = tabled(found.import_wh), tabled(found.export_wh)
    register, reasons = tabled(found.register_wh), found.reasons.tolist()
    quality, method = found.quality.tolist(), found.method.tolist()
    is_final, marked_rows = found.is_final.tolist(), set(np.nonzero(found.reasons)[0].tolist())
    names = {bits: reason_names(bits) for bits in np.unique(found.reasons).tolist()}
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
                body["reasons"] = [[slot, names[bits]] for slot, bits in marked]
            if any(bits & _OFF_TIME for _, bits in marked):
                body |= _clock(found, row)
        if _CHECKED in method[row][:stop]:
            body |= _sources(found, row, stop, name_of)
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
    exported = np.full(shape, np.nan)
    quality = np.full(shape, -1, np.int64)
    method = np.full(shape, -1, np.int8)
    for row, text in enumerate(bodies):
        if text is None:
            continue
        body = msgspec.json.decode(text)
        shown = body["import_wh"][:slots]
        energy[row, : len(shown)] = [np.nan if one is None else one for one in shown]
        fed_in = body.get("export_wh", [])[:slots]
        exported[row, : len(fed_in)] = [np.nan if one is None else one for one in fed_in]
        quality[row, : len(shown)] = _spread(body["quality"], _QUALITIES)[: len(shown)]
        method[row, : len(shown)] = _spread(body["method"], _METHODS)[: len(shown)]
    return vee.Intervals(
        device_index,
        start_ms,
        interval_ms,
        energy,
        exported,
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


def is_continued(old: str, new: str) -> bool:
    """Return whether a body has all slots of an older one as they were, and else only measured.

    Nearly by the text alone: to read all days back takes longer than to work them out.
    """
    end = old.index("]")  # of the values, which come first
    if not new.startswith(old[:end]) or new[end] not in ",]":
        return False
    (*same, (last, count)), runs = _method_runs(old), _method_runs(new)
    if runs[: len(same)] != same or len(runs) == len(same) or runs[len(same)][0] != last:
        return False
    (_, now), *behind = runs[len(same) :]
    grown = [last] * (now > count) + [name for name, _ in behind]
    return now >= count and all(name in _AT_ONCE for name in grown)


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
        *(found.open_slots.tolist(), found.held_slots.tolist()),
        *(found.missing_days.tolist(), found.is_ready.tolist()),
        strict=True,
    )
    at = {ms: time_text(ms) for ms in set(found.demand_ms[np.isfinite(found.demand_w)].tolist())}
    for values, by_rate, demand_ms, is_low, grades, is_open, held, missing, is_ready in rows:
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
                "missing_days": missing,
                "is_billing_ready": is_ready,
            }
        )


def tabled(table: FloatArray) -> list[list[float | int | None]]:
    """Return the rows of a table as ``numbers`` would, all at once."""
    shown = as_told(table)
    is_known = np.isfinite(shown)
    is_whole = is_known & (np.rint(shown) == shown)
    cells = np.full(shown.shape, None, object)  # a Python call for each value would cost ten times
    cells[is_known] = shown[is_known]
    cells[is_whole] = shown[is_whole].astype(np.int64)
    rows: list[list[float | int | None]] = cells.tolist()
    return rows


def as_told(table: FloatArray) -> FloatArray:
    """Return values as exactly as they are told."""
    return np.round(table, _DECIMALS)


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


def _clock(found: vee.Intervals, row: int) -> dict[str, object]:
    """Return how far the clock was off on that day, where its readings tell."""
    offset_ms = np.nan if found.clock_offset_ms is None else found.clock_offset_ms[row, 0]
    return {} if np.isnan(offset_ms) else {"clock_offset_s": number(offset_ms / _MS_PER_S)}


def _sources(
    found: vee.Intervals, row: int, stop: int, name_of: Callable[[int], str]
) -> dict[str, object]:
    """Return which check meter's value stands in which slots: name, first slot, how many."""
    if found.check_index is None:
        return {}
    told, slot = [], 0
    for index, group in groupby(found.check_index[row, :stop].tolist()):
        count = len(list(group))
        if index >= 0:
            told.append([name_of(index), slot, count])
        slot += count
    return {"check_meters": told}


def _runs(codes: list[int], names: dict[int, str]) -> list[tuple[str, int]]:
    if codes and codes.count(codes[0]) == len(codes):
        return [(names[codes[0]], len(codes))]
    return [(names[code], len(list(group))) for code, group in groupby(codes)]


def _method_runs(body: str) -> list[tuple[str, int]]:
    begin = body.index(_METHOD) + len(_METHOD)
    return msgspec.json.decode(
        body[begin : body.index("]]", begin) + 2], type=list[tuple[str, int]]
    )


def _spread(runs: Sequence[Sequence[object]], codes: dict[str, int]) -> list[int]:
    return [codes[str(name)] for name, count in runs for _ in range(int(str(count)))]
