from datetime import UTC
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.guard import offered_token
from gateway.api.params import DAY_MS, Span, from_token, parse_time_ms, to_token
from gateway.api.problems import ProblemError
from gateway.api.table import safe_cell
from gateway.board.words import ENGLISH, VIETNAMESE, age_text, grouped
from gateway.ports import CountRow, DeviceRow, LatestRow, Totals
from gateway.views.accounts import accounts_of
from gateway.views.daily import local_days
from gateway.views.fleet import DeviceState, join
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


def test_both_languages_have_every_word() -> None:
    assert ENGLISH.keys() == VIETNAMESE.keys()
    assert all(VIETNAMESE.values())


def test_ages_are_said_in_their_largest_unit() -> None:
    ages = [(900, "0 s ago"), (119_000, "119 s ago"), (121_000, "2 min ago"), (DAY_MS, "24 h ago")]
    for age_ms, text in ages:
        assert age_text(age_ms, ENGLISH) == text
    assert grouped(1_234_567) == "1\u202f234\u202f567"
