"""A check meter beside a main meter: it fills what the main one lacks, and counts nowhere itself.

Meter 0 is a main meter and ``CHECK`` checks it; the others are customers of their own. What a meter
uses is another formula for each, so a slot tells whose value it is.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.energy import vee
from gateway.energy.edits import EditLine, append
from gateway.energy.engine.bills.checks import checked, shown
from gateway.energy.engine.bills.exports import Exports, Shelf
from gateway.energy.engine.days.pieces import GROUP, SETTLE_MS
from gateway.energy.engine.grid.metering import metering
from gateway.energy.engine.grid.pairs import Check
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.outage import Role
from gateway.energy.series import empty_window
from gateway.model import Quality, ReadingBatch, Reason
from gateway.ports import DeviceRow
from gateway.registry import Link, Registry
from gateway.registry.entries import RegistryFile
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader
from tests.unit.energy.desk import (
    FIRST_REGISTER,
    POLICIES,
    PROFILES,
    SLOTS,
    Utility,
    name_of,
    register,
    use,
)
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS, job_of, window_of

ALL = SETTLE_MS // 1000 + 8  # seconds in which everything that came is worked out
MAIN, CHECK, OTHER = 0, 1, 2
DAY = MONDAY_MS // 86_400_000 + 1  # the local day that begins there


def registry(
    check: int = CHECK,
    *,
    meters: int = 3,
    of: object = None,
    of_check: dict[str, object] | None = None,
    **of_main: object,
) -> Registry:
    """Return a transformer with a meter at its head, and meters; one of them checks the first."""
    nodes = [
        {"id": "fdr-1", "kind": "feeder"},
        {"id": "tba-0", "kind": "transformer", "parent": "fdr-1"},
    ]
    energy = {"org": "evn", "sector": "energy"}
    devices: list[dict[str, object]] = [
        {"id": name_of(k), **energy, "parent": "tba-0"} for k in range(meters)
    ]
    devices[MAIN] |= of_main
    entry = {"id": name_of(check), **energy, "check_of": name_of(MAIN) if of is None else of}
    entry |= of_check or {}
    devices = [one for one in devices if one["id"] != entry["id"]]
    head = {"id": "head", **energy, "parent": "tba-0", "head": True}
    return Registry(RegistryFile.model_validate({"node": nodes, "device": [*devices, entry, head]}))


@pytest.fixture
def utility(tmp_path: Path) -> Utility:
    return Utility(tmp_path, 3, registry())


def uses(meter: int, marks: range) -> list[int]:
    return [use(meter, mark) for mark in marks]


def put(utility: Utility, meter: int, shown_wh: Mapping[int, float], of_first: int = 0) -> None:
    """Store what a meter shows at marks, the first of them with a reason."""
    mark, wh = np.array(list(shown_wh), np.int64), np.array(list(shown_wh.values()))
    zero, values = np.zeros(len(mark), np.int64), np.zeros((len(mark), 6))
    values[:, 0], values[:, 3], values[:, 5] = wh, 2300, 1000
    time_ms = MONDAY_MS + mark * HALF_HOUR_MS
    batch = ReadingBatch(
        "em1", zero + meter, zero, zero - 1, time_ms, time_ms + 200, values, zero,
        zero + int(Quality.VALID), zero.copy(), utility.next_records(len(mark)),
    )  # fmt: skip
    batch.reasons[0] = of_first
    utility.put(batch)


def exports_of(utility: Utility) -> Exports:
    reader = StoreReader(utility.folder, PROFILES)
    shelf = Shelf(DerivedReader(utility.folder), reader.devices(), PROFILES, utility.registry)
    return Exports(shelf, POLICIES)


def bills(utility: Utility) -> list[dict[str, str]]:
    text = "".join(exports_of(utility).determinants(DAY))
    return list(csv.DictReader(io.StringIO(text)))


def steps(utility: Utility, mark: int) -> list[dict[str, Any]]:
    """Return what became of a slot of the main meter."""
    name, at_ms = f"device:{name_of(MAIN)}", MONDAY_MS + mark * HALF_HOUR_MS
    found = DerivedReader(utility.folder).lines("energy", "lineage", at_ms, [name])
    changes: list[dict[str, Any]] = json.loads(found[name].body)["changes"] if found else []
    return changes


def test_a_main_meter_that_falls_silent_has_the_values_of_its_check_meter(
    utility: Utility,
) -> None:
    utility.at(SLOTS + 2)
    utility.send(range(SLOTS + 1), [CHECK, OTHER])
    utility.send(range(21), [MAIN])
    utility.go(ALL)
    body = utility.body("intervals", MAIN)
    assert body["import_wh"] == uses(MAIN, range(20)) + uses(CHECK, range(20, SLOTS))
    assert body["method"] == [["measured", 20], ["check_meter", 28]]
    assert body["quality"] == [["valid", 20], ["imputed", 28]]
    assert body["check_meters"] == [[name_of(CHECK), 20, 28]]
    assert body["open_slots"] == 28  # its own register may still come
    (step,) = steps(utility, 30)
    assert (step["old_rule"], step["rule"], step["who"]) == (None, "check_meter", "vee")
    assert (step["new_wh"], step["why"]) == (use(CHECK, 30), f"check meter {name_of(CHECK)}")
    # its register comes: it tells the total, and the check meter has nothing more to say
    utility.send([SLOTS], [MAIN], late=True)
    utility.go(ALL)
    body = utility.body("intervals", MAIN)
    assert body["method"] == [["measured", 20], ["flat_scaled", 28]]
    assert sum(body["import_wh"]) == pytest.approx(register(MAIN, SLOTS) - FIRST_REGISTER, abs=0.02)
    assert (body["open_slots"], "check_meters" in body) == (0, False)
    assert [one["rule"] for one in steps(utility, 30)] == ["check_meter", "flat_scaled"]


def test_one_of_the_two_is_billed_and_the_bill_says_what_the_other_gave(utility: Utility) -> None:
    utility.at(SLOTS)
    utility.send(range(SLOTS + 1), [CHECK, OTHER])
    utility.send(range(21), [MAIN])
    utility.go(ALL)
    assert [line["device"] for line in bills(utility)] == [name_of(MAIN), name_of(OTHER)]
    (main, other) = bills(utility)
    used = sum(uses(MAIN, range(20))) + sum(uses(CHECK, range(20, SLOTS)))
    assert (float(main["import_kwh"]), main["slots_imputed"]) == (used / 1000, "28")
    assert (main["open_slots"], other["slots_imputed"]) == ("28", "0")
    told = {line.place for line in utility.lines("determinants")}
    assert told == {f"device:{name_of(k)}" for k in (MAIN, OTHER)}
    feed = exports_of(utility).green_button(name_of(MAIN), (DAY, DAY + 1), utility.now_ms)
    assert feed is not None
    assert feed.count("<quality>17</quality>") == 20  # validated
    assert feed.count("<quality>11</quality>") == 26  # derived; the newest two may still come
    # its own day is there to be compared
    assert utility.body("days", CHECK)["import_wh"] == sum(uses(CHECK, range(SLOTS)))


def test_late_data_of_the_check_meter_takes_the_place_of_nothing(utility: Utility) -> None:
    utility.at(SLOTS + 2)
    utility.send(range(21), [MAIN])
    utility.send([m for m in range(SLOTS + 1) if not 30 <= m <= 33], [CHECK])
    utility.go(ALL)
    body = utility.body("intervals", MAIN)
    # the reading at 34 gives the slot 34, and none of 29 to 33, of which only a total is known
    assert body["check_meters"] == [[name_of(CHECK), 20, 9], [name_of(CHECK), 34, 14]]
    assert body["method"][2:] == [["unknown", 5], ["check_meter", 14]]
    utility.send(range(30, 34), [CHECK], late=True)
    utility.go(ALL)
    body = utility.body("intervals", MAIN)
    assert body["import_wh"][20:] == uses(CHECK, range(20, SLOTS))
    assert [(one["old_rule"], one["rule"]) for one in steps(utility, 31)] == [
        ("unknown", "check_meter"),
    ]


@pytest.mark.parametrize("check", [CHECK, GROUP])  # beside the main meter, or in other pieces
def test_a_persons_word_on_the_check_meter_reaches_the_main_one(tmp_path: Path, check: int) -> None:
    utility = Utility(tmp_path, check + 1, registry(check, meters=1))
    utility.at(SLOTS + 2)
    utility.send(range(21), [MAIN])
    utility.send(range(SLOTS + 1), [check])
    utility.go(2 * ALL)
    slot_ms = MONDAY_MS + 25 * HALF_HOUR_MS
    append(utility.folder, EditLine(name_of(check), slot_ms, 77.0, "an", utility.now_ms, "seal"))
    utility.go(ALL)
    found = utility.body("intervals", MAIN)["import_wh"][24:27]
    assert found == [use(check, 24), 77, use(check, 26)]
    assert [one["new_wh"] for one in steps(utility, 25)] == [use(check, 25), 77]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_neither_order_nor_deaths_nor_groups_change_what_stands_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """The gap reaches over midnight, and the check meter has one of its own in it."""
    check = data.draw(st.sampled_from([CHECK, GROUP]))  # beside the main meter, or in other pieces
    lost = {MAIN: set(range(40, 90)), check: {60, 61}}
    pairs = [(k, m) for k in (MAIN, check) for m in range(2 * SLOTS + 1) if m not in lost[k]]

    def made(name: str) -> Utility:
        folder = tmp_path_factory.mktemp(name)
        return Utility(folder, check + 1, registry(check, meters=1))

    whole = made("whole")
    whole.at(2 * SLOTS)
    for meter in (MAIN, check):
        whole.send([m for k, m in pairs if k == meter], [meter])
    whole.go(4 * ALL)
    parts = made("parts")
    parts.at(2 * SLOTS)
    shuffled = data.draw(st.permutations(pairs))
    cut = data.draw(st.integers(1, len(pairs) - 1))
    for part in (shuffled[:cut], shuffled[cut:]):
        for meter in (MAIN, check):
            marks = sorted(m for k, m in part if k == meter)
            if marks:
                parts.send(marks, [meter])
        parts.go(data.draw(st.integers(0, ALL)), lives=True)
    parts.go(8 * ALL)
    for series in ("intervals", "days", "determinants"):
        of_parts = {(one.place, one.from_ms): json.loads(one.body) for one in parts.lines(series)}
        of_whole = {(one.place, one.from_ms): json.loads(one.body) for one in whole.lines(series)}
        assert of_parts == of_whole
    assert whole.body("intervals", MAIN, 0)["method"] == [["measured", 39], ["flat_scaled", 9]]


def test_a_gap_over_midnight_is_filled_on_both_days(tmp_path: Path) -> None:
    """The main meter is gone from 20:00 on; the check meter is of another group of meters."""
    utility = Utility(tmp_path, GROUP + 1, registry(GROUP, meters=1))
    for mark in range(0, SLOTS + 16, 8):
        utility.at(mark + 7)
        utility.send(range(mark, mark + 8), [GROUP])
        if mark <= 40:
            utility.send(range(mark, min(mark + 8, 41)), [MAIN])
        utility.go(ALL)
    assert utility.body("intervals", MAIN)["import_wh"][40:] == uses(GROUP, range(40, SLOTS))
    second = utility.body("intervals", MAIN, 1)
    assert second["import_wh"] == uses(GROUP, range(SLOTS, SLOTS + 15))[: len(second["import_wh"])]
    assert len(second["import_wh"]) >= 13
    assert second["check_meters"][0][:2] == [name_of(GROUP), 0]


def test_a_dead_main_meter_that_is_exchanged_is_billed_by_its_check_meter(tmp_path: Path) -> None:
    """Dead from 10:00 on, another one is up at 14:10; what the dead one counted nobody knows.

    The new one shows 3 Wh when put up and at 14:30 what was used in 20 minutes: 97 Wh. Slots 20 to
    28 are those of the check meter, the last of them too: the new meter saw a part of it.
    """
    at = datetime.fromisoformat("2026-03-09T00:00:00+07:00") + timedelta(hours=14, minutes=10)
    meters = [
        {"serial": "A-1", "to": at.isoformat()},
        {"serial": "B-2", "from": at.isoformat(), "first_wh": 3},
    ]
    utility = Utility(tmp_path, 3, registry(meter=meters))
    utility.at(SLOTS)
    utility.send(range(SLOTS + 1), [CHECK, OTHER])
    utility.send(range(21), [MAIN])
    put(
        utility,
        MAIN,
        {m: 100 + register(MAIN, m) - register(MAIN, 29) for m in range(29, SLOTS + 1)},
    )
    utility.go(ALL)
    body = utility.body("intervals", MAIN)
    assert body["method"] == [["measured", 20], ["check_meter", 9], ["measured", 19]]
    expected = uses(MAIN, range(20)) + uses(CHECK, range(20, 29)) + uses(MAIN, range(29, SLOTS))
    assert body["import_wh"] == expected
    assert body["open_slots"] == 0  # no register can say more
    assert utility.body("days", MAIN)["is_billing_ready"]
    assert utility.body("days", MAIN)["import_wh"] == sum(expected)


def test_without_a_check_meter_such_an_exchange_waits_for_a_person() -> None:
    """15 Wh of the new meter are not what was used in two hours."""
    exchange = vee.Exchange(0, MONDAY_MS + 5 * HALF_HOUR_MS - 60_000, np.nan, 0.0)
    window = window_of([[70_900, 71_000, np.nan, np.nan, np.nan, 15, 115]])
    found = vee.run(job_of(window, extra=vee.Extra(exchanges=(exchange,))))
    assert found.method[0].tolist() == [0, *[int(vee.Method.UNKNOWN)] * 4, 0]
    assert found.is_final[0].tolist() == [True, False, False, False, False, True]
    # with its last register the total is known
    noted = exchange._replace(old_final_wh=71_385.0)
    found = vee.run(job_of(window, extra=vee.Extra(exchanges=(noted,))))
    assert found.import_wh[0].tolist() == [100, 100, 100, 100, 100, 100]
    assert found.is_final.all()


@pytest.mark.parametrize("is_noted", [True, False])
def test_an_exchange_of_the_check_meter_is_no_use_of_the_main_one(
    tmp_path: Path, *, is_noted: bool
) -> None:
    """At 12:10 the check meter goes with 40 Wh more on it than at 12:00, a new one shows 5 Wh.

    With both notes the slot is known, 40 Wh and what the new one counted; without them it is not.
    """
    at = "2026-03-09T12:10:00+07:00"
    last, first = register(CHECK, 24) + 40, 5
    meters: list[dict[str, object]] = [{"serial": "A-1", "to": at}, {"serial": "B-2", "from": at}]
    if is_noted:
        meters = [meters[0] | {"last_wh": last}, meters[1] | {"first_wh": first}]
    utility = Utility(tmp_path, 3, registry(of_check={"meter": meters}))
    utility.at(SLOTS + 2)
    utility.send(range(21), [MAIN])
    utility.send(range(25), [CHECK])
    shown_wh = {m: register(CHECK, m) - last + first for m in range(25, SLOTS + 1)}
    put(utility, CHECK, shown_wh, int(Reason.METER_EXCHANGE))
    utility.go(ALL)
    body = utility.body("intervals", MAIN)
    expected: list[int | None] = [*uses(MAIN, range(20)), *uses(CHECK, range(20, SLOTS))]
    if not is_noted:
        expected[24] = None
    assert body["import_wh"] == expected
    assert [one["rule"] for one in steps(utility, 24)] == ["check_meter"] * is_noted


def test_a_check_meter_is_one_from_when_to_when_the_registry_says(tmp_path: Path) -> None:
    """Until 12:00 of the second day; then it is a customer's own, and billed from that day on."""
    until = "2026-03-10T05:00:00+07:00"
    utility = Utility(tmp_path, 3, registry(of=[{"id": name_of(MAIN), "to": until}]))
    utility.at(2 * SLOTS)
    utility.send(range(2 * SLOTS + 1), [CHECK])
    utility.send(range(21), [MAIN])
    utility.go(2 * ALL)
    second = utility.body("intervals", MAIN, 1)
    assert second["method"][0] == ["check_meter", 10]
    assert second["check_meters"] == [[name_of(CHECK), 0, 10]]
    line = next(one for one in bills(utility) if one["device"] == name_of(CHECK))
    assert float(line["import_kwh"]) == sum(uses(CHECK, range(SLOTS, 2 * SLOTS))) / 1000
    (told,) = [
        json.loads(one.body)
        for one in utility.lines("determinants")
        if one.place == f"device:{name_of(CHECK)}"
    ]
    assert told["import_wh"] == sum(uses(CHECK, range(SLOTS, 2 * SLOTS)))


