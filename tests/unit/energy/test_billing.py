"""Billing determinants, hand-computed; CSV and Green Button as a stranger reads them."""

import csv
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from gateway.energy import vee
from gateway.energy.billing import (
    NOT_YET_MS,
    BillingPolicy,
    DayFigures,
    Determinants,
    close,
    month,
    of_day,
    progress,
    ready_since,
)
from gateway.energy.billing.export import Point, green_button, to_csv
from gateway.energy.series import Window
from gateway.energy.tariff import RateShares, Tariff, rate_shares
from gateway.model import FloatArray, Quality
from gateway.policies import load_policies
from tests.shared import SHARED, needs_shared
from tests.unit.energy.rig import (
    CALENDAR,
    DAY,
    HALF_HOUR_MS,
    MONDAY_MS,
    NAN,
    job_of,
    ms,
    registers_of,
    varied,
    window_of,
)

TARIFFS = load_policies("tariff", Tariff)
POLICY = load_policies("billing", BillingPolicy).at("vn-billing", MONDAY_MS)
MONDAY = int(CALENDAR.day(np.array([MONDAY_MS]))[0])
ROLLOVER = 1e9
ATOM, ESPI = "{http://www.w3.org/2005/Atom}", "{http://naesb.org/espi}"


def shares_of(found: vee.Intervals) -> RateShares:
    return rate_shares(TARIFFS, "vn-evn-3price", CALENDAR, found.slot_ms(), found.interval_ms)


def figures(window: Window, found: vee.Intervals, day: int) -> DayFigures:
    return of_day(found, window, day, CALENDAR, shares_of(found), POLICY)


