"""Bills as CSV and Green Button out of what the engine has kept."""

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.exports import Exports, Shelf
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader
from tests.unit.energy.desk import POLICIES, PROFILES, SLOTS, Utility, name_of, register, use
from tests.unit.energy.rig import MONDAY_MS

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


def test_of_a_meter_that_nobody_heard_there_is_no_feed(tmp_path: Path) -> None:
    exports = exports_of(worked(tmp_path))
    assert exports.green_button("nobody", (DAY, DAY + 2), MONDAY_MS) is None
    assert exports.green_button(name_of(1), (DAY - 40, DAY - 9), MONDAY_MS) is None
    assert not "".join(exports.determinants(DAY - 40))
