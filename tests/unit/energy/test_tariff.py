"""The three-price calendar, hand-computed: weekday, Sunday, holiday, month end, change of hours."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from gateway import policies
from gateway.energy.calendar import Calendar, DayType, HolidayYear, day_number
from gateway.energy.tariff import Prices, RateShares, Tariff, rate_shares
from gateway.errors import ConfigError
from gateway.policies import load_policies

HANOI = timezone(timedelta(hours=7))
HALF_HOUR_MS = 1_800_000
CALENDAR = Calendar.of(load_policies("calendar", HolidayYear), "vn-public-holidays")
TARIFFS = load_policies("tariff", Tariff)
EVN = "vn-evn-3price"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=HANOI).timestamp() * 1000)


def shares(begin: str, slots: int, interval_ms: int = HALF_HOUR_MS) -> RateShares:
    start = ms(begin)
    return rate_shares(TARIFFS, EVN, CALENDAR, start + interval_ms * np.arange(slots), interval_ms)


def hours(begin: str, days: int) -> dict[str, float]:
    """Return the hours of each rate from a midnight on."""
    found = shares(begin, 48 * days)
    assert found.is_exact().all()
    return dict(zip(found.rates, (found.share.sum(axis=1) / 2).tolist(), strict=True))


def rate_at(moment: str) -> str:
    found = shares(moment, 1)
    return found.rates[int(found.share[:, 0].argmax())]


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        # Tuesday 10 March 2026, the hours of 2017
        ("2026-03-10T03:30", "offpeak"),
        ("2026-03-10T04:00", "normal"),
        ("2026-03-10T09:00", "normal"),
        ("2026-03-10T09:30", "peak"),
        ("2026-03-10T11:00", "peak"),
        ("2026-03-10T11:30", "normal"),
        ("2026-03-10T16:30", "normal"),
        ("2026-03-10T17:00", "peak"),
        ("2026-03-10T19:30", "peak"),
        ("2026-03-10T20:00", "normal"),
        ("2026-03-10T21:30", "normal"),
        ("2026-03-10T22:00", "offpeak"),
        ("2026-03-10T23:30", "offpeak"),
        ("2026-03-11T00:00", "offpeak"),
        # Sunday 15 March 2026
        ("2026-03-15T03:30", "offpeak"),
        ("2026-03-15T04:00", "normal"),
        ("2026-03-15T10:00", "normal"),
        ("2026-03-15T18:00", "normal"),
        ("2026-03-15T22:00", "offpeak"),
        # Saturday is a weekday of the tariff
        ("2026-03-14T10:00", "peak"),
        # the first day of Tết 2026, a Tuesday: the ministry's text names Sunday alone
        ("2026-02-17T10:00", "peak"),
        # Monday 31 August 2026, the hours of 2026
        ("2026-08-31T05:30", "offpeak"),
        ("2026-08-31T06:00", "normal"),
        ("2026-08-31T10:00", "normal"),
        ("2026-08-31T17:00", "normal"),
        ("2026-08-31T17:30", "peak"),
        ("2026-08-31T22:00", "peak"),
        ("2026-08-31T22:30", "normal"),
        ("2026-08-31T23:30", "normal"),
        ("2026-09-01T00:00", "offpeak"),
        ("2026-09-06T18:00", "normal"),  # a Sunday
    ],
)
def test_the_rate_of_a_half_hour(moment: str, rate: str) -> None:
    assert rate_at(moment) == rate


def test_hours_of_a_month() -> None:
    # March 2026: 31 days, Sundays on 1, 8, 15, 22, 29, so 26 other days.
    assert hours("2026-03-01T00:00", 31) == {
        "normal": 26 * 13.0 + 5 * 18.0,
        "peak": 26 * 5.0,
        "offpeak": 31 * 6.0,
    }
    # July 2026: 31 days, Sundays on 5, 12, 19, 26, so 27 other days.
    assert hours("2026-07-01T00:00", 31) == {
        "normal": 27 * 13.0 + 4 * 18.0,
        "peak": 27 * 5.0,
        "offpeak": 31 * 6.0,
    }


def test_the_hours_change_at_local_midnight_within_a_period() -> None:
    found = shares("2026-05-31T22:00", 8)  # a Sunday, then Monday 1 June
    names = [found.rates[rate] for rate in found.share.argmax(axis=0)]
    assert names == ["offpeak"] * 8
    assert rate_at("2026-05-30T22:30") == "offpeak"  # Saturday, old hours
    assert rate_at("2026-06-06T22:00") == "peak"  # Saturday, new hours
    assert hours("2026-05-30T00:00", 3) == {  # Sat old, Sun old, Mon new
        "normal": 13.0 + 18.0 + 13.0,
        "peak": 5.0 + 0.0 + 5.0,
        "offpeak": 18.0,
    }


def test_an_hour_across_a_boundary_is_divided_and_says_so() -> None:
    found = shares("2026-03-10T08:00", 3, 2 * HALF_HOUR_MS)  # 9:00-10:00 is half normal, half peak
    assert found.is_exact().tolist() == [True, False, True]
    assert found.share[:, 1].tolist() == [0.5, 0.5, 0.0]


def test_holidays_as_sundays_where_a_tariff_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "tariff"
    folder.mkdir()
    (folder / "x.toml").write_text(
        'name = "festive"\neffective_from = 2025-01-01\nutc_offset_min = 420\n'
        'source = "made up here"\nrates = ["low", "high"]\nholidays_as = "sunday"\n'
        '[[period]]\nrate = "high"\ndays = ["mon","tue","wed","thu","fri","sat"]\n'
        'spans = ["08:00-20:00"]\n'
        '[[period]]\nrate = "low"\ndays = ["mon","tue","wed","thu","fri","sat"]\n'
        'spans = ["00:00-08:00", "20:00-24:00"]\n'
        '[[period]]\nrate = "low"\ndays = ["sun"]\nspans = ["00:00-24:00"]\n',
        "utf-8",
    )
    tariffs = load_policies("tariff", Tariff, tmp_path)

    def rate(moment: str) -> int:
        found = rate_shares(tariffs, "festive", CALENDAR, np.array([ms(moment)]), HALF_HOUR_MS)
        return int(found.share[:, 0].argmax())

    assert rate("2026-02-17T10:00") == 0  # Tết, Tuesday
    assert rate("2026-02-24T10:00") == 1  # the Tuesday after
    assert rate("2026-04-27T10:00") == 0  # Monday off for the Hùng Kings' Sunday


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('spans = ["06:00-24:00"]', 'spans = ["06:00-23:30"]', "no rate on sun at 23:30"),
        ('spans = ["17:30-22:30"]', 'spans = ["17:00-22:30"]', "two rates on mon at 17:00"),
        ('spans = ["17:30-22:30"]', 'spans = ["22:30-17:30"]', "does not end after it begins"),
        ('spans = ["17:30-22:30"]', 'spans = ["5pm"]', "is not like"),
        ('rate = "peak"', 'rate = "top"', "rate 'top' is not one of"),
    ],
)
def test_a_tariff_that_leaves_a_doubt_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    shipped = Path(policies.__file__).parent / "tariff"
    text = (shipped / "vn-evn-3price-2026.toml").read_text("utf-8")
    (tmp_path / "tariff").mkdir()
    (tmp_path / "tariff" / "bad.toml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=words):
        load_policies("tariff", Tariff, tmp_path)


def test_no_tariff_before_the_first_edition() -> None:
    with pytest.raises(ConfigError, match="begins only at 2017-12-01"):
        rate_at("2017-11-30T23:30")


def test_day_types_and_the_days_of_tet() -> None:
    days = [(2026, 2, 16), (2026, 2, 17), (2026, 2, 21), (2026, 2, 22), (2026, 2, 23)]
    numbers = np.array([day_number(datetime(*day, tzinfo=HANOI).date()) for day in days])
    assert CALENDAR.day_type(numbers).tolist() == [
        DayType.REST,  # Mon, eve of Tết
        DayType.REST,  # Tue, Tết
        DayType.SATURDAY,
        DayType.REST,  # Sunday
        DayType.WORKDAY,
    ]
    # New moons that begin the year in UTC+7: 2024-02-10, 2025-01-29, 2026-02-17, 2027-02-06.
    first_days = [(2024, 2, 10), (2025, 1, 29), (2026, 2, 17), (2027, 2, 6), (2028, 1, 26)]
    assert CALENDAR.is_holiday(
        np.array([day_number(datetime(*day, tzinfo=HANOI).date()) for day in first_days])
    ).all()


def test_every_price_list_knows_the_rates_of_the_tariff() -> None:
    prices = load_policies("prices", Prices)
    at = ms("2026-03-01T00:00")
    assert set(prices.at("vn-evn-business-lv", at).per_kwh) == set(TARIFFS.at(EVN, at).rates)
