"""What is no reading goes to quarantine, with the column, the value and the limit in words."""

import pytest

from gateway.config.sections import ValidationSection
from gateway.model import Quality, Reason
from gateway.screen import Refusal, Screen, Window
from tests.readings import NAN, PROFILES, T0_MS, Given, decoded

MIN, H, DAY = 60_000, 3_600_000, 86_400_000
GOOD = (1000, 0, 100, 2300, 50, 900)


@pytest.fixture
def screen() -> Screen:
    return Screen(PROFILES, Window.of(ValidationSection()))


def test_what_is_within_the_limits_passes(screen: Screen) -> None:
    edges = (999_999_999_999, 0, -30_000, 4000, 12_000, -1000)
    batch = decoded("em1", Given(GOOD), Given(edges), Given((NAN,) * 6))
    verdict = screen.check(batch)
    assert not verdict.is_refused.any()
    assert verdict.refusals == ()
    assert batch.readings.quality.tolist() == [Quality.VALID] * 3


@pytest.mark.parametrize(
    ("place", "value", "reason", "detail"),
    [
        (0, -1, "limit", "ea_imp = -1 Wh is below 0"),
        (2, 30_001, "limit", "p = 30001 W is above 30000"),
        (3, 4001, "limit", "u = 400.1 V is above 400"),
        (4, -12_001, "limit", "i = -120.01 A is below -120"),
        (5, 1001, "limit", "pf = 1.001 1 is above 1"),
        (2, float("inf"), "not_finite", "p = inf"),
        (5, float("-inf"), "not_finite", "pf = -inf"),
    ],
)
def test_a_value_outside_is_named_with_its_limit(
    screen: Screen, place: int, value: float, reason: str, detail: str
) -> None:
    bad = [*GOOD]
    bad[place] = value  # type: ignore[call-overload]
    verdict = screen.check(decoded("em1", Given(GOOD), Given(bad)))
    assert verdict.is_refused.tolist() == [False, True]
    assert verdict.refusals == [Refusal(1, reason, detail)]  # type: ignore[arg-type]


def test_a_limit_that_its_scale_does_not_divide_is_still_allowed(screen: Screen) -> None:
    # occupancy 1 at 0.001, speed 300 at 0.1: divided in binary they miss the whole number
    lane = (0, 0, 1000, 3000, 3000, 0, 0, 0, 0, 0)
    assert not screen.check(decoded("tl1", Given(lane))).is_refused.any()
    over = (0, 0, 1001, 3000, 3000, 0, 0, 0, 0, 0)
    assert screen.check(decoded("tl1", Given(over))).is_refused.all()


@pytest.mark.parametrize(
    ("age_ms", "is_refused"),
    [(60 * DAY, False), (60 * DAY + 1, True), (-5 * MIN, False), (-5 * MIN - 1, True)],
)
def test_the_window_is_sixty_days_back_and_five_minutes_ahead(
    screen: Screen, age_ms: int, *, is_refused: bool
) -> None:
    verdict = screen.check(decoded("em1", Given(GOOD, age_ms=age_ms)))
    assert verdict.is_refused.tolist() == [is_refused]
    assert verdict.is_mistimed.tolist() == [is_refused]


def test_the_detail_says_how_far_outside(screen: Screen) -> None:
    verdict = screen.check(
        decoded("em1", Given(GOOD, age_ms=61 * DAY), Given(GOOD, age_ms=-6 * MIN))
    )
    assert [refusal.detail for refusal in verdict.refusals] == [
        f"time {T0_MS} is {61 * DAY} ms old; {60 * DAY} ms are allowed",
        f"time {T0_MS} is {6 * MIN} ms ahead; {5 * MIN} ms are allowed",
    ]
    assert {refusal.reason.value for refusal in verdict.refusals} == {"time"}


def test_a_source_may_widen_the_window_to_import_history(screen: Screen) -> None:
    old = Given(GOOD, age_ms=1000 * DAY, max_age_ms=2000 * DAY)
    verdict = screen.check(decoded("em1", old, old._replace(max_age_ms=1)))
    assert verdict.is_refused.tolist() == [False, True]


def test_times_at_the_ends_of_64_bits_are_refused_and_nothing_wraps(screen: Screen) -> None:
    for time_ms in (-(2**63), 2**63 - 1):
        batch = decoded("em1", Given(GOOD))
        batch.readings.time_ms[0] = time_ms
        assert screen.check(batch).is_refused.all()


def test_a_reading_the_gateway_stamped_has_no_time_to_judge(screen: Screen) -> None:
    batch = decoded("em1", Given(GOOD, age_ms=61 * DAY, is_stamped=True))
    assert not screen.check(batch).is_refused.any()


def test_late_and_backlog_readings_are_recovered(screen: Screen) -> None:
    batch = decoded(
        "em1",
        Given(GOOD, age_ms=H),
        Given(GOOD, age_ms=H + 1),
        Given(GOOD, is_backlog=True),
        Given(GOOD, age_ms=-2 * MIN - 1),
    )
    screen.check(batch)
    rows = batch.readings
    assert rows.quality.tolist() == [
        Quality.VALID,
        Quality.RECOVERED,
        Quality.RECOVERED,
        Quality.VALID,
    ]
    assert rows.reasons.tolist() == [0, Reason.LATE, Reason.LATE, Reason.TIME_SYNC]


def test_a_reading_wrong_in_value_and_time_is_refused_once_and_its_time_not_believed(
    screen: Screen,
) -> None:
    verdict = screen.check(decoded("em1", Given((-1, *GOOD[1:]), age_ms=61 * DAY)))
    assert [refusal.reason.value for refusal in verdict.refusals] == ["limit"]
    assert verdict.is_mistimed.all()
