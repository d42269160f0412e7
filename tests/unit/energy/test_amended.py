"""What people enter late into the registry: days that are done are worked out anew."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.energy.engine.grid.prints import amendments, pack_prints, prints_of, unpack_prints
from gateway.model import FloatArray
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from tests.unit.energy.desk import PROFILES, SLOTS, Utility, name_of, register, use
from tests.unit.energy.rig import MONDAY_MS
from tests.unit.energy.test_engine_grid import METERS, SOME, of_local_day, put, registry, send

DAY_MS = 86_400_000
GONE = 2 * SLOTS + 10  # 05:00 of the third day
NOTED_WH = register(0, GONE) + 30
AT = (datetime.fromisoformat(of_local_day(2)) + timedelta(hours=5, minutes=10)).isoformat()
TAKEN_DOWN = {"serial": "A-1", "to": AT, "last_wh": NOTED_WH}
DAYS = 7


def silent(folder: Path, days: int = DAYS) -> Utility:
    """Return a utility of which meter 0 is silent since it was taken down, which nobody entered."""
    utility = Utility(folder, METERS + 1, registry(meter="A-1"))
    for day in range(days):
        utility.at((day + 1) * SLOTS + 2)
        marks = range(day * SLOTS + (day > 0), (day + 1) * SLOTS + 1)
        for mark in marks:
            send(utility, [mark], {}, without=0 if mark > GONE else None)
        utility.go(SOME)
    return utility


def amend(utility: Utility, new: Registry) -> None:
    """Start another life with another file."""
    utility.registry = new
    utility.start()
    utility.go(3 * SOME)


def lasting(utility: Utility) -> set[str]:
    """Return the kinds of alarms that stand about meter 0."""
    mine = (one for one in utility.alarms() if one.place == f"device:{name_of(0)}")
    return {one.kind for one in mine if not one.cleared_ms}


def of_month(utility: Utility, meter: int = 0) -> Any:
    (line,) = (one for one in utility.lines("determinants") if one.place.endswith(name_of(meter)))
    return json.loads(line.body)


def test_a_removal_entered_days_later_closes_the_days_since(tmp_path: Path) -> None:
    utility = silent(tmp_path)
    before = utility.body("days", 0, 2)
    assert before["open_slots"] == SLOTS - 10
    assert of_month(utility)["open_slots"] >= (DAYS - 2) * SLOTS - 10
    assert lasting(utility) == {"comms_outage", "prolonged_estimation"}
    amend(utility, registry(meter=[TAKEN_DOWN]))
    assert [utility.body("days", 0, day)["open_slots"] for day in range(DAYS)] == [0] * DAYS
    slots = utility.body("intervals", 0, 2)["import_wh"]
    assert slots[:11] == [*(use(0, m) for m in range(2 * SLOTS, GONE)), 30]
    assert utility.body("intervals", 0, 4)["import_wh"] == [None] * SLOTS
    month = of_month(utility)
    assert month["import_wh"] == NOTED_WH - register(0, 0)
    # today has still to come; of the days before this utility's first one nothing is known
    assert (month["open_slots"], month["held_slots"]) == (SLOTS - 2, 0)
    assert utility.lineage(0, GONE)[-1] == ("like_day", "measured")
    assert lasting(utility) == set()


def test_an_exchange_entered_days_later_is_billed_by_its_protocol(tmp_path: Path) -> None:
    """The new one shows 7 when the old one has 30 more than at 05:00; nobody enters it for days."""
    utility = Utility(tmp_path, METERS + 1, registry(meter="A-1"))
    utility.at(4 * SLOTS)
    send(utility, range(GONE + 1), {})
    send(utility, range(GONE + 1, 4 * SLOTS + 1), {}, without=0)
    marks = np.arange(GONE + 1, 4 * SLOTS + 1)
    values = np.zeros((len(marks), 6))
    values[:, 0] = [register(0, m) - NOTED_WH + 7 for m in marks.tolist()]
    values[:, 2:6] = [230, 2300, 100, 1000]
    put(utility, "em1", np.zeros(len(marks), np.int64), marks, values)
    utility.go(SOME)
    assert of_month(utility)["import_wh"] != register(0, 4 * SLOTS) - register(0, 0)
    amend(utility, registry(meter=[TAKEN_DOWN, {"serial": "B-2", "from": AT, "first_wh": 7}]))
    assert of_month(utility)["import_wh"] == register(0, 4 * SLOTS) - register(0, 0)
    told = utility.body("intervals", 0, 2)["import_wh"]
    assert told == [use(0, m) for m in range(2 * SLOTS, 3 * SLOTS)]


def test_a_removal_that_never_was_opens_the_days_again(tmp_path: Path) -> None:
    utility = silent(tmp_path, 4)
    amend(utility, registry(meter=[TAKEN_DOWN]))
    assert utility.body("days", 0, 3)["open_slots"] == 0
    amend(utility, registry(meter="A-1"))
    assert utility.body("days", 0, 3)["open_slots"] == SLOTS
    utility.send(range(GONE + 1, 4 * SLOTS + 3), [0], late=True)
    utility.go(2 * SOME)
    assert of_month(utility)["import_wh"] == register(0, 4 * SLOTS + 2) - register(0, 0)


def test_an_amendment_outlives_a_death_on_the_way(tmp_path: Path) -> None:
    utility = silent(tmp_path, 4)
    utility.registry = registry(meter=[TAKEN_DOWN])
    for _ in range(40):  # each life ends after a second: one of them gets so far as to write
        utility.go(1, lives=True)
    utility.go(2 * SOME, lives=False)
    assert [utility.body("days", 0, day)["open_slots"] for day in range(4)] == [0] * 4


# -- the grid --

AWAY, HERE = "tba-0", "tba-1"
MOVED = of_local_day(2)
BASE = 16  # days: fourteen make the model


def street(**of_first: object) -> Registry:
    """Return two transformers with a meter and three customers each; of meter 0 as said."""
    nodes = [
        {"id": "fdr-1", "kind": "feeder"},
        *({"id": f"tba-{k}", "kind": "transformer", "parent": "fdr-1"} for k in range(2)),
    ]
    of_all = {"org": "evn", "sector": "energy"}
    devices: list[dict[str, object]] = [
        {"id": name_of(k), **of_all, "parent": f"tba-{k % 2}"} for k in range(METERS + 2)
    ]
    devices[0] |= of_first
    return Registry(RegistryFile.model_validate({"node": nodes, "device": devices}))


def played(folder: Path) -> Utility:
    """Return days in which meter 0 hung on the second transformer from the third day on.

    Each transformer gives 3 % more than its customers take, and 20 Wh in each half hour.
    """
    utility = Utility(folder, METERS + 2, street(parent=AWAY))
    marks = np.arange(BASE * SLOTS + 1)
    uses = np.array([[use(k, m) * (1 + k) for m in marks[:-1]] for k in range(METERS)], float)
    at = np.arange(METERS)[:, None] % 2 + np.zeros_like(uses)
    at[0, 2 * SLOTS :] = 1
    utility.at(BASE * SLOTS + 2)
    for k in range(METERS):
        rows(utility, "em1", k, uses[k])
    for k in range(2):
        rows(utility, "dtm", METERS + k, np.where(at == k, uses, 0).sum(axis=0) * 1.03 + 20)
    utility.go(3 * SOME)
    return utility


def rows(
    utility: Utility, profile: str, device: int, uses: FloatArray, begin_wh: float = 0.0
) -> None:
    step = 2 if profile == "dtm" else 1  # quarters
    shown = begin_wh + np.concatenate([[0.0], np.cumsum(np.repeat(uses / step, step))])
    values = np.full((len(shown), len(PROFILES[profile].columns)), np.nan)
    values[:, 0], values[:, 1] = shown, 0
    marks = np.arange(len(shown))
    put(utility, profile, np.full(len(shown), device), marks, values, step=step)


def balances(utility: Utility, place: str) -> list[Any]:
    found = [one for one in utility.lines("balance") if one.place == f"transformer:{place}"]
    return [json.loads(one.body) for one in found]


def test_a_meter_that_hung_elsewhere_all_along_is_balanced_there(tmp_path: Path) -> None:
    utility = played(tmp_path)
    wrong = balances(utility, HERE)
    assert wrong[1]["loss_wh"] == pytest.approx(0.03 * wrong[1]["in_wh"], rel=0.4)
    assert wrong[5]["loss_wh"] > 0.1 * wrong[5]["in_wh"]
    amend(utility, street(parent=[{"id": AWAY, "to": MOVED}, {"id": HERE, "from": MOVED}]))
    for place in (AWAY, HERE):
        found = balances(utility, place)
        assert len(found) == BASE
        for day in found:
            # 3 % of what was taken are 2.9 % of what was given
            lost = (day["in_wh"] - 20 * SLOTS) * 0.03 / 1.03 + 20 * SLOTS
            assert day["loss_wh"] == pytest.approx(lost, abs=2)
            # the model was one of another grid: it is made anew of the days as they are now
            assert day["technical_wh"] == pytest.approx(lost, rel=0.02)


def test_a_meter_that_was_taken_down_is_no_hole_in_the_balance(tmp_path: Path) -> None:
    """Gone at 05:10 of the third day with 30 Wh more; what it used before is of both sides."""
    utility = Utility(tmp_path, METERS + 2, street(parent=AWAY, meter=[TAKEN_DOWN]))
    uses = np.array([[use(k, m) for m in range(4 * SLOTS)] for k in range(METERS)], float)
    uses[0, GONE:] = 0
    uses[0, GONE] = 30
    utility.at(4 * SLOTS + 2)
    for k in range(METERS):
        shown = uses[k, :GONE] if k == 0 else uses[k]
        rows(utility, "em1", k, shown, register(0, 0) if k == 0 else 0)
    for k in range(2):
        rows(utility, "dtm", METERS + k, uses[k::2].sum(axis=0) * 1.03 + 20)
    utility.go(2 * SOME)
    for day in balances(utility, AWAY):
        lost = (day["in_wh"] - 20 * SLOTS) * 0.03 / 1.03 + 20 * SLOTS
        assert day["loss_wh"] == pytest.approx(lost, abs=2)
        assert day["coverage"] == 1


# -- the files --


def test_a_file_is_compared_with_the_one_before_by_device_and_time() -> None:
    old, new = prints_of(registry(meter="A-1")), prints_of(registry(meter=[TAKEN_DOWN]))
    at_ms = round(datetime.fromisoformat(AT).timestamp() * 1000)
    assert not list(amendments(old, unpack_prints(pack_prints(old)), 0, 1 << 53))
    (at_once, since) = amendments(old, new, MONDAY_MS, MONDAY_MS + 9 * DAY_MS)
    assert (at_once.device, at_once.begin_ms, at_once.end_ms) == (name_of(0), at_ms, at_ms + 1)
    assert (since.begin_ms, since.end_ms) == (at_ms + 1, MONDAY_MS + 9 * DAY_MS)
    assert at_once.is_own
    assert since.is_own
    # what was noted is of the moment: another register asks for no other day
    better = prints_of(registry(meter=[TAKEN_DOWN | {"last_wh": NOTED_WH + 1}]))
    (moment,) = amendments(new, better, MONDAY_MS, MONDAY_MS + 9 * DAY_MS)
    assert (moment.begin_ms, moment.end_ms) == (at_ms, at_ms + 1)


def test_of_a_moved_feeder_no_bill_is_made_again() -> None:
    def of(feeder: object) -> Registry:
        nodes: list[dict[str, object]] = [
            {"id": "fdr-1", "kind": "feeder"},
            {"id": "fdr-2", "kind": "feeder"},
            {"id": "tba-1", "kind": "transformer", "parent": feeder},
        ]
        device = {"id": "m-1", "org": "evn", "sector": "energy", "parent": "tba-1"}
        return Registry(RegistryFile.model_validate({"node": nodes, "device": [device]}))

    parts = [{"id": "fdr-1", "to": MOVED}, {"id": "fdr-2", "from": MOVED}]
    found = list(amendments(prints_of(of("fdr-1")), prints_of(of(parts)), 0, 1 << 53))
    assert [(one.device, one.is_own) for one in found] == [("m-1", False)]
    assert found[0].begin_ms == MONDAY_MS + 2 * DAY_MS


def test_a_device_that_the_file_did_not_name_is_amended_for_all_time() -> None:
    one = next(amendments({}, prints_of(street(parent=AWAY)), 5, 9))
    assert (one.begin_ms, one.end_ms, one.is_own) == (5, 9, True)
