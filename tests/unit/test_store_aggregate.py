"""Buckets: local days, nulls, registers; and a real household's February."""

import csv
import datetime as dt
import json
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import FloatArray, IntArray
from gateway.store.aggregate import Buckets, aggregate
from tests.shared import SHARED, needs_shared

HOUR_MS = 3_600_000
T0 = 1_795_305_600_000  # 2026-11-22T00:00:00Z


def utc_ms(*parts: int, zone: str = "UTC") -> int:
    year, month, day, *rest = parts
    moment = dt.datetime(year, month, day, *rest, tzinfo=ZoneInfo(zone))  # type: ignore[misc,arg-type]
    return round(moment.timestamp() * 1000)


def register(*pairs: tuple[float, float]) -> tuple[IntArray, FloatArray]:
    times = np.array([T0 + round(hour * HOUR_MS) for hour, _ in pairs])
    return times, np.array([value for _, value in pairs])


def increase(pairs: list[tuple[float, float]], rollover: float | None = None) -> Buckets:
    return aggregate(
        *register(*pairs),
        fn="increase",
        every="1d",
        from_ms=T0,
        to_ms=T0 + 96 * HOUR_MS,
        rollover=rollover,
    )


def household() -> tuple[IntArray, FloatArray]:
    assert SHARED is not None
    times, power_kw = [], []
    with (SHARED / "data/meters/uci_household_2007-02.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            moment = dt.datetime.strptime(
                f"{row['date']} {row['time']} +0000", "%d/%m/%Y %H:%M:%S %z"
            )
            times.append(round(moment.timestamp() * 1000))
            text = row["global_active_power"]
            power_kw.append(float(text) if text not in {"", "?", "NA"} else np.nan)
    return np.array(times), np.array(power_kw)


@needs_shared
def test_minute_means_of_a_real_household_integrate_to_its_energy() -> None:
    assert SHARED is not None
    times, power_kw = household()
    ask = partial(
        aggregate,
        times,
        power_kw,
        from_ms=int(times[0]),
        to_ms=int(times[-1]) + 60_000,
        interval_ms=60_000,
    )
    expected = json.loads((SHARED / "data/meters/expected.json").read_text("utf-8"))
    of_february = expected["uci_household_2007-02.csv"]
    whole = ask(fn="integral", every=None)
    assert whole.values.tolist() == [pytest.approx(of_february["total_kwh"], abs=5e-5)]
    assert whole.n.tolist() == [40_318]  # two minutes are null
    daily = ask(fn="integral", every="1d")
    want = [energy for energy, _ in of_february["daily"].values()]
    assert daily.values == pytest.approx(want, abs=6e-5)
    quarters = ask(fn="mean", every="15m")
    peak = int(np.argmax(quarters.values))
    assert quarters.values[peak] == pytest.approx(8.2311, abs=5e-5)
    assert quarters.start_ms[peak] == utc_ms(2007, 2, 22, 21)


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)]
)
def test_a_local_day_has_the_hours_it_has(day: tuple[int, int, int], hours: int) -> None:
    start = utc_ms(*day, zone="Europe/Berlin")
    times = np.arange(start - 30 * HOUR_MS, start + 60 * HOUR_MS, HOUR_MS)
    ask = partial(aggregate, from_ms=int(times[0]), to_ms=int(times[-1]), tz="Europe/Berlin")
    buckets = ask(times, np.ones(len(times)), fn="count", every="1d")
    assert dict(zip(buckets.start_ms.tolist(), buckets.n.tolist(), strict=True))[start] == hours


@given(
    st.sampled_from(["UTC", "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/St_Johns"]),
    st.sampled_from(["7m", "15m", "1h", "6h", "1d", "3d", "1w", "1mo", "3mo"]),
    st.lists(st.integers(0, 400 * 86_400_000), min_size=1, max_size=40, unique=True),
)
def test_every_reading_is_in_the_bucket_that_starts_last_before_it(
    zone: str, every: str, offsets: list[int]
) -> None:
    times = T0 + np.sort(np.array(offsets))
    buckets = aggregate(
        times, np.ones(len(times)), fn="sum", every=every, tz=zone, from_ms=0, to_ms=2**52
    )
    assert (np.diff(buckets.start_ms) > 0).all()
    places = np.searchsorted(buckets.start_ms, times, "right") - 1
    assert np.bincount(places).tolist() == buckets.n.tolist()
    local = [dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)) for ms in buckets.start_ms]
    if every.endswith(("d", "w", "mo")):
        assert {(moment.hour, moment.minute) for moment in local} == {(0, 0)}
    if every == "1w":
        assert {moment.isoweekday() for moment in local} == {1}
    if every.endswith("mo"):
        assert {moment.day for moment in local} == {1}


