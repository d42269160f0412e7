import time
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.documents import ProblemError
from gateway.api.guard import offered_token
from gateway.api.params import DAY_MS, Span, from_token, parse_time_ms, to_token
from gateway.api.table import safe_cell
from gateway.ports import CountRow, DeviceRow, LatestRow, StreamRow, Totals
from gateway.stats import BUCKETS_S, Sample, Stats
from gateway.views.accounts import accounts_of
from gateway.views.daily import local_days
from gateway.views.fleet import DeviceState, build_fleet, join
from gateway.views.flow import Flow
from gateway.views.health import SinkHealth, look
from gateway.views.missing import completeness_of
from gateway.views.pulse import Pulse
from tests.support.stores import NOW_MS

counts = st.integers(0, 1 << 40)


@given(st.tuples(*[counts] * 6), counts)
def test_the_account_balances_whatever_was_counted(done: tuple[int, ...], pending: int) -> None:
    totals = Totals(sum(done[3:]) + pending, *done)
    for account in accounts_of(totals):
        assert account.is_balanced
        assert account.pending == pending


def test_a_message_with_two_fates_does_not_balance() -> None:
    assert not accounts_of(Totals(1, 2, 0, 0, 2, 0, 0)).readings.is_balanced


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T22:30:00Z",
        "2026-11-21T22:30:00.000Z",
        "2026-11-22T05:30:00+07:00",
        "2026-11-22T05:30:00 07:00",  # a "+" that the query string turned into a space
        "2026-11-21T22:30",
        "1795300200000",
    ],
)
def test_one_moment_may_be_written_in_many_ways(text: str) -> None:
    assert parse_time_ms("from", text) == NOW_MS


def test_a_date_begins_in_the_zone_that_was_asked_for() -> None:
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    assert parse_time_ms("from", "2026-11-22", zone) == parse_time_ms("from", "2026-11-21T17:00Z")


@given(st.text(max_size=70))
def test_any_text_is_a_time_or_a_problem_that_names_the_parameter(text: str) -> None:
    try:
        outcome = parse_time_ms("from", text, UTC) >= 0
    except ProblemError as error:
        outcome = (error.status, error.parameter) == (422, "from")
    assert outcome


def test_the_default_is_the_last_day_with_the_present() -> None:
    assert Span(None, None).resolve(NOW_MS) == (NOW_MS + 1 - DAY_MS, NOW_MS + 1)


@given(st.text(max_size=80))
def test_page_tokens_come_back_as_they_went(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert from_token(to_token(text)) == text


@given(st.text(max_size=80))
def test_a_made_up_token_is_a_problem_or_a_text(token: str) -> None:
    try:
        outcome = isinstance(from_token(token), str)
    except ProblemError as error:
        outcome = error.parameter == "after"
    assert outcome


@given(st.text())
def test_no_cell_begins_a_formula(text: str) -> None:
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic dXNlcjphYmM=", "abc"),
        ("Basic ///", ""),
        ("Basic /w==", ""),
        ("Digest abc", ""),
        ("", ""),
    ],
)
def test_a_token_comes_as_bearer_or_as_basic_password(header: str, token: str) -> None:
    assert offered_token(header) == token


def test_days_in_a_zone_have_23_and_25_hours_when_clocks_change() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = parse_time_ms("from", "2026-03-28", zone)
    lengths = [day.end_ms - day.begin_ms for day in local_days(begin, begin + 3 * DAY_MS, zone)]
    assert lengths[:2] == [DAY_MS, 23 * 3_600_000]
    dates = [day.date for day in local_days(begin, begin + 2 * DAY_MS, zone)]
    assert dates[:2] == ["2026-03-28", "2026-03-29"]


@given(st.integers(0, 4 * 10**12), st.integers(1, 40 * DAY_MS))
def test_local_days_cover_the_time_without_gap_or_overlap(begin: int, length: int) -> None:
    days = list(local_days(begin, begin + length, ZoneInfo("America/New_York")))
    assert days[0].begin_ms == begin
    assert days[-1].end_ms == begin + length
    assert all(a.end_ms == b.begin_ms for a, b in pairwise(days))


@pytest.mark.parametrize(
    ("age_ms", "said", "state"),
    [
        (60_000, "", DeviceState.ALIVE),  # exactly two intervals of 30 s
        (60_001, "", DeviceState.LOST),
        (1_000, "lost", DeviceState.LOST),
        (1_000, "online", DeviceState.ALIVE),
        (None, "online", DeviceState.SILENT),
    ],
)
def test_a_device_is_lost_after_two_intervals_or_by_its_will(
    age_ms: int | None, said: str, state: DeviceState
) -> None:
    row = DeviceRow(0, "vec", "transport", "lane-1", 1, 0)
    heard = 0 if age_ms is None else NOW_MS - age_ms
    latest = [LatestRow(0, "tl1", heard, heard, 0, 1, 0, 1, 0, b"", b"")] if heard else []
    count = CountRow(0, 1, 0, 0, 1, 0, 0, heard, said)
    assert join(row, count, latest, (NOW_MS, {"tl1": 30_000})).state is state