def test_two_meters_may_change_places(tmp_path: Path) -> None:
    """Meter 1 checks meter 0 until 05:00 of the second day, and is checked by it from then on."""
    at = "2026-03-10T05:00:00+07:00"
    own = [{"id": name_of(CHECK), "from": at}]
    file = registry(of=[{"id": name_of(MAIN), "to": at}], check_of=own)
    utility = Utility(tmp_path, 3, file)
    utility.at(2 * SLOTS)
    utility.send(range(21), [MAIN])
    utility.send(range(2 * SLOTS + 1), [CHECK])
    utility.go(2 * ALL)
    assert utility.body("intervals", MAIN)["method"] == [["measured", 20], ["check_meter", 28]]
    second = utility.body("intervals", MAIN, 1)
    assert second["method"] == [["check_meter", 10], ["unknown", SLOTS - 12]]  # two may come
    shares = {line["device"]: float(line["import_kwh"]) for line in bills(utility)}
    # by the noon of each day: of the first meter 0, of the second meter 1
    first = sum(uses(MAIN, range(20))) + sum(uses(CHECK, range(20, SLOTS)))
    assert shares[name_of(MAIN)] == first / 1000
    assert shares[name_of(CHECK)] == sum(uses(CHECK, range(SLOTS, 2 * SLOTS))) / 1000


