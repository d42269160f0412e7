"""The asset register: stages of a life, availability by hand, and the order of work."""

import json

import pytest

from gateway.policies import load_policies
from gateway.ports import Alarm
from gateway.registry import Device
from gateway.transport.assets import (
    AssetPolicy,
    Stage,
    Trouble,
    day_lines,
    in_service,
    service,
    stage,
    troubles_of,
    work_line,
    work_list,
)
from gateway.transport.health import NOT_FAULTS, Fault

POLICY = load_policies("assets", AssetPolicy).at("assets", 1_767_225_600_000)
DAY_MS, HOUR_MS = 86_400_000, 3_600_000


def _device(*, pilot: bool = False, parent: object = "st-1") -> Device:
    return Device.model_validate(
        {"id": "loop-1", "org": "tasco", "sector": "transport", "pilot": pilot, "parent": parent}
    )


def _trouble(
    begin_h: float, end_h: float, fault: str = "locked_on", asset: str = "loop-1"
) -> Trouble:
    return Trouble(asset, fault, "", round(begin_h * HOUR_MS), round(end_h * HOUR_MS))


def test_ties_are_the_life_of_a_device() -> None:
    tied = _device(parent=[{"id": "st-1", "from": "2026-01-01", "to": "2026-06-01"}])
    january = 1_767_225_600_000  # 2026-01-01
    assert stage(tied, january - 1) is Stage.PLANNED
    assert stage(tied, january) is Stage.IN_SERVICE
    assert stage(tied, january + 200 * DAY_MS) is Stage.RETIRED
    assert stage(_device(pilot=True), january) is Stage.COMMISSIONING


def test_an_open_trouble_is_a_failure_until_it_is_cleared() -> None:
    device = _device()
    open_one = _trouble(1, 0)
    assert stage(device, 2 * HOUR_MS, [open_one]) is Stage.FAILED
    assert stage(device, HOUR_MS - 1, [open_one]) is Stage.IN_SERVICE
    assert stage(device, 2 * HOUR_MS, [_trouble(1, 1.5)]) is Stage.IN_SERVICE
    other = open_one._replace(asset="loop-2")
    assert stage(device, 2 * HOUR_MS, [other]) is Stage.IN_SERVICE


def test_availability_of_a_day_with_three_hours_of_trouble() -> None:
    # 02-04 and 03-05 are one failure of 3 h; 10:00-11:00 and 11:01-12:00 too (a minute apart): 2 h
    troubles = [_trouble(2, 4), _trouble(3, 5, "chatter"), _trouble(10, 11)]
    troubles.append(_trouble(11 + 1 / 60, 12, "hanging"))
    found = service(_device(), troubles, 0, DAY_MS, POLICY)
    assert found.service_s == 86_400
    assert found.down_s == 5 * 3600
    assert found.failures == 2
    assert found.availability == pytest.approx(19 / 24)
    assert found.mtbf_h == pytest.approx(19 / 2)
    assert found.mttr_h == pytest.approx((3 + 2) / 2)


def test_what_lasts_counts_up_to_the_end_and_is_not_repaired() -> None:
    found = service(_device(), [_trouble(18, 0)], 0, DAY_MS, POLICY)
    assert found.down_s == 6 * 3600
    assert found.mttr_h is None
    assert found.failures == 1


def test_a_failure_from_before_is_down_time_and_no_new_failure() -> None:
    found = service(_device(), [_trouble(20, 26)], DAY_MS, 2 * DAY_MS, POLICY)
    assert (found.down_s, found.failures) == (2 * 3600, 0)
    assert found.mtbf_h is None


def test_only_the_time_in_service_counts() -> None:
    half = _device(parent=[{"id": "st-1", "from": "1970-01-01T12:00:00Z"}])
    assert in_service(half, 0, DAY_MS) == [(12 * HOUR_MS, DAY_MS)]
    found = service(half, [_trouble(6, 15)], 0, DAY_MS, POLICY)
    assert found.availability == pytest.approx(1 - 3 / 12)
    assert service(_device(pilot=True), [], 0, DAY_MS, POLICY).availability is None


