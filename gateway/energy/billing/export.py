"""Determinants as CSV, and one meter's intervals as Green Button XML (ESPI)."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from html import escape
from io import StringIO
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from gateway.energy.billing import GRADES, Determinants
from gateway.energy.calendar import DAY_MS, Calendar
from gateway.energy.tariff import RateShares
from gateway.energy.vee.grading import ESPI_MISSING, espi_quality
from gateway.energy.vee.types import ESTIMATES, Intervals
from gateway.model import FloatArray, IntArray, Quality

_MS_PER_S, _S_PER_MIN = 1000, 60
_WH_PER_KWH = 1000
_KWH_DIGITS, _KW_DIGITS, _FACTOR_DIGITS = 3, 3, 4
# ESPI enumerations (espi.xsd 4.0)
_DELTA_DATA, _BULK_QUANTITY = 4, 1
_ELECTRICITY, _ENERGY_KIND, _NORMAL_QUALIFIER = 1, 12, 12
_FORWARD, _REVERSE = 1, 19
_UOM_WH, _UOM_W = 72, 38
_MIXED_QUALITY = 13
_MILLI = -3
_ATOM = "http://www.w3.org/2005/Atom"
_ESPI = "http://naesb.org/espi"


class _Flow(NamedTuple):
    """Energy in one direction."""

    number: str
    title: str
    column: str  # of intervals
    direction: int


_DELIVERED = _Flow("01", "Energy delivered", "import_wh", _FORWARD)
_RECEIVED = _Flow("02", "Energy fed in", "export_wh", _REVERSE)


class _Entry(NamedTuple):
    """An entry of the feed."""

    link: str
    title: str
    body: str
    related: str = ""  # link of what says how to read it


class Point(NamedTuple):
    """The meter that a Green Button file is about."""

    id: str  # device id
    title: str
    updated_ms: int  # when the file was made


def to_csv(found: Determinants, names: Sequence[str], calendar: Calendar) -> str:
    """Return determinants as CSV, a line for each meter; unknown values are empty."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    grades = [grade.name.lower() for grade in Quality]
    writer.writerow(
        [
            "device", "from", "to", "ready",
            "import_kwh", *(f"{rate}_kwh" for rate in found.rates), "export_kwh",
            "register_start_kwh", "register_end_kwh", "max_demand_kw",
            "max_demand_at", "reactive_kvarh", "power_factor", "open_slots", "held_slots",
            *(f"slots_{grade}" for grade in grades),
        ]
    )  # fmt: skip
    zone = timezone(timedelta(minutes=calendar.utc_offset_min))
    span = [_local(calendar.start_ms(day), zone) for day in (found.first_day, found.stop_day)]
    for row, name in enumerate(names):
        energies = [found.import_wh[row], *found.by_rate_wh[row], found.export_wh[row]]
        energies += [found.register_start_wh[row], found.register_end_wh[row]]
        has_demand = bool(np.isfinite(found.demand_w[row]))
        writer.writerow(
            [
                name,
                *span,
                "yes" if found.is_ready[row] else "no",
                *(_number(value / _WH_PER_KWH, _KWH_DIGITS) for value in energies),
                _number(found.demand_w[row] / _WH_PER_KWH, _KW_DIGITS),
                _local(int(found.demand_ms[row]), zone) if has_demand else "",
                _number(found.reactive_varh[row] / _WH_PER_KWH, _KWH_DIGITS),
                _number(found.power_factor[row], _FACTOR_DIGITS),
                int(found.open_slots[row]),
                int(found.held_slots[row]),
                *(int(found.grades[row, grade]) for grade in range(GRADES)),
            ]
        )
    return out.getvalue()