def test_a_check_meter_counts_nowhere() -> None:
    """The transformer's meter is measured against the main meter and the other one, once each."""
    roster = Roster(registry(), PROFILES)
    names = [name_of(MAIN), name_of(CHECK), name_of(OTHER), "head"]
    roster.take([DeviceRow(k, "evn", "energy", name, 1, 0) for k, name in enumerate(names)], 0)
    roster.sends(np.arange(4), "em1")
    roster.moves(MONDAY_MS)
    found = metering(roster, MONDAY_MS)
    assert found.measures == {3: "transformer:tba-0"}
    assert found.counts_at == {MAIN: "transformer:tba-0", OTHER: "transformer:tba-0"}
    assert roster.is_customer(MONDAY_MS).tolist() == [True, False, True, False]
    assert roster.topology().role.tolist() == [
        *(int(Role.CUSTOMER), int(Role.CHECK), int(Role.CUSTOMER), int(Role.INSTRUMENT)),
    ]
    # and yet it stands where its main meter does: its word on the power is heard there
    assert roster.topology().transformer.tolist() == [0, 0, 0, 0]
    meters = roster.meters(np.arange(4), PROFILES["em1"], POLICIES.vee_at(0).meter, MONDAY_MS)
    assert meters.transformer.tolist() == [0, -1, 0, 0]  # its voltage is no neighbour's


