"""Meters of which files tell and registers, too: each day is billed once, by one of them."""

import csv
import io
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gateway.energy.calendar import DAY_MS
from gateway.energy.edits import EditLine, append
from gateway.energy.engine.bills.exports import Exports, Shelf
from gateway.energy.engine.days.halfhours import energies
from gateway.energy.engine.grid.roster import Roster
from gateway.history import Flag, Row, Series
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader
from tests.unit.energy.archive import Archive
from tests.unit.energy.desk import POLICIES, PROFILES, SLOTS, name_of, register, use
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

METER, HEAD = 0, 2
DAY = MONDAY_MS // DAY_MS + 1  # the local day that begins there
DAYS = 4
SUMMARY = "{http://naesb.org/espi}overallConsumptionLastPeriod"
SERIES = ("intervals", "days", "determinants", "balance")
REGISTRY = Registry(
    RegistryFile.model_validate(
        {
            "node": [
                {"id": "fdr-1", "kind": "feeder"},
                {"id": "tba-1", "kind": "transformer", "parent": "fdr-1"},
            ],
            "device": [
                {
                    "id": name_of(k),
                    "org": "evn",
                    "sector": "energy",
                    "parent": "tba-1",
                    "head": k == HEAD,
                }
                for k in range(HEAD + 1)
            ],
        }
    )
)


def told(first: int, stop: int, factor: int = 1, meter: int = METER) -> Series:
    """Return days of a meter as a file has them: what its registers would show, or more."""
    rows = [
        Row(
            mark + 1,
            MONDAY_MS + (mark + 1) * HALF_HOUR_MS,
            [use(meter, mark) * 1000 * factor, None, None, None, 1800, int(Flag.ACTUAL)],
            Flag.ACTUAL.status,
        )
        for mark in range(first * SLOTS, stop * SLOTS)
    ]
    return Series(name_of(meter), "ei1", rows, HALF_HOUR_MS)


def sends(of: Archive, first: int, stop: int) -> None:
    """Store the registers of the meter for some days."""
    of.utility.send(range(first * SLOTS, stop * SLOTS + 1), [METER], late=True)


def archive(folder: Path, registry: Registry | None = None) -> Archive:
    names = tuple(name_of(k) for k in range(HEAD + 1))
    made = Archive(folder, names, registry)
    made.utility.at(DAYS * SLOTS)
    return made


def used(first: int, stop: int) -> int:
    return register(METER, stop * SLOTS) - register(METER, first * SLOTS)


def exports_of(of: Archive) -> Exports:
    reader = StoreReader(of.utility.folder, PROFILES)
    shelf = Shelf(DerivedReader(of.utility.folder), reader.devices(), PROFILES, None)
    return Exports(shelf, POLICIES)


def bills(of: Archive, day: int = DAY) -> list[dict[str, str]]:
    text = "".join(exports_of(of).determinants(day))
    return [one for one in csv.DictReader(io.StringIO(text)) if one["device"] == name_of(METER)]


def lines(of: Archive, series: str) -> dict[tuple[str, int], Any]:
    return {
        (one.place, one.from_ms): msgspec.json.decode(one.body) for one in of.utility.lines(series)
    }


def month(of: Archive) -> dict[str, Any]:
    """Return the line of the meter's month."""
    place = f"device:{name_of(METER)}"
    (body,) = [one for (at, _), one in lines(of, "determinants").items() if at == place]
    return dict(body)


def in_half_hours(of: Archive, day: int) -> float:
    """Return the meter's Wh of a day, as balances take it: it must be there once."""
    roster = Roster(None, PROFILES)
    roster.take(StoreReader(of.utility.folder, PROFILES).devices(), of.utility.now_ms)
    roster.sends(np.array([METER]), "em1")
    found = energies(DerivedReader(of.utility.folder), roster, DAY + day, np.array([METER]))
    assert found is not None
    assert found.device_index.tolist() == [METER]
    return float(found.energy_wh.sum())


def test_a_backlog_of_days_that_a_file_told_of_is_billed_once(tmp_path: Path) -> None:
    """A year's history, then the meter goes live: its registers take the days they reach."""
    desk = archive(tmp_path)
    desk.take(told(0, DAYS, factor=2))
    desk.utility.go(60)
    assert month(desk)["import_wh"] == 2 * used(0, DAYS)
    sends(desk, 1, DAYS)
    desk.utility.go(90)
    expected = 2 * used(0, 1) + used(1, DAYS)
    (bill,) = bills(desk)
    assert float(bill["import_kwh"]) == expected / 1000
    assert month(desk)["import_wh"] == expected
    days = lines(desk, "days")
    assert [
        days[f"device:{name_of(METER)}", MONDAY_MS + k * DAY_MS]["import_wh"] for k in range(DAYS)
    ] == [2 * used(0, 1), used(1, 2), used(2, 3), used(3, 4)]
    assert [in_half_hours(desk, k) for k in range(DAYS)] == [
        2 * used(0, 1), used(1, 2), used(2, 3), used(3, 4),
    ]  # fmt: skip


