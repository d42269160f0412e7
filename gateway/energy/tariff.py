"""Time of use: how much of each slot falls under which rate, from dated tariff files.

A file names the spans of each day of the week; they must cover the day without overlap. The
edition of a slot is that of its local day, so a month in which the hours change is split right.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from gateway.energy.calendar import MIN_PER_DAY, SUNDAY, Calendar, weekday
from gateway.errors import ConfigError
from gateway.model import BoolArray, FloatArray, IntArray
from gateway.policies import MS_PER_MIN, Part, Policies, Policy

TARIFF_DOMAIN = "tariff"
PRICES_DOMAIN = "prices"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)\Z")
_NO_RATE = -1


def _minutes(span: str) -> tuple[int, int]:
    match = _SPAN.match(span)
    if match is None:
        raise ValueError(f"{span!r} is not like '09:30-11:30'")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if not begin < end <= MIN_PER_DAY:
        raise ValueError(f"{span!r} does not end after it begins, within one day")
    return begin, end


def _checked(span: str) -> str:
    _minutes(span)
    return span


Span = Annotated[str, AfterValidator(_checked)]


class Period(Part):
    """When a rate holds."""

    rate: str
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(min_length=1)
    spans: tuple[Span, ...] = Field(min_length=1)


class Tariff(Policy):
    """One edition of a tariff calendar."""

    rates: tuple[str, ...] = Field(min_length=1, max_length=8)
    holidays_as: Literal["weekday", "sunday"]
    periods: tuple[Period, ...] = Field(alias="period", min_length=1)

    @model_validator(mode="after")
    def _covers_the_week(self) -> "Tariff":
        table = np.full((len(_DAYS), MIN_PER_DAY), _NO_RATE)
        for period in self.periods:
            if period.rate not in self.rates:
                raise ValueError(f"rate {period.rate!r} is not one of {self.rates}")
            for day in period.days:
                for span in period.spans:
                    _fill(table[_DAYS.index(day)], span, day, self.rates.index(period.rate))
        for number, name in enumerate(_DAYS):
            free = np.flatnonzero(table[number] == _NO_RATE)
            if len(free):
                raise ValueError(f"no rate on {name} at {_clock(int(free[0]))}")
        return self

    def minutes(self) -> IntArray:
        """Return the rate of every minute of the week, (7, 1440), Monday first."""
        table = np.zeros((len(_DAYS), MIN_PER_DAY), np.int64)
        for period in self.periods:
            for day in period.days:
                for begin, end in map(_minutes, period.spans):
                    table[_DAYS.index(day), begin:end] = self.rates.index(period.rate)
        return table


class Prices(Policy):
    """What a kilowatt-hour costs at each rate."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    per_kwh: dict[str, float] = Field(min_length=1)


class RateShares(NamedTuple):
    """How much of each slot falls under each rate."""

    rates: tuple[str, ...]
    share: FloatArray  # (rates, slots); each column adds up to 1

    def is_exact(self) -> BoolArray:
        """Return which slots lie wholly under one rate; the others are divided by time."""
        whole: BoolArray = self.share.max(axis=0) == 1
        return whole


def rate_shares(
    policies: Policies[Tariff], name: str, calendar: Calendar, slot_ms: IntArray, interval_ms: int
) -> RateShares:
    """Return under which rate each slot falls.

    Args:
        policies: the tariff files.
        name: which tariff.
        calendar: local days and holidays.
        slot_ms: beginnings of slots, in order.
        interval_ms: length of a slot, whole minutes.

    Raises:
        ConfigError: an edition is missing for the first slot, or the rates change their names.
    """
    editions = _editions(policies, name, slot_ms)
    begins = np.array([edition.effective_from_ms for edition in editions])
    tables = np.stack([edition.minutes() for edition in editions])
    as_sunday = np.array([edition.holidays_as == "sunday" for edition in editions])
    minute_ms = slot_ms[:, None] + MS_PER_MIN * np.arange(interval_ms // MS_PER_MIN)
    edition_of = np.searchsorted(begins, minute_ms, side="right") - 1
    day = calendar.day(minute_ms)
    is_sunday_like = as_sunday[edition_of] & calendar.is_holiday(day)
    of_week = np.where(is_sunday_like, SUNDAY, weekday(day))
    rate = tables[edition_of, of_week, calendar.minute(minute_ms)]
    rates = editions[0].rates
    share = np.stack([(rate == number).mean(axis=1) for number in range(len(rates))])
    return RateShares(rates, share)


def _editions(policies: Policies[Tariff], name: str, slot_ms: IntArray) -> Sequence[Tariff]:
    first = policies.at(name, int(slot_ms[0]))
    all_editions = policies.editions(name)
    editions = all_editions[all_editions.index(first) :]
    if any(edition.rates != first.rates for edition in editions):
        raise ConfigError(f"policies/{TARIFF_DOMAIN}: {name!r} changes the names of its rates")
    return editions


def _fill(row: IntArray, span: str, day: str, rate: int) -> None:
    begin, end = _minutes(span)
    taken = np.flatnonzero(row[begin:end] != _NO_RATE)
    if len(taken):
        raise ValueError(f"two rates on {day} at {_clock(begin + int(taken[0]))}")
    row[begin:end] = rate


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