def test_a_look_is_shared_while_it_is_fresh_and_costs_a_fifth_of_the_time() -> None:
    clock, looks = [0.0], []

    def look() -> int:
        clock[0] += 1.0  # a slow store
        looks.append(clock[0])
        return len(looks)

    pulse = Pulse(look, lambda: clock[0])
    assert [pulse.see(), pulse.see()] == [1, 1]
    clock[0] = 1.0 + 3.9
    assert pulse.see() == 1
    clock[0] = 1.0 + 4.1
    assert pulse.see() == 2


def test_a_will_is_not_word_from_the_device() -> None:
    row = DeviceRow(0, "vec", "transport", "lane-1", 1, 0)
    heard_ms = NOW_MS - 50_000
    latest = [LatestRow(0, "tl1", heard_ms, heard_ms, 0, 1, 0, 1, 0, b"", b"")]
    count = CountRow(0, 1, 0, 0, 1, 0, 0, NOW_MS, "lost")  # the broker sent it just now
    assert join(row, count, latest, (NOW_MS, {"tl1": 30_000})).last_seen_ms == heard_ms


def test_those_a_person_should_look_at_are_listed_first() -> None:
    rows = [DeviceRow(i, "evn", "energy", f"m-{i}", 1, 0) for i in range(6)]
    grades = [1, 8, 1, 9, 1, 4]
    latest = [
        LatestRow(i, "em1", NOW_MS, NOW_MS, 0, 1, 0, grade, 0, b"", b"")
        for i, grade in enumerate(grades)
    ]
    lost = CountRow(4, 1, 0, 0, 1, 0, 0, NOW_MS, "lost")
    totals = Totals(0, 0, 0, 0, 0, 0, 0)
    fleet = build_fleet((NOW_MS, {"em1": 1_800_000}), totals, (rows, [lost]), latest)
    names = [device.name for device in fleet.listed(q="", sector="", state="")]
    assert names == ["m-1", "m-3", "m-4", "m-0", "m-2", "m-5"]
    chosen = fleet.listed(q="M-", sector="energy", state="alive")
    assert [device.name for device in chosen] == ["m-1", "m-3", "m-0", "m-2", "m-5"]


def stream(high_water: int, ranges: str, log: int = 1, last_ms: int = NOW_MS) -> StreamRow:
    return StreamRow(0, log, 0, 1, 1, high_water, last_ms, ranges)


def test_what_is_missing_is_told_with_its_numbers() -> None:
    found = completeness_of([stream(10, "[[13,20],[25,30]]"), stream(500, "[]", 2, NOW_MS - 1)])
    assert found == (1, 30, 6, [[11, 12], [21, 24]])
    assert completeness_of([stream(48, "")]) == (1, 48, 0, [])
    assert completeness_of([]).last == -1


def delays(*counts: int) -> Sample:
    return Sample("histogram", "infragate_end_to_end_seconds", (), 0.0, counts)


def test_the_flow_of_an_hour_is_kept_in_steps() -> None:
    flow = Flow()
    for step in range(400):
        flow.sample(NOW_MS + 10_000 * step, 480 * step, [])
    rates = flow.rates()
    assert len(rates) == 360
    assert {rate for _, rate in rates} == {48.0}
    flow.sample(NOW_MS, 0, [])  # another store, or the clock set back: no rate of it
    assert len(flow.rates()) == 359


def test_delays_are_those_of_the_last_minute() -> None:
    flow = Flow()
    assert flow.soon_s() is None
    slow, quick = [0] * 14 + [1000], [0] * 4 + [99, 1] + [0] * 9
    flow.sample(NOW_MS - 10_000, 0, [delays(*[0] * 15)])
    flow.sample(NOW_MS, 0, [delays(*slow)])
    assert flow.soon_s() == float("inf")
    both = [a + b for a, b in zip(slow, quick, strict=True)]
    for step in range(1, 7):
        flow.sample(NOW_MS + 10_000 * step, 0, [delays(*both)])
    assert flow.soon_s() == BUCKETS_S[4]
    flow.sample(NOW_MS + 70_000, 0, [delays(*both)])
    assert flow.soon_s() is None  # nothing came for a minute
    flow.sample(NOW_MS + 80_000, 0, [delays(*quick)])  # started again: counts from zero
    assert flow.soon_s() == BUCKETS_S[4]


def test_health_is_told_from_what_the_processes_count(tmp_path: Path) -> None:
    stats = Stats()
    stats.gauge("infragate_listener_connections", 240, source="0")
    stats.gauge("infragate_source_connected", 0, source="1")
    stats.gauge("infragate_sink_up", 0, sink="vm")
    stats.gauge("infragate_sink_lag_seconds", 720.5, sink="vm")
    stats.gauge("infragate_sink_pending_records", 340, sink="vm")
    stats.gauge("infragate_sink_up", 1, sink="influx")
    stats.gauge("infragate_sink_up", 1, sink="vm-rollups")
    stats.gauge("infragate_sink_pending_records", 2, sink="vm-rollups")
    stats.save(tmp_path / "intake.json")
    now_ms = time.time_ns() // 1_000_000
    health = look(tmp_path, now_ms)
    assert health.connected == 240
    assert health.brokers == {"1": False}
    good = SinkHealth("influx", is_up=True, lag_s=0.0, pending=0)
    assert health.sinks == (good, SinkHealth("vm", is_up=False, lag_s=720.5, pending=342))
    assert health.silent == ()
    assert look(tmp_path, now_ms + 11_000).silent == ("intake",)
