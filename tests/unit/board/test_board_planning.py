"""What the form of maintenance makes of what is typed into it."""

from zoneinfo import ZoneInfo

import pytest

from gateway.board.looks.subjects import MOST_OFFERED, Subject, offer, subject_of, subjects_of
from gateway.board.planning import DAY_MS, Asked, fault_of, moment_of

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = 1_795_300_200_000
TITLES = {
    "transformer:tba-1": "Trạm 1",
    "feeder:f-1": "Xuất tuyến 1",
    "station:f-1": "Trạm đo f",
    "device:m-1": "Nhà ông An",
}
KNOWN = list(subjects_of(TITLES, ["m-1", "m-2"], {"water": "Water"}, "Everything"))


def test_everything_that_work_can_be_planned_for() -> None:
    assert [one.place for one in KNOWN] == [
        *("all", "sector:water", "transformer:tba-1", "feeder:f-1", "station:f-1"),
        *("device:m-1", "device:m-2"),
    ]
    assert KNOWN[-2:] == [Subject("device:m-1", "Nhà ông An"), Subject("device:m-2", "m-2")]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        *(("transformer:tba-1", "transformer:tba-1"), (" tba-1 ", "transformer:tba-1")),
        *(("trạm 1", "transformer:tba-1"), ("ALL", "all"), ("everything", "all")),
        *(("water", "sector:water"), ("m-2", "device:m-2"), ("nhà ông an", "device:m-1")),
        *(("f-1", ""), ("station:f-1", "station:f-1"), ("", ""), ("m-", ""), ("feeder:f-9", "")),
    ],
)
def test_a_place_is_meant_by_its_name_or_title_unless_two_have_it(text: str, place: str) -> None:
    assert subject_of(text, KNOWN) == place


def test_what_is_typed_is_offered_and_no_more_than_one_reads() -> None:
    assert [one.place for one in offer("trạm", KNOWN)] == ["transformer:tba-1", "station:f-1"]
    many = [Subject(f"device:{k}", str(k)) for k in range(1000)]
    assert len(offer("", many)) == MOST_OFFERED


def test_a_moment_of_a_form_is_local() -> None:
    # 2026-11-22T05:30 in Hanoi is 22:30 UTC of the day before, NOW
    assert moment_of("2026-11-22T05:30", HANOI) == NOW
    assert moment_of("", HANOI) is None
    assert moment_of("soon", HANOI) is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"subject": ""}, "window_no_place"),
        ({"from_ms": None}, "window_no_time"),
        ({"to_ms": None}, "window_no_time"),
        ({"to_ms": NOW - DAY_MS // 2}, "window_no_span"),  # over already
        ({"from_ms": NOW + 2 * DAY_MS}, "window_no_span"),
        ({"to_ms": NOW + 90 * DAY_MS}, "window_too_long"),
        ({"reason": ""}, "window_no_reason"),
    ],
)
def test_what_is_wrong_with_a_window_is_said(changes: dict[str, object], fault: str) -> None:
    asked = Asked("all", NOW - DAY_MS, NOW + DAY_MS, "new fuse")._replace(**changes)  # type: ignore[arg-type]
    assert fault_of(asked, NOW, 90 * DAY_MS) == fault
