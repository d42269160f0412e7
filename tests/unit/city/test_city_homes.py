"""Homes of the city: who cools does so for hours, and a home remembers its last hour."""

import csv

import numpy as np
import pytest

from simulators.city import calendar
from simulators.city.dice import keys
from simulators.city.frame import Floats
from simulators.city.grid import sessions
from simulators.city.grid.layout import HOME, build
from simulators.city.grid.loads import Loads
from simulators.city.weather import Weather
from simulators.homes import COOLING
from tests.shared import SHARED, needs_shared

SEED, HOMES, DAYS = 5, 400, 14
MINUTES_5 = 300_000
JUNE_MS = calendar.midnight_ms(1_781_000_000_000)
MOMENTS = JUNE_MS + MINUTES_5 * np.arange(DAYS * 288)
PEOPLE = sessions.People(
    keys(SEED, 1, HOMES)[:, None], np.zeros((HOMES, 1)), is_away=np.zeros((HOMES, 1))
)


@pytest.fixture(scope="module")
def cooled() -> sessions.Mask:
    return sessions.cooling(PEOPLE, MOMENTS, Weather(SEED)).runs


def test_as_many_cool_at_each_hour_as_the_weather_asks_for(cooled: sessions.Mask) -> None:
    heat = sessions.heat_of(Weather(SEED).temperature_c(MOMENTS))
    hour = calendar.local_hour(MOMENTS)
    wish = np.minimum(2 * heat * calendar.by_hour(np.array(COOLING), hour), 0.95)
    for whole in range(24):
        here = hour // 1 == whole
        assert cooled[:, here].mean() == pytest.approx(wish[here].mean(), abs=0.05)
    assert cooled.mean() == pytest.approx(wish.mean(), rel=0.08)


def test_who_cools_does_so_for_hours_once_or_twice_a_day(cooled: sessions.Mask) -> None:
    """Yoshida et al. 2021, Ha Noi: 5.3 h a day parents, 8.1 h children."""
    edges = np.diff(np.pad(cooled, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    sessions_a_day = (edges == 1).sum() / HOMES / DAYS
    hours_a_day = cooled.mean() * 24
    assert 0.5 < sessions_a_day < 1.5
    assert 5.3 < hours_a_day < 8.1
    lasts_h = np.concatenate(
        [np.flatnonzero(row == -1) - np.flatnonzero(row == 1) for row in edges]
    )
    assert (lasts_h / 12 < 1).mean() < 0.05
    habits = cooled.mean(axis=1) * 24  # some hardly cool, others every night
    assert np.percentile(habits, 95) > 2.5 * np.percentile(habits, 5)


def test_meals_and_showers_begin_at_any_minute() -> None:
    for use, least_min, most_min in ((sessions.cooking, 12, 72), (sessions.washing, 2, 14)):
        moments = JUNE_MS + 60_000 * np.arange(3 * 1440)
        edges = np.diff(np.pad(use(PEOPLE, moments), ((0, 0), (1, 1))).astype(np.int8), axis=1)
        begins, ends = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
        lasts_min = ends - begins  # two may overlap
        assert least_min - 1 <= lasts_min.min()
        assert lasts_min.max() <= most_min
        into_half_hour = np.bincount(begins % 30, minlength=30) / begins.size
        assert into_half_hour.max() < 2 / 30
        assert (begins // 30 != (ends - 1) // 30).mean() > 0.1


@needs_shared
def test_homes_remember_their_last_hour_as_recorded_homes_do() -> None:
    """A British home of 4 kWh a day and a French one of 34: ours in summer lie in between.

    What is compared is the hour less the home's mean of that hour of the day, with the hour
    before. Neither of them cools; what they say is that uses last.
    """
    british, french = _correlation(_british()[None, :]), _correlation(_french()[None, :])
    layout = build(SEED, 60, 0)
    homes = np.flatnonzero((layout.kind == HOME) & (layout.solar_w == 0))
    power = Loads(SEED, layout, Weather(SEED)).at(MOMENTS).active_w[homes]
    ours = _correlation(power.reshape(homes.size, -1, 12).mean(axis=2))
    assert 0.3 < british < ours < french < 0.85


def _correlation(hours: Floats) -> float:
    """Return the mean correlation of homes' hours with the hours before them."""
    days = hours.reshape(hours.shape[0], -1, 24)
    rest = (days - days.mean(axis=1, keepdims=True)).reshape(hours.shape)
    return float(np.mean([np.corrcoef(one[:-1], one[1:])[0, 1] for one in rest]))


def _british() -> Floats:
    assert SHARED is not None
    with (SHARED / "data/meters/uk-hourly-sample-0.csv").open() as file:
        hours = [float(row["value"]) for row in csv.DictReader(file)]
    return np.array(hours[: len(hours) // 24 * 24])


def _french() -> Floats:
    assert SHARED is not None
    with (SHARED / "data/meters/uci_household_2007-02.csv").open() as file:
        text = [row["global_active_power"] for row in csv.DictReader(file)]
    minutes = np.array([np.nan if one == "NA" else float(one) for one in text])  # two are missing
    hours: Floats = np.nanmean(minutes.reshape(-1, 60), axis=1)
    return hours