def test_a_main_meter_and_its_check_meter_in_the_dark_are_one_customer(tmp_path: Path) -> None:
    """Both gasp at one house of a transformer with five: a fuse, and not the transformer."""
    utility = Utility(tmp_path, 6, registry(meters=6))
    utility.at(2)
    utility.send([0, 1, 2])
    utility.go(ALL)
    utility.say([MAIN, CHECK], 99, utility.now_ms)
    utility.go(60)
    kinds = {one.kind for one in utility.alarms() if "withdrawn" not in one.evidence}
    assert kinds == {"service_outage"}
    assert {line.place for line in utility.lines("interruptions")} == {f"device:{name_of(MAIN)}"}


def test_an_exchange_at_midnight_says_nothing_of_the_last_slot_of_the_day() -> None:
    """The check meter began anew in the last slot, and nobody noted what it showed."""
    main = empty_window(np.array([MAIN]), MONDAY_MS, HALF_HOUR_MS, 3)
    found = vee.run(job_of(window_of([[100, 110, 121, 133]])))
    found.reasons[0, 2] |= int(Reason.REGISTER_RESET)
    (values,) = shown(found, [vee.Exchange(0, MONDAY_MS, 100, 100)], main)
    assert values[:2].tolist() == [10, 11]
    assert np.isnan(values[2])