def green_button(
    point: Point,
    intervals: Intervals,
    row: int,
    shares: RateShares,
    calendar: Calendar,
    summary: Determinants | None = None,
) -> str:
    """Return one meter's slots as a Green Button feed, one block for each local day.

    Args:
        point: who the meter is.
        intervals: of ``vee.run``.
        row: the meter's row there, and in ``summary``.
        shares: rates of the slots; a slot's ``tou`` is its largest, counted from 1.
        calendar: local days.
        summary: determinants of a cycle, for the usage summary.
    """
    base = f"/espi/1_1/resource/RetailCustomer/0/UsagePoint/{point.id}"
    offset_s = calendar.utc_offset_min * _S_PER_MIN
    entries = [
        _Entry(base, point.title, _root("UsagePoint", _tag("ServiceCategory", _leaf("kind", 0)))),
        _Entry(
            "/espi/1_1/resource/LocalTimeParameters/01",
            "No summer time",
            _root("LocalTimeParameters", _local_time(offset_s)),
        ),
    ]
    shown = (intervals, row, shares)
    entries += _readings(f"{base}/MeterReading", _DELIVERED, shown, calendar)
    if np.nansum(intervals.export_wh[row]) > 0:
        entries += _readings(f"{base}/MeterReading", _RECEIVED, shown, calendar)
    if summary is not None:
        body = _root("UsageSummary", _usage(summary, row, calendar, point))
        entries.append(_Entry(f"{base}/UsageSummary/01", "Billing period", body))
    return _feed(point, base, entries)


