"""Bills as CSV and Green Button out of what the engine has kept."""

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.bills.exports import Exports, Shelf
from gateway.model import ReadingBatch
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader
from tests.unit.energy.desk import POLICIES, PROFILES, SLOTS, Utility, name_of, register, use
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

ATOM = "{http://www.w3.org/2005/Atom}"
ESPI = "{http://naesb.org/espi}"
DAY = MONDAY_MS // DAY_MS + 1  # the local day that begins there


def exports_of(utility: Utility) -> Exports:
    reader = StoreReader(utility.folder, PROFILES)
    shelf = Shelf(DerivedReader(utility.folder), reader.devices(), PROFILES, utility.registry)
    return Exports(shelf, POLICIES)


def worked(folder: Path) -> Utility:
    """Return three meters with two days; meter 1 lost the reading at mark 20."""
    utility = Utility(folder)
    utility.at(2 * SLOTS)
    utility.send(range(2 * SLOTS + 1), [0, 2])
    utility.send([m for m in range(2 * SLOTS + 1) if m != 20], [1])
    utility.go(40)
    return utility


def test_the_bills_of_a_month_are_a_line_for_each_customer(tmp_path: Path) -> None:
    text = "".join(exports_of(worked(tmp_path)).determinants(DAY))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["device"] for line in lines] == [name_of(k) for k in range(3)]
    for meter, line in enumerate(lines):
        total = register(meter, 2 * SLOTS) - register(meter, 0)
        assert float(line["import_kwh"]) == total / 1000
        rates = sum(float(line[f"{rate}_kwh"]) for rate in ("normal", "peak", "offpeak"))
        assert abs(rates - total / 1000) < 0.002
        assert line["ready"] == "no"  # the month is not over
        assert (line["from"], line["to"]) == (
            "2026-03-01T00:00:00+07:00",
            "2026-04-01T00:00:00+07:00",
        )


def test_slots_are_a_feed_with_their_quality(tmp_path: Path) -> None:
    found = exports_of(worked(tmp_path)).green_button(name_of(1), (DAY, DAY + 2), MONDAY_MS)
    assert found is not None
    readings = list(ET.fromstring(found).iter(f"{ESPI}IntervalReading"))
    assert len(readings) == 2 * SLOTS
    values = [int(one.findtext(f"{ESPI}value", "")) for one in readings]
    assert values[:19] == [use(1, m) for m in range(19)]
    assert abs(sum(values) - (register(1, 2 * SLOTS) - register(1, 0))) <= 1  # halves are rounded
    quality = [one.findtext(f"{ESPI}ReadingQuality/{ESPI}quality") for one in readings]
    assert quality[18:22] == ["17", "9", "9", "17"]  # validated, estimated by interpolation
    starts = [int(one.findtext(f"{ESPI}timePeriod/{ESPI}start", "")) for one in readings]
    assert starts[0] * 1000 == MONDAY_MS
    assert starts[-1] - starts[0] == (2 * SLOTS - 1) * 1800


def test_what_a_prosumer_feeds_in_is_a_second_reading_of_the_feed(tmp_path: Path) -> None:
    """Meter 0 feeds in 40 Wh more in each slot: 40, 80 … 240 Wh, then nothing."""
    utility = Utility(tmp_path)
    utility.at(8)
    fed = [0, 40, 120, 240, 400, 600, 840, 840, 840]
    marks = np.arange(len(fed))
    values = np.zeros((len(fed), 6))
    values[:, 0], values[:, 1] = [register(0, m) for m in marks.tolist()], fed
    values[:, 2:6] = [230, 2300, 100, 1000]
    time_ms, none = MONDAY_MS + marks * HALF_HOUR_MS, np.zeros(len(fed), np.int64)
    utility.put(
        ReadingBatch(
            "em1", none, none, none - 1, time_ms, time_ms, values, none, none + 1, none,
            utility.next_records(len(fed)),
        )
    )  # fmt: skip
    utility.go(40)
    found = exports_of(utility).green_button(name_of(0), (DAY, DAY + 1), MONDAY_MS)
    feed = ET.fromstring(found or "")
    kinds = [one.findtext(f"{ESPI}flowDirection") for one in feed.iter(f"{ESPI}ReadingType")]
    assert kinds == ["1", "19"]
    delivered, fed_in = (
        [int(one.findtext(f"{ESPI}value", "")) for one in block.iter(f"{ESPI}IntervalReading")]
        for block in feed.iter(f"{ESPI}IntervalBlock")
    )
    assert delivered == [use(0, m) for m in range(8)]
    assert fed_in == [40, 80, 120, 160, 200, 240, 0, 0]
    related = [
        one.get("href", "") for one in feed.iter(f"{ATOM}link") if one.get("rel") == "related"
    ]
    assert [link.rpartition("/")[2] for link in related] == ["01", "02"]


def test_of_a_meter_that_nobody_heard_there_is_no_feed(tmp_path: Path) -> None:
    exports = exports_of(worked(tmp_path))
    assert exports.green_button("nobody", (DAY, DAY + 2), MONDAY_MS) is None
    assert exports.green_button(name_of(1), (DAY - 40, DAY - 9), MONDAY_MS) is None
    assert not "".join(exports.determinants(DAY - 40))
