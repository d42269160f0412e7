"""Files of intervals through a real gateway: in by ``import``, billed, out again."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.loopback import free_port
from tests.shared import SHARED, needs_shared
from tests.support.clients import cli
from tests.support.running import Gateway, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(240)]

ENERGY = "/api/v1/energy"
YEARS = 'retention = "10000d"\n'  # history stays as long as other readings do
MARKET = '[energy]\ncalendar = "nem-market-time"\n'
ESPI = "{http://naesb.org/espi}"
PEAK = 19  # slot: 2.5 kWh, where V10 asks for 2.8 times the third highest


def bring(gateway: Gateway, file: Path) -> dict[str, Any]:
    done = cli("import", str(file), "-c", str(gateway.config), "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def values(gateway: Gateway, series: str, device: str) -> list[dict[str, Any]]:
    asked = f"{ENERGY}/{series}?place=device:{device}&from=2000-01-01&to=2027-01-01"
    return [one["values"] for one in gateway.get(asked)["results"]]


def nem12(day: str, used: list[str], codes: list[str]) -> str:
    head = ["100,NEM12,202611220000,MDA1,Ret1", "200,NMI7,E1,1,E1,N1,M1,kWh,30,"]
    codes_of = [f"400,{at},{at},{code}" for at, code in enumerate(codes, 1)]
    return "\n".join([*head, f"300,{day},{','.join(used)},V,,,,", *codes_of, "900"])


@needs_shared
def test_a_green_button_file_comes_in_is_billed_and_goes_out(tmp_path: Path) -> None:
    """1,340 quarters of an hour, 1,391,666 Wh in March 2012 of the calendar of Hanoi."""
    assert SHARED is not None
    file = SHARED / "data" / "meters" / "green-button-15min.xml"
    with running(tmp_path, listener(free_port()), limits=YEARS) as gateway:
        told = bring(gateway, file)
        assert told["readings"] == {"stored": 1340, "duplicate": 0, "quarantined": 0}
        assert told["files"][0]["beyond_retention"] == 0
        device = told["files"][0]["series"][0]["device"]

        def billed() -> list[dict[str, Any]] | None:
            bills = values(gateway, "determinants", device)
            return bills if sum(bill["import_wh"] for bill in bills) == 1_391_666 else None

        (bill,) = wait_until(billed, 90, "a bill of all of the file")
        assert sum(bill["by_rate_wh"].values()) <= 1_391_666  # before the tariff there are none
        words = ("energy", "green-button", device, "--month", "2012-03")
        feed = cli(*words, "-c", str(gateway.config)).stdout
        slots = [
            int(one.findtext(f"{ESPI}value", ""))
            for one in ET.fromstring(feed).iter(f"{ESPI}IntervalReading")
        ]
        assert (len(slots), sum(slots)) == (670, 1_391_666)
        csv = cli("energy", "bills", "2012-03", "-c", str(gateway.config)).stdout
        assert ",1391.666," in csv
        assert not gateway.get(f"{ENERGY}/alarms")["alarms"]


def test_a_better_file_of_a_day_makes_its_bill_ready(tmp_path: Path) -> None:
    """Half hours of 1 kWh and some Wh; slot 5 estimated, slot 8 without data, then both actual."""
    used = [f"1.{(k * 7) % 48:03d}" for k in range(48)]
    used[PEAK] = "2.5"
    codes = ["A"] * 48
    codes[4], codes[7] = "E52", "N"
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(nem12("20261101", used, codes), "utf-8")
    better = [*used[:4], "1.111", *used[5:]]
    second.write_text(nem12("20261101", better, ["A"] * 48), "utf-8")
    with running(tmp_path, listener(free_port()), extra=MARKET) as gateway:
        bring(gateway, first)

        def day() -> dict[str, Any] | None:
            found = values(gateway, "days", "nem-nmi7-e1")
            return found[0] if found else None

        total_wh = sum(round(float(one) * 1000) for one in used)
        body = wait_until(day, 60, "a day")
        assert body["import_wh"] == total_wh - round(float(used[7]) * 1000)
        assert (body["open_slots"], body["is_billing_ready"]) == (2, False)
        assert body["quality_slots"] == {"recovered": 46, "estimated_like_day": 1, "missing": 1}
        told = bring(gateway, second)
        assert len(told["files"][0]["corrected"]) == 2
        wait_until(lambda: (day() or {})["is_billing_ready"], 60, "a day that is ready")
        expected = total_wh - round(float(used[4]) * 1000) + 1111
        assert (day() or {})["import_wh"] == expected
        assert (day() or {})["demand_w"] == 5000
        asked = f"{ENERGY}/lineage?place=device:nem-nmi7-e1&from=2026-10-01&to=2026-12-01"
        stories = [one["values"]["changes"] for one in gateway.get(asked)["results"]]
        assert [[one["rule"] for one in story] for story in stories] == [
            ["source_estimate", "backlog"], ["backlog"],
        ]  # fmt: skip