def test_slots_of_other_lengths_are_added_up_and_never_split() -> None:
    """Quarters of an hour of the check meter for half hours of the main one: 10 + 11, 12 + 13."""
    main = empty_window(np.array([MAIN]), MONDAY_MS, HALF_HOUR_MS, 3)
    quarter = empty_window(np.array([CHECK]), MONDAY_MS, HALF_HOUR_MS // 2, 6)
    quarter.import_wh[0] = [100, 110, 121, 133, 146, np.nan, 175]
    quarter.quality[0] = np.where(np.isnan(quarter.import_wh[0]), Quality.MISSING, Quality.VALID)
    found = vee.run(job_of(quarter))
    (values,) = shown(found, (), main)
    assert values[:2].tolist() == [21, 25]
    assert np.isnan(values[2])  # 29 and 14.5 are a guess at half of it
    short = empty_window(np.array([MAIN]), MONDAY_MS, HALF_HOUR_MS // 2, 6)
    half = vee.run(job_of(window_of([[100, 200, 300, 400]])))
    assert np.isnan(shown(half, (), short)).all()


def test_of_several_check_meters_the_first_that_knows_counts() -> None:
    window = empty_window(np.array([MAIN]), MONDAY_MS, HALF_HOUR_MS, 3)
    until = Link.model_validate({"id": "mm", "to": "2026-03-09T00:00:00+07:00"})
    always = Link(id="mm")
    values = {1: np.array([1.0, np.nan, np.nan]), 2: np.array([7.0, 8.0, np.nan])}
    pairs: Sequence[tuple[int, Check]] = [(0, Check(1, always)), (0, Check(2, always))]
    found = checked(window, pairs, values)
    assert found.import_wh is not None
    assert found.check_index is not None
    np.testing.assert_array_equal(found.import_wh, [[1, 8, np.nan]])
    assert found.check_index.tolist() == [[1, 2, -1]]
    past = checked(window, [(0, Check(1, until))], values)
    assert past.check_index is not None
    assert past.check_index.tolist() == [[-1, -1, -1]]