def _readings(
    base: str, flow: _Flow, shown: tuple[Intervals, int, RateShares], calendar: Calendar
) -> Iterator[_Entry]:
    """Yield what went in one direction: its type, and a block for each day."""
    intervals, row, shares = shown
    link, kind = f"{base}/{flow.number}", f"/espi/1_1/resource/ReadingType/{flow.number}"
    values = getattr(intervals, flow.column)[row]
    power = _power_of(values, intervals.method[row])
    reading_type = _reading_type(intervals.interval_ms // _MS_PER_S, flow.direction, power)
    yield _Entry(link, flow.title, _root("MeterReading", ""), kind)
    words = "Watt-hours of each interval" if not power else "Thousandths of Wh of each interval"
    yield _Entry(kind, words, _root("ReadingType", reading_type))
    scaled = values * 10.0**-power
    days = calendar.day(intervals.slot_ms())
    for day in np.unique(days).tolist():
        slots = np.flatnonzero(days == day)
        block = _block((intervals, row, shares), scaled, slots.tolist())
        if block:
            yield _Entry(f"{link}/IntervalBlock/{day}", "", _root("IntervalBlock", block))


def _power_of(values_wh: FloatArray, method: IntArray) -> int:
    """Return the power of ten of values: whole Wh, unless what was measured or told has less.

    The last digits of our own estimates are arithmetic.
    """
    told = values_wh[np.isfinite(values_wh) & ~np.isin(method, ESTIMATES)]
    return 0 if (told == np.rint(told)).all() else _MILLI


def _block(
    shown: tuple[Intervals, int, RateShares], values: FloatArray, slots: Sequence[int]
) -> str:
    """Return the readings of a day; a slot without a value has none."""
    intervals, row, shares = shown
    length_s = intervals.interval_ms // _MS_PER_S
    start_s = intervals.start_ms // _MS_PER_S
    quality = espi_quality(intervals.quality[row])
    tou = shares.share.argmax(axis=0) + 1
    readings = [
        _tag(
            "IntervalReading",
            _tag("ReadingQuality", _leaf("quality", int(quality[slot])))
            + _period("timePeriod", length_s, start_s + slot * length_s)
            + _leaf("value", round(float(values[slot])))
            + _leaf("tou", int(tou[slot])),
        )
        for slot in slots
        if quality[slot] != ESPI_MISSING and np.isfinite(values[slot])
    ]
    if not readings:
        return ""
    head = _period("interval", length_s * len(slots), start_s + slots[0] * length_s)
    return head + "".join(readings)


def _reading_type(length_s: int, direction: int, power: int) -> str:
    return (
        _leaf("accumulationBehaviour", _DELTA_DATA)
        + _leaf("commodity", _ELECTRICITY)
        + _leaf("dataQualifier", _NORMAL_QUALIFIER)
        + _leaf("flowDirection", direction)
        + _leaf("intervalLength", length_s)
        + _leaf("kind", _ENERGY_KIND)
        + _leaf("powerOfTenMultiplier", power)
        + _leaf("timeAttribute", 0)
        + _leaf("uom", _UOM_WH)
    )


def _usage(found: Determinants, row: int, calendar: Calendar, point: Point) -> str:
    start_s = calendar.start_ms(found.first_day) // _MS_PER_S
    length_s = (found.stop_day - found.first_day) * DAY_MS // _MS_PER_S
    made_s = point.updated_ms // _MS_PER_S
    codes = espi_quality(np.flatnonzero(found.grades[row]))
    quality = int(codes[0]) if len(set(codes.tolist())) == 1 else _MIXED_QUALITY
    parts = _period("billingPeriod", length_s, start_s)
    parts += _measured("overallConsumptionLastPeriod", _UOM_WH, float(found.import_wh[row]), made_s)
    if np.isfinite(found.demand_w[row]):
        at_s = int(found.demand_ms[row]) // _MS_PER_S
        parts += _measured("peakDemand", _UOM_W, float(found.demand_w[row]), at_s)
    return parts + _leaf("qualityOfReading", quality) + _leaf("statusTimeStamp", made_s)


def _measured(name: str, uom: int, value: float, at_s: int) -> str:
    inside = _leaf("powerOfTenMultiplier", 0) + _leaf("timeStamp", at_s)
    return _tag(name, inside + _leaf("uom", uom) + _leaf("value", round(value)))


def _local_time(offset_s: int) -> str:
    # "FFFFFFFF": ESPI's word for a rule that never applies
    rules = "<dstEndRule>FFFFFFFF</dstEndRule><dstOffset>0</dstOffset>"
    return f"{rules}<dstStartRule>FFFFFFFF</dstStartRule>{_leaf('tzOffset', offset_s)}"


def _period(name: str, length_s: int, start_s: int) -> str:
    return _tag(name, _leaf("duration", length_s) + _leaf("start", start_s))


def _root(name: str, inside: str) -> str:
    return f'<{name} xmlns="{_ESPI}">{inside}</{name}>'


def _tag(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>"


def _leaf(name: str, value: int) -> str:
    return f"<{name}>{value}</{name}>"


def _feed(point: Point, base: str, parts: Sequence[_Entry]) -> str:
    updated = datetime.fromtimestamp(point.updated_ms / _MS_PER_S, UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    stamp = f"<published>{updated}</published><updated>{updated}</updated>"
    entries = "\n".join(
        f"<entry><id>urn:uuid:{uuid5(NAMESPACE_URL, one.link)}</id>"
        f'<link rel="self" href="{escape(one.link)}"/>'
        f'<link rel="up" href="{escape(one.link.rpartition("/")[0])}"/>'
        + (f'<link rel="related" href="{escape(one.related)}"/>' if one.related else "")
        + f"<title>{escape(one.title)}</title><content>{one.body}</content>{stamp}</entry>"
        for one in parts
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<feed xmlns="{_ATOM}"><id>urn:uuid:{uuid5(NAMESPACE_URL, base + "/feed")}</id>'
        f"<title>{escape(point.title)}</title><updated>{updated}</updated>"
        f'<link rel="self" href="{escape(base)}"/>\n{entries}\n</feed>\n'
    )


def _local(time_ms: int, zone: timezone) -> str:
    return datetime.fromtimestamp(time_ms / _MS_PER_S, zone).isoformat(timespec="seconds")


def _number(value: float | FloatArray, digits: int) -> str:
    number = float(value)
    return f"{number:.{digits}f}" if np.isfinite(number) else ""
