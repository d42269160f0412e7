"""The city's calendar and weather: plain facts, and the same for everybody who asks."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from simulators.city import calendar
from simulators.city.weather import Weather

HA_NOI = timezone(timedelta(hours=7))


def at(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=HA_NOI).timestamp() * 1000)  # type: ignore[misc,arg-type]


def one(time_ms: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([time_ms], dtype=np.int64)


@pytest.mark.parametrize("moment", [(2026, 2, 15), (2026, 2, 21, 23), (2025, 1, 29)])
def test_tet_moves_with_the_moon(moment: tuple[int, ...]) -> None:
    assert calendar.is_tet(one(at(*moment))).all()


@pytest.mark.parametrize("moment", [(2026, 2, 14, 23, 59), (2026, 2, 22), (2026, 9, 2)])
def test_other_days_are_not_tet(moment: tuple[int, ...]) -> None:
    assert not calendar.is_tet(one(at(*moment))).any()


def test_fixed_holidays_begin_and_end_at_local_midnight() -> None:
    moments = np.array([at(2026, 9, 1, 23, 59), at(2026, 9, 2), at(2026, 9, 3)], dtype=np.int64)
    assert calendar.is_holiday(moments).tolist() == [False, True, False]


def test_weekday_and_hour_agree_with_the_standard_library() -> None:
    for hours in range(0, 24 * 400, 7):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        local = moment.astimezone(HA_NOI)
        time_ms = one(round(moment.timestamp() * 1000))
        assert calendar.weekday(time_ms)[0] == local.weekday()
        assert calendar.local_hour(time_ms)[0] == local.hour


def test_weather_is_that_of_a_place_with_a_summer_and_rain() -> None:
    weather = Weather(1)
    year = np.arange(at(2026, 1, 1), at(2027, 1, 1), 600_000, dtype=np.int64)
    january, july = year[: 31 * 144], year[181 * 144 : 212 * 144]
    assert 13 < weather.temperature_c(january).mean() < 21
    assert 26 < weather.temperature_c(july).mean() < 32
    assert weather.temperature_c(year).max() < 42
    rain_mm = weather.rain_mm_h(year).sum() / 6
    assert 800 < rain_mm < 3000  # Ha Noi: 1,680 mm
    assert weather.sun(year).max() > 0.9
    assert not weather.sun(year)[calendar.local_hour(year) < 5].any()


def test_weather_is_a_function_of_seed_and_time() -> None:
    times = np.arange(at(2026, 5, 1), at(2026, 5, 3), 60_000, dtype=np.int64)
    whole = Weather(4).rain_mm_h(times)
    assert np.array_equal(whole[100:], Weather(4).rain_mm_h(times[100:]))
    assert not np.array_equal(Weather(4).temperature_c(times), Weather(5).temperature_c(times))