def test_half_a_month_of_files_and_half_of_registers_are_one_bill(tmp_path: Path) -> None:
    desk = archive(tmp_path)
    desk.take(told(0, 2))
    desk.utility.go(60)
    sends(desk, 2, DAYS)
    desk.utility.go(60)
    (bill,) = bills(desk)
    assert float(bill["import_kwh"]) == used(0, DAYS) / 1000
    assert month(desk)["import_wh"] == used(0, DAYS)
    assert month(desk)["quality_slots"] == {"recovered": DAYS * SLOTS}
    assert [in_half_hours(desk, k) for k in range(DAYS)] == [used(k, k + 1) for k in range(DAYS)]


def test_a_history_of_before_a_meter_was_live_is_billed(tmp_path: Path) -> None:
    """Live for two days, then a file of all four: it counts for those that no register reaches."""
    desk = archive(tmp_path)
    sends(desk, 2, DAYS)
    desk.utility.go(60)
    desk.take(told(0, DAYS, factor=2))
    desk.utility.go(60)
    expected = 2 * used(0, 2) + used(2, DAYS)
    (bill,) = bills(desk)
    assert float(bill["import_kwh"]) == expected / 1000
    assert month(desk)["import_wh"] == expected
    assert in_half_hours(desk, 1) == 2 * used(1, 2)
    assert in_half_hours(desk, 2) == used(2, 3)


def test_what_people_say_of_a_told_day_holds_when_registers_came_later(tmp_path: Path) -> None:
    desk = archive(tmp_path)
    desk.take(told(0, 2))
    sends(desk, 2, DAYS)
    desk.utility.go(60)
    said = EditLine(name_of(METER), MONDAY_MS, 77.0, "an", desk.utility.now_ms, "read by hand")
    append(desk.utility.folder, said)
    desk.utility.go(30)
    assert month(desk)["import_wh"] == used(0, DAYS) - use(METER, 0) + 77


def test_a_month_of_both_is_ready_and_its_meter_counted_once(tmp_path: Path) -> None:
    """Until 11 March out of a file, all others registers: a summary, one ready meter."""
    desk = archive(tmp_path, REGISTRY)
    april = 23 * SLOTS  # 1 April 00:00
    desk.take(told(-8, 3))
    desk.utility.send(range(3 * SLOTS, april + 1), [METER], late=True)
    desk.utility.at(april + 4)
    desk.utility.go(200)
    (bill,) = bills(desk)
    assert bill["ready"] == "yes"
    out = exports_of(desk).green_button(name_of(METER), (DAY - 8, DAY + 23), desk.utility.now_ms)
    summary = next(ET.fromstring(out or "").iter(SUMMARY))
    value = next(one.text for one in summary.iter() if one.tag.endswith("value"))
    assert int(value or 0) == sum(use(METER, mark) for mark in range(-8 * SLOTS, april))
    desk.utility.at(april + 24 * SLOTS)
    desk.utility.go(30)
    (ready,) = [one for (place, _), one in lines(desk, "readiness").items() if place == "grid:all"]
    assert (ready["meters"], ready["ready"]) == (1, 1)


def test_a_balance_has_each_customer_once(tmp_path: Path) -> None:
    """The head gives what two customers take: of one files tell, of the other registers, too."""
    found = []
    for both in (False, True):
        desk = archive(tmp_path / str(both), REGISTRY)
        desk.take(told(0, DAYS, meter=1))
        if both:
            desk.take(told(0, DAYS))
        desk.utility.go(60)
        desk.utility.send(range(DAYS * SLOTS + 1), [METER, HEAD], late=True)
        desk.utility.go(120)
        found.append(lines(desk, "balance"))
    assert len(found[0]) == DAYS
    assert found[0] == found[1]


def test_the_order_of_both_and_deaths_of_the_analyst_change_nothing(tmp_path: Path) -> None:
    found = []
    for number, lives in ((0, False), (1, True), (2, True)):
        desk = archive(tmp_path / str(number), REGISTRY)
        steps = [
            partial(desk.take, told(0, 3, factor=2)),
            partial(sends, desk, 2, DAYS),
            partial(sends, desk, 1, 2),
        ]
        for step in steps[number:] + steps[:number]:
            step()
            desk.utility.go(15, lives=lives)
        desk.utility.go(90)
        found.append([lines(desk, name) for name in SERIES] + [bills(desk)])
    assert found[0] == found[1]
    assert found[0] == found[2]


def test_the_day_on_which_a_meter_goes_live_is_that_of_its_registers(tmp_path: Path) -> None:
    """Live from noon of the second day on: what lies before is open, not billed by the file."""
    desk = archive(tmp_path)
    desk.take(told(0, 2))
    desk.utility.go(30)
    desk.utility.send(range(SLOTS + SLOTS // 2, DAYS * SLOTS + 1), [METER], late=True)
    desk.utility.go(60)
    day = lines(desk, "days")[f"device:{name_of(METER)}", MONDAY_MS + DAY_MS]
    shown = register(METER, 2 * SLOTS) - register(METER, SLOTS + SLOTS // 2)
    assert day["open_slots"] == SLOTS // 2
    assert (day["register_end_wh"], day["is_billing_ready"]) == (register(METER, 2 * SLOTS), False)
    assert day["import_wh"] >= shown
    assert float(bills(desk)[0]["import_kwh"]) * 1000 == month(desk)["import_wh"]