def test_a_dark_cabinet_is_one_visit_and_comes_before_a_broken_loop() -> None:
    troubles = [
        *(Trouble(f"loop-{n}", "no_data", "power", 0, 0) for n in (1, 2, 3)),
        Trouble("loop-9", "chatter", "", 0, 0),
        Trouble("loop-8", "hanging", "", 0, HOUR_MS),  # over
        Trouble("loop-7", "lane_unused", "", 0, 0),  # no fault
    ]
    cabinets = dict.fromkeys(("loop-1", "loop-2", "loop-3", "loop-9"), "cab-0001")
    items = work_list(troubles, cabinets, {"loop-9": 5000.0}, 7 * DAY_MS, POLICY)
    assert [(item.place, item.assets) for item in items] == [
        ("cab-0001", ("loop-1", "loop-2", "loop-3")),
        ("loop-9", ("loop-9",)),
    ]
    # each waited a week: factor 2; three of weight 1, and one of weight 1 and half more traffic
    assert [item.priority for item in items] == [pytest.approx(3 * 2), pytest.approx(1.5 * 2)]


def test_waiting_raises_the_urgency_only_so_far() -> None:
    one = [Trouble("loop-1", "under_count", "", 0, 0)]
    weeks = [work_list(one, {}, {}, days * DAY_MS, POLICY)[0].priority for days in (0, 7, 14, 100)]
    assert weeks == pytest.approx([0.8, 1.6, 2.4, 2.4])


def _alarm(kind: str, evidence: dict[str, object], cleared_ms: int = 0) -> Alarm:
    text = json.dumps(evidence)
    return Alarm(kind, "device:loop-1", 6 * HOUR_MS, 6 * HOUR_MS, cleared_ms, 2, 1.0, text)


def test_alarms_of_detectors_are_troubles_of_assets() -> None:
    alarms = [
        _alarm("detector_no_data", {"cause": "power"}, 9 * HOUR_MS),
        _alarm("detector_chatter", {"value": 1.0}),
        _alarm("detector_hanging", {"withdrawn": True}, 7 * HOUR_MS),
        _alarm("lane_unused", {}),
        _alarm("detector_no_data", {"cause": "unknown"}),
    ]
    assert troubles_of(alarms) == [
        Trouble("loop-1", "no_data", "power", 6 * HOUR_MS, 9 * HOUR_MS),
        Trouble("loop-1", "chatter", "", 6 * HOUR_MS, 0),
        Trouble("loop-1", "no_data", "", 6 * HOUR_MS, 0),
    ]


def test_a_day_of_a_device_is_a_line() -> None:
    (line,) = day_lines([_device()], [_trouble(6, 9)], (0, DAY_MS), 2 * DAY_MS, POLICY)
    assert (line.series, line.place, line.from_ms, line.to_ms) == (
        *("assets", "device:loop-1", 0, DAY_MS),
    )
    assert json.loads(line.body) == {
        "stage": "in_service",
        "service_s": 86_400,
        "down_s": 10_800,
        "failures": 1,
        "availability": 0.875,
        "is_below_target": True,
        "mtbf_h": 21.0,
        "mttr_h": 3.0,
    }


def test_of_a_day_that_lasts_only_what_has_passed_counts() -> None:
    (line,) = day_lines([_device()], [_trouble(6, 0)], (0, DAY_MS), 12 * HOUR_MS, POLICY)
    body = json.loads(line.body)
    assert (body["stage"], body["availability"]) == ("failed", 0.5)


@pytest.mark.clause("749.VIII.5-4")
def test_the_list_of_work_is_one_line_with_the_most_urgent_first() -> None:
    troubles = [
        Trouble("loop-1", "hanging", "", 0, 0),
        Trouble("loop-2", "no_data", "device", 0, 0),
    ]
    items = work_list(troubles, {}, {}, HOUR_MS, POLICY)
    body = json.loads(work_line(items, (0, DAY_MS), HOUR_MS).body)
    assert body["open"] == 2
    assert [item["assets"] for item in body["items"]] == [["loop-2"], ["loop-1"]]
    assert body["items"][0]["action"] == "replace the device"


def test_every_fault_has_its_action() -> None:
    for fault in Fault:
        assert (POLICY.of(fault.name.lower(), "") is None) == (fault in NOT_FAULTS)
