from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Reason
from gateway.profiles import Column, load_profiles
from gateway.views.engineering import (
    decimals_of,
    reason_lists,
    reason_names,
    time_text,
    to_number,
    to_numbers,
)
from gateway.views.text import readable

PROFILES = load_profiles()


def column(scale: float) -> Column:
    return Column.model_validate(
        {
            "name": "x",
            "title": "X",
            "unit": "V",
            "scale": scale,
            "kind": "gauge",
            "min": 0,
            "max": 1,
        }
    )


def test_2304_tenths_of_a_volt_are_230_4() -> None:
    assert to_number(column(0.1), 2304.0) == 230.4
    assert repr(to_number(column(0.1), 2304.0)) == "230.4"


def test_a_register_of_one_watt_hour_stays_an_integer() -> None:
    number = to_number(column(1), 999_999_999_999.0)
    assert number == 999_999_999_999
    assert isinstance(number, int)


def test_what_was_not_measured_is_null() -> None:
    assert to_numbers(column(0.1), np.array([1.0, np.nan, 3.0])) == [0.1, None, 0.3]
    assert to_numbers(column(1), np.array([1.0, np.nan])) == [1, None]


@given(st.integers(-(10**12), 10**12), st.sampled_from([0.001, 0.01, 0.1, 0.25, 0.5, 1.0, 10.0]))
def test_a_whole_value_times_its_scale_is_the_nearest_double(value: int, scale: float) -> None:
    assert to_number(column(scale), float(value)) == float(Decimal(value) * Decimal(repr(scale)))


@given(st.integers(-(10**7), 10**7))
def test_digits_beyond_the_scale_are_kept(millivolts: int) -> None:
    shown = to_number(column(0.1), millivolts / 100)
    assert shown == pytest.approx(millivolts / 1000, abs=1e-9)


def test_a_float_beyond_two_to_the_53_does_not_pose_as_an_exact_integer() -> None:
    assert isinstance(to_number(column(1), float(1 << 60)), float)


@pytest.mark.parametrize(
    ("scale", "decimals"), [(1.0, 0), (0.1, 1), (0.001, 3), (0.25, 2), (10.0, 0), (1e-6, 6)]
)
def test_decimals_follow_the_scale(scale: float, decimals: int) -> None:
    assert decimals_of(scale) == decimals


def test_every_column_of_every_profile_has_a_scale_that_can_be_shown() -> None:
    for profile in PROFILES.values():
        for one in profile.columns:
            assert to_number(one, 1.0) == pytest.approx(one.scale)


def test_times_are_rfc3339_in_utc_with_milliseconds() -> None:
    assert time_text(1_795_300_200_007) == "2026-11-21T22:30:00.007Z"
    assert time_text(0) == "1970-01-01T00:00:00.000Z"


def test_reasons_are_the_lower_case_names_of_the_bits() -> None:
    assert reason_names(int(Reason.SPIKE | Reason.GAP)) == ["gap", "spike"]
    bits = np.array([0, int(Reason.NULL_VALUE), 0])
    assert reason_lists(bits) == [[], ["null_value"], []]


@given(st.binary())
def test_readable_text_is_printable_and_tells_two_topics_apart(raw: bytes) -> None:
    text = readable(raw)
    assert text.isprintable()
    assert text.isascii() or text.encode("utf-8")
    assert (readable(raw + b"x") == text) is False


@given(st.binary(max_size=6), st.binary(max_size=6))
def test_readable_text_is_injective(one: bytes, other: bytes) -> None:
    assert (readable(one) == readable(other)) == (one == other)