def test_a_null_keeps_its_place_and_adds_nothing() -> None:
    times = T0 + HOUR_MS * np.arange(4)
    values = np.array([2.0, np.nan, 4.0, 1.0])
    buckets = aggregate(times, values, fn="integral", every=None, from_ms=T0, to_ms=2**52)
    assert buckets.values.tolist() == [7.0]
    assert buckets.n.tolist() == [3]


def test_a_reading_before_an_outage_counts_for_two_intervals_at_most() -> None:
    times = T0 + HOUR_MS * np.array([0, 1, 2, 3, 50])
    buckets = aggregate(times, np.ones(5), fn="integral", every=None, from_ms=T0, to_ms=2**52)
    assert buckets.values.tolist() == [1 + 1 + 1 + 2 + 1]


def test_a_bucket_of_nulls_has_no_value() -> None:
    for fn in ("sum", "mean", "min", "max", "integral"):
        buckets = aggregate(
            np.array([T0, T0 + 1]), np.full(2, np.nan), fn=fn, every="1h", from_ms=0, to_ms=2**52
        )
        assert np.isnan(buckets.values).all()
        assert buckets.n.tolist() == [0]


def test_a_reading_at_midnight_ends_the_day_before() -> None:
    buckets = increase([(0, 100), (23, 130), (24, 131), (25, 133), (48, 150)])
    assert buckets.values.tolist() == [31.0, 19.0]
    assert buckets.start_ms.tolist() == [T0, T0 + 24 * HOUR_MS]


@given(
    st.lists(st.integers(0, 5_000_000), min_size=2, max_size=50),
    st.sampled_from(["15m", "1h", "1d"]),
)
def test_buckets_of_a_register_add_up_to_its_growth(steps: list[int], every: str) -> None:
    values = np.cumsum(np.array(steps, np.float64))
    times = T0 + np.cumsum(np.array(steps)) + np.arange(len(steps))
    buckets = aggregate(
        times, values, fn="increase", every=every, from_ms=int(times[0]), to_ms=int(times[-1])
    )
    assert buckets.values.sum() == values[-1] - values[0]


def test_a_gap_in_a_register_loses_nothing() -> None:
    buckets = increase([(0, 100), (1, np.nan), (50, 700)])
    assert buckets.values.sum() == 600.0


def test_a_register_that_rolls_over_goes_on() -> None:
    assert increase([(0, 990), (1, 20)], rollover=1000.0).values.tolist() == [30.0]


@pytest.mark.parametrize("rollover", [None, 1000.0])
def test_a_reset_adds_nothing_and_counting_goes_on(rollover: float | None) -> None:
    assert increase([(0, 500), (1, 20), (2, 25)], rollover).values.tolist() == [5.0]


@pytest.mark.parametrize(
    ("fn", "every", "tz"),
    [
        ("median", "1h", "UTC"),
        ("sum", "1y", "UTC"),
        ("sum", "0m", "UTC"),
        ("sum", "36h", "UTC"),
        ("sum", "1h", "Mars/Olympus"),
        ("sum", "1h", "Europe"),
        ("sum", "1h", "../etc/passwd"),
    ],
)
def test_a_wrong_question_is_a_value_error(fn: str, every: str, tz: str) -> None:
    with pytest.raises(ValueError):
        aggregate(np.array([T0]), np.ones(1), fn=fn, every=every, tz=tz, from_ms=0, to_ms=2**52)


def test_no_readings_make_no_buckets() -> None:
    none = np.empty(0, np.int64)
    for fn in ("sum", "increase", "integral"):
        buckets = aggregate(none, np.empty(0), fn=fn, every="1h", from_ms=0, to_ms=2**52)
        assert len(buckets.start_ms) == 0
