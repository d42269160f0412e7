"""Reads of the register behind a stream (NEM12, 500 records) against the intervals between them."""

import pytest

from gateway.history import Flag, Found
from gateway.history.nem import read_nem
from gateway.profiles import load_profiles

PROFILES = load_profiles()


def day(date: str, value: str = "1.5", flag: str = "A") -> str:
    return f"300,{date},{','.join([value] * 48)},{flag},,,,"


def read_at(moment: str, shown: str) -> str:
    return f"500,O,S1,{moment},{shown}"


def read(*records: str) -> Found:
    head = ["100,NEM12,202611220000,MDA1,Ret1", "200,NMI1,E1,1,E1,N1,M1,kWh,30,"]
    return read_nem("\n".join([*head, *records, "900"]), PROFILES)


def flags(found: Found) -> list[int]:
    return [int(row.values[-1] or 0) for row in found.series[0].rows]


def test_intervals_that_add_up_to_the_register_are_left_as_they_are() -> None:
    """Two days of 48 x 1.5 kWh = 144 kWh, from midnight to midnight of market time."""
    found = read(
        day("20261121"),
        read_at("20261121000000", "000100.0"),
        day("20261122"),
        read_at("20261123000000", "000244.0"),
    )
    (said,) = found.checks
    assert said.line == 6
    assert said.reason.endswith("counted 144000 Wh, intervals have 144000 Wh: they agree")
    assert set(flags(found)) == {Flag.ACTUAL}


def test_what_does_not_add_up_is_questionable_between_the_reads_and_nowhere_else() -> None:
    """The register counted 70 kWh of the first day's 72; the second day has no read behind it."""
    found = read(
        day("20261121"),
        read_at("20261121000000", "100.0"),
        read_at("20261122000000", "170.0"),
        day("20261122"),
    )
    (said,) = found.checks
    assert "counted 70000 Wh, intervals have 72000 Wh: they do not add up" in said.reason
    assert flags(found) == [Flag.QUESTIONABLE] * 48 + [Flag.ACTUAL] * 48
    assert {row.status for row in found.series[0].rows[:48]} == {1}


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        ("101.8", "40 times that"),  # 72 kWh / 40 = 1.8
        ("172.05", "they agree"),  # within 0.1 %
        ("172.3", "do not add up"),
        ("99.0", "fell"),
    ],
)
def test_factors_and_last_digits_are_no_faults(second: str, verdict: str) -> None:
    found = read(
        day("20261121"), read_at("20261121000000", "100.0"), read_at("20261122000000", second)
    )
    (said,) = found.checks
    assert verdict in said.reason


def test_a_read_within_an_interval_bounds_it_from_both_sides() -> None:
    """Reads at 00:10 and 12:10: 23 whole half hours (34.5 kWh), and parts of two (3 kWh)."""
    for shown, is_right in (("134.4", True), ("137.5", True), ("134.0", False), ("138.0", False)):
        found = read(
            day("20261121"), read_at("20261121001000", "100.0"), read_at("20261121121000", shown)
        )
        (said,) = found.checks
        assert ("agree" in said.reason) == is_right, shown


def test_where_a_day_is_missing_nothing_is_compared_and_estimates_keep_their_flag() -> None:
    missing = read(
        day("20261121"),
        read_at("20261121000000", "100.0"),
        day("20261123"),
        read_at("20261124000000", "900.0"),
    )
    assert not missing.checks
    found = read(
        day("20261121", flag="E52"),
        read_at("20261121000000", "100.0"),
        read_at("20261122000000", "900.0"),
    )
    assert set(flags(found)) == {Flag.ESTIMATED}


def test_a_day_that_the_file_repeats_counts_once() -> None:
    """Whatever its first record says is what is kept (``audit``), so that is what is summed."""
    found = read(
        day("20261121"),
        read_at("20261121000000", "100.0"),
        day("20261121"),
        day("20261121", "9", "E52"),
        read_at("20261122000000", "172.0"),
    )
    (said,) = found.checks
    assert said.reason.endswith("counted 72000 Wh, intervals have 72000 Wh: they agree")
    assert flags(found) == [Flag.ACTUAL] * 96 + [Flag.ESTIMATED] * 48


def test_a_repeated_day_does_not_stand_for_a_missing_one() -> None:
    found = read(
        day("20261121"),
        read_at("20261121000000", "100.0"),
        day("20261121"),
        read_at("20261123000000", "172.0"),
    )
    assert not found.checks
    assert set(flags(found)) == {Flag.ACTUAL}