def bill(uses: FloatArray, begin: str) -> Determinants:
    """Return the determinants of one meter over whole days from a midnight on."""
    window = window_of([registers_of(uses)], ms(begin))
    found = vee.run(job_of(window))
    first = int(CALENDAR.day(np.array([ms(begin)]))[0])
    days = [figures(window, found, first + k) for k in range(len(uses) // DAY)]
    return close(days, first, first + len(days), ROLLOVER, POLICY)


def by_rate(found: Determinants) -> dict[str, float]:
    return dict(zip(found.rates, found.by_rate_wh[0].tolist(), strict=True))


def counted(days: int) -> FloatArray:
    """Return uses that tell the slot of the day: 1001 Wh in the first, 1048 in the last."""
    return np.tile(1001.0 + np.arange(DAY), days)


def span(first: int, last: int) -> int:
    """Return the sum of slots first to last of ``counted``, both included."""
    return sum(1001 + slot for slot in range(first, last + 1))


def test_a_weekday_is_split_at_the_hours_of_the_tariff() -> None:
    found = bill(counted(1), "2026-03-09T00:00")
    assert by_rate(found) == {
        "offpeak": span(0, 7) + span(44, 47),
        "normal": span(8, 18) + span(23, 33) + span(40, 43),
        "peak": span(19, 22) + span(34, 39),
    }
    assert found.import_wh.tolist() == [span(0, 47)]


def test_a_sunday_has_no_peak_and_a_holiday_has_one() -> None:
    assert by_rate(bill(counted(1), "2026-03-15T00:00")) == {
        "offpeak": span(0, 7) + span(44, 47),
        "normal": span(8, 43),
        "peak": 0,
    }
    assert by_rate(bill(counted(1), "2026-02-17T00:00"))["peak"] == span(19, 22) + span(34, 39)


def test_month_end_goes_to_the_month_in_which_it_was_used() -> None:
    assert month(2026, 2) == (MONDAY - 36, MONDAY - 8)
    assert month(2026, 12)[1] - month(2026, 12)[0] == 31
    window = window_of([registers_of(counted(4))], ms("2026-02-27T00:00"))
    found = vee.run(job_of(window))
    days = [figures(window, found, MONDAY - 10 + k) for k in range(4)]
    february = close(days, MONDAY - 36, MONDAY - 8, ROLLOVER, POLICY)
    march = close(days, *month(2026, 3), ROLLOVER, POLICY)
    assert february.import_wh[0] == march.import_wh[0] == 2 * span(0, 47)
    assert february.register_end_wh[0] == march.register_start_wh[0] == 1000 + 2 * span(0, 47)
    assert (february.missing_days.tolist(), march.missing_days.tolist()) == ([26], [29])
    # 28 February is a Saturday, 1 March a Sunday
    assert by_rate(march)["peak"] == span(19, 22) + span(34, 39)
    assert not march.is_ready[0]


def test_the_month_in_which_the_hours_change() -> None:
    found = bill(counted(2), "2026-05-31T00:00")  # Sunday old, Monday new hours
    assert by_rate(found) == {
        "offpeak": span(0, 7) + span(44, 47) + span(0, 11),
        "normal": span(8, 43) + span(12, 34) + span(45, 47),
        "peak": span(35, 44),
    }


def test_maximum_demand_is_the_highest_measured_half_hour() -> None:
    uses = varied(2 * DAY)
    uses[DAY + 13] = 700
    found = bill(uses, "2026-03-09T00:00")
    assert found.demand_w.tolist() == [1400.0]
    assert found.demand_ms.tolist() == [ms("2026-03-10T06:30")]


def test_an_estimate_sets_no_demand() -> None:
    shown = registers_of(varied(DAY))
    shown[11:14] = [NAN] * 3
    shown[14:] = [value + 9000 for value in shown[14:]]
    window = window_of([shown])
    found = vee.run(job_of(window))
    assert found.import_wh[0, 10] > 2000
    assert figures(window, found, MONDAY).demand_w[0] == 2 * varied(DAY).max()


def test_quarter_hours_are_added_to_half_hours() -> None:
    uses = np.tile([100.0, 101.0, 102.0], 32)
    uses[9:11] = 150  # in two half hours: 102 + 150 and 150 + 102
    uses[40], uses[41] = 180, 60
    quarters = replace(window_of([registers_of(uses)]), interval_ms=HALF_HOUR_MS // 2)
    found = vee.run(job_of(quarters, history=vee.History.nothing(1, 96)))
    day = figures(quarters, found, MONDAY)
    assert day.demand_w.tolist() == [504.0]
    assert day.demand_ms.tolist() == [MONDAY_MS + 4 * HALF_HOUR_MS]


def test_reactive_energy_and_power_factor() -> None:
    window = window_of([registers_of([1000.0] * DAY)] * 3)
    reactive = np.full((3, DAY + 1), NAN)
    reactive[0, [0, DAY]] = [500, 36_500]  # 48 kWh, 36 kvarh: 60 kVAh
    reactive[1, [0, DAY]] = [999_990_000, 13_246.08]  # over the rollover: 23,246 varh
    window = replace(window, reactive_import_varh=reactive)
    found = vee.run(job_of(window))
    closed = close([figures(window, found, MONDAY)], MONDAY, MONDAY + 1, 1e9, POLICY)
    assert closed.reactive_varh[:2] == pytest.approx([36_000, 23_246.08])
    assert closed.power_factor[:2] == pytest.approx([0.8, 0.9], abs=1e-4)
    assert closed.is_low_factor.tolist() == [True, False, False]
    assert np.isnan(closed.power_factor[2])


def test_a_reactive_register_that_falls_is_a_rollover_or_nobody_knows() -> None:
    """One goes on, one rolls over, one meter is exchanged, one is not read at midnight."""
    shown = np.array(
        [[500, 600, 600, 900], [999_999_900, 50, 50, 150], [70_000, 70_100, 3, 90],
         [500, NAN, NAN, 900]]
    )  # fmt: skip
    days = []
    for day in range(2):
        window = window_of([registers_of([1000.0] * DAY)] * 4, MONDAY_MS + day * DAY * HALF_HOUR_MS)
        reactive = np.full((4, DAY + 1), NAN)
        reactive[:, [0, DAY]] = shown[:, 2 * day : 2 * day + 2]
        window = replace(window, reactive_import_varh=reactive)
        days.append(figures(window, vee.run(job_of(window)), MONDAY + day))
    closed = close(days, MONDAY, MONDAY + 2, 1e9, POLICY)
    assert closed.reactive_varh.tolist() == pytest.approx([400, 250, NAN, 400], nan_ok=True)
    assert not closed.is_low_factor.any()
    never = close(days, MONDAY, MONDAY + 2, np.inf, POLICY)
    assert never.reactive_varh.tolist() == pytest.approx([400, NAN, NAN, 400], nan_ok=True)


def test_ready_when_all_is_final_and_nothing_is_held() -> None:
    good = registers_of(varied(DAY))
    recovered = good.copy()
    recovered[20:30] = [NAN] * 10
    still_open = good.copy()
    still_open[-1] = NAN
    spiked = registers_of(np.where(np.arange(DAY) == 5, 3000, varied(DAY)))
    window = window_of([good, recovered, still_open, spiked])
    found = vee.run(job_of(window))
    closed = close([figures(window, found, MONDAY)], MONDAY, MONDAY + 1, 1e9, POLICY)
    assert closed.is_ready.tolist() == [True, True, False, False]
    assert closed.open_slots.tolist() == [0, 0, 1, 0]
    assert closed.held_slots.tolist() == [0, 0, 0, 1]
    assert closed.grades[1, int(Quality.ESTIMATED_FLAT)] == 11
    assert closed.grades[1, int(Quality.VALID)] == DAY - 11
    # the total is that of the registers, to the watt-hour
    assert closed.import_wh[1] == pytest.approx(good[-1] - good[0], abs=1e-6)


def test_a_day_that_is_not_over_is_open() -> None:
    window = window_of([registers_of(varied(10))])
    day = figures(window, vee.run(job_of(window)), MONDAY)
    assert day.open_slots.tolist() == [DAY - 10]
    assert np.isnan(day.register_end_wh[0])


def test_a_day_made_again_with_late_data_takes_the_place_of_the_old_one() -> None:
    shown = registers_of(counted(2))
    late = shown.copy()
    shown[30:40] = [NAN] * 10

    def closed(registers: list[float]) -> Determinants:
        window = window_of([registers])
        found = vee.run(job_of(window))
        days = [figures(window, found, MONDAY + k) for k in (1, 0)]
        return close(days, MONDAY, MONDAY + 2, ROLLOVER, POLICY)

    assert closed(shown).import_wh == pytest.approx(closed(late).import_wh, abs=1e-6)
    assert by_rate(closed(late)) == by_rate(bill(counted(2), "2026-03-09T00:00"))


def test_progress_of_readiness() -> None:
    since = np.full(4, NOT_YET_MS)
    since = ready_since(since, np.array([True, False, False, True]), 100)
    since = ready_since(since, np.array([True, True, False, False]), 200)
    since = ready_since(since, np.array([True, True, False, True]), 300)
    assert since.tolist() == [100, 200, NOT_YET_MS, 300]
    assert progress(since, np.array([99, 100, 250, 300, 10**12])).tolist() == [
        0,
        0.25,
        0.5,
        0.75,
        0.75,
    ]


def test_csv_is_read_back() -> None:
    text = to_csv(bill(counted(1), "2026-03-09T00:00"), ["m-1"], CALENDAR)
    (row,) = csv.DictReader(StringIO(text))
    assert row["device"] == "m-1"
    assert (row["from"], row["to"]) == ("2026-03-09T00:00:00+07:00", "2026-03-10T00:00:00+07:00")
    assert row["ready"] == "yes"
    assert float(row["import_kwh"]) == span(0, 47) / 1000
    assert float(row["peak_kwh"]) == (span(19, 22) + span(34, 39)) / 1000
    assert row["max_demand_kw"] == "2.096"
    assert row["max_demand_at"] == "2026-03-09T23:30:00+07:00"
    assert (row["reactive_kvarh"], row["power_factor"]) == ("", "")
    assert row["slots_valid"] == "48"


def _feed(shown: list[float]) -> tuple[ET.Element, vee.Intervals]:
    window = window_of([shown])
    found = vee.run(job_of(window))
    shares = shares_of(found)
    last = MONDAY + found.slots // DAY
    days = [of_day(found, window, day, CALENDAR, shares, POLICY) for day in range(MONDAY, last)]
    closed = close(days, MONDAY, last, ROLLOVER, POLICY)
    point = Point("m-1", "A <meter> & more", ms("2026-03-12T08:00"))
    return ET.fromstring(green_button(point, found, 0, shares, CALENDAR, closed)), found


@pytest.mark.clause("749.VIII.6-2d")
def test_green_button_as_another_program_reads_it() -> None:
    shown = registers_of(counted(2))
    shown[20:23] = [NAN] * 3
    feed, found = _feed(shown)
    assert feed.findtext(f"{ATOM}title") == "A <meter> & more"
    blocks = feed.findall(f".//{ESPI}IntervalBlock")
    assert [len(block.findall(f"{ESPI}IntervalReading")) for block in blocks] == [48, 48]
    readings = feed.findall(f".//{ESPI}IntervalReading")
    values = [int(one.findtext(f"{ESPI}value") or "") for one in readings]
    assert values == np.rint(found.import_wh[0]).tolist()
    starts = [int(one.findtext(f"{ESPI}timePeriod/{ESPI}start") or "") for one in readings]
    assert starts == (found.slot_ms() // 1000).tolist()
    codes = [one.findtext(f"{ESPI}ReadingQuality/{ESPI}quality") for one in readings]
    assert codes == ["17"] * 19 + ["9"] * 4 + ["17"] * 73
    tou = [one.findtext(f"{ESPI}tou") for one in readings[:20]]
    assert tou == ["3"] * 8 + ["1"] * 11 + ["2"]
    assert feed.findtext(f".//{ESPI}tzOffset") == "25200"
    assert feed.findtext(f".//{ESPI}ReadingType/{ESPI}uom") == "72"
    used = feed.find(f".//{ESPI}UsageSummary/{ESPI}overallConsumptionLastPeriod")
    assert used is not None
    assert used.findtext(f"{ESPI}value") == str(2 * span(0, 47))
    assert feed.findtext(f".//{ESPI}UsageSummary/{ESPI}qualityOfReading") == "13"
    peak = feed.find(f".//{ESPI}peakDemand")
    assert peak is not None
    assert peak.findtext(f"{ESPI}value") == "2096"


def test_green_button_leaves_out_what_is_not_known() -> None:
    feed, _ = _feed([*registers_of(counted(1))[:-2], NAN, NAN])
    assert len(feed.findall(f".//{ESPI}IntervalReading")) == 46


def _orders(feed: ET.Element) -> dict[str, list[str]]:
    """Return for each kind of element the order in which its children came."""
    orders: dict[str, list[str]] = {}
    for element in feed.iter():
        names = [re.sub(r"\{.*\}", "", child.tag) for child in element]
        name = re.sub(r"\{.*\}", "", element.tag)
        if len(set(names)) > len(set(orders.get(name, []))):
            orders[name] = list(dict.fromkeys(names))
    return orders


@needs_shared
def test_green_button_has_the_order_of_a_published_sample() -> None:
    path = (SHARED or Path()) / "data" / "meters" / "green-button-15min.xml"
    theirs = _orders(ET.parse(path).getroot())
    ours = _orders(_feed(registers_of(counted(1)))[0])
    checked = 0
    for name in ("IntervalBlock", "IntervalReading", "timePeriod", "ReadingType", "entry"):
        common = [child for child in ours[name] if child in theirs[name]]
        assert common == [child for child in theirs[name] if child in ours[name]], name
        checked += len(common)
    assert checked >= 20
    theirs["UsageSummary"] = theirs["ElectricPowerUsageSummary"]
    common = [child for child in ours["UsageSummary"] if child in theirs["UsageSummary"]]
    assert common == [child for child in theirs["UsageSummary"] if child in common]
