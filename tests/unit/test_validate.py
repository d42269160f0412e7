"""Grades and reasons, computed by hand for each rule."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Quality, ReadingBatch, Reason
from gateway.ports import LatestRow
from gateway.validate import Status, Validator
from gateway.validate.rules import Rules, verdict_on_fall
from tests.readings import NAN, PROFILES, T0_MS, Given, decoded

HALF_HOUR = 1_800_000


def never_exchanged(_device: int, _after_ms: int, _up_to_ms: int) -> bool:
    return False


@pytest.fixture
def validator() -> Validator:
    return Validator(PROFILES, never_exchanged)


def meter(place: int, register: float, power: float = 100, **more: Any) -> Given:
    """Return the reading of half hour number ``place``; gauges differ so that nothing is stuck."""
    values = (register, 0, power, 2300 + place % 7, 50, 900)
    one = Given(values, T0_MS + place * HALF_HOUR)
    return one._replace(**more)


def grade(validator: Validator, *rows: Given, profile: str = "em1") -> ReadingBatch:
    batch = decoded(profile, *rows)
    batch.readings.quality[:] = np.where(batch.is_backlog, Quality.RECOVERED, Quality.VALID)
    return validator.grade(batch)


def verdicts(rows: ReadingBatch) -> list[tuple[Quality, Reason]]:
    pairs = zip(rows.quality.tolist(), rows.reasons.tolist(), strict=True)
    return [(Quality(quality), Reason(reasons)) for quality, reasons in pairs]


def run(
    validator: Validator, *rows: Given, split: bool, profile: str = "em1"
) -> list[tuple[Quality, Reason]]:
    """Grade in one batch, or one reading a batch: the verdicts must be the same."""
    if not split:
        return verdicts(grade(validator, *rows, profile=profile))
    parts = [grade(validator, one, profile=profile) for one in rows]
    return [verdict for part in parts for verdict in verdicts(part)]


GOOD = (Quality.VALID, Reason(0))
splits = pytest.mark.parametrize("split", [False, True])


@splits
def test_a_register_that_rises_is_valid(validator: Validator, *, split: bool) -> None:
    assert run(validator, meter(0, 1000), meter(1, 1050), meter(2, 1050), split=split) == [GOOD] * 3


@splits
def test_a_register_that_falls_has_failed(validator: Validator, *, split: bool) -> None:
    rows = meter(0, 1000), meter(1, 900), meter(2, 950)
    assert run(validator, *rows, split=split) == [
        GOOD,
        (Quality.FAILED, Reason.REGISTER_BACKWARDS),
        GOOD,
    ]


@splits
def test_a_register_that_goes_round_is_valid(validator: Validator, *, split: bool) -> None:
    rows = meter(0, 999_999_990), meter(1, 40)
    assert run(validator, *rows, split=split) == [GOOD, (Quality.VALID, Reason.ROLLOVER)]


@splits
def test_a_register_that_begins_anew_is_valid(validator: Validator, *, split: bool) -> None:
    rows = meter(0, 100_000), meter(1, 999), meter(2, 1010)
    assert run(validator, *rows, split=split) == [
        GOOD,
        (Quality.VALID, Reason.REGISTER_RESET),
        GOOD,
    ]


@splits
def test_a_fall_with_a_new_boot_is_a_reset(validator: Validator, *, split: bool) -> None:
    rows = meter(0, 1000, boot=3), meter(1, 900, boot=4), meter(2, 800, boot=4)
    assert [reasons for _, reasons in run(validator, *rows, split=split)] == [
        Reason(0),
        Reason.REGISTER_RESET,
        Reason.REGISTER_BACKWARDS,
    ]


@pytest.mark.parametrize(
    ("before", "now", "is_new_boot", "verdict"),
    [
        (900_000_001, 99_999_999, False, Reason.ROLLOVER),
        (900_000_000, 99_999_999, False, Reason.REGISTER_BACKWARDS),
        (900_000_001, 100_000_000, False, Reason.REGISTER_BACKWARDS),
        (1000, 10, False, Reason.REGISTER_BACKWARDS),
        (1000, 9, False, Reason.REGISTER_RESET),
        (1000, 999, True, Reason.REGISTER_RESET),
    ],
)
def test_why_a_register_fell(
    before: float, now: float, *, is_new_boot: bool, verdict: Reason
) -> None:
    assert verdict_on_fall(before, now, 1e9, is_new_boot=is_new_boot) == verdict


@splits
def test_an_exchange_in_the_registry_explains_any_register(*, split: bool) -> None:
    asked: list[tuple[int, int, int]] = []

    def exchanged(device: int, after_ms: int, up_to_ms: int) -> bool:
        asked.append((device, after_ms, up_to_ms))
        return device == 7

    validator = Validator(PROFILES, exchanged)
    rows = [meter(0, 5000, device=d) for d in (7, 8)] + [meter(1, 4000, device=d) for d in (7, 8)]
    assert run(validator, *rows, split=split)[2:] == [
        (Quality.VALID, Reason.METER_EXCHANGE),
        (Quality.FAILED, Reason.REGISTER_BACKWARDS),
    ]
    assert asked == [(d, T0_MS, T0_MS + HALF_HOUR) for d in (7, 8)]
    leap = meter(2, 900_000, device=7)
    assert run(validator, leap, split=split) == [(Quality.VALID, Reason.METER_EXCHANGE)]


@splits
def test_more_energy_than_the_power_limit_allows_is_suspect(
    validator: Validator, *, split: bool
) -> None:
    # 30 kW for half an hour is 15,000 Wh, and a tenth more: 16,500; two digits of slack
    rows = meter(0, 1000), meter(1, 17_502), meter(2, 17_502 + 16_503)
    assert run(validator, *rows, split=split) == [
        GOOD,
        GOOD,
        (Quality.SUSPECT, Reason.CAPABILITY),
    ]


def test_the_limits_of_a_rate_follow_from_the_profile() -> None:
    em1, tl1 = Rules.of(PROFILES["em1"]), Rules.of(PROFILES["tl1"])
    assert em1.rate_per_ms * HALF_HOUR == pytest.approx([16_500, 16_500])
    assert tl1.rate_per_ms * 30_000 == pytest.approx([11_000])
    for profile in PROFILES.values():
        assert np.isfinite(Rules.of(profile).rate_per_ms).all()


@splits
def test_six_equal_readings_in_a_row_are_a_flat_line(validator: Validator, *, split: bool) -> None:
    stuck = [
        meter(n, 1000 + 10 * n)._replace(values=(1000 + n, 0, 77, 2301, 33, 950)) for n in range(8)
    ]
    flat = (Quality.SUSPECT, Reason.FLAT_LINE)
    verdict = run(validator, *stuck, meter(8, 1090), split=split)
    assert verdict == [*[GOOD] * 5, flat, flat, flat, GOOD]


@splits
def test_zeros_all_night_are_no_flat_line(validator: Validator, *, split: bool) -> None:
    lane = [Given((0, 500, 0, 0, 0, 0, 0, 0, 0, 0), T0_MS + 30_000 * n) for n in range(9)]
    assert run(validator, *lane, split=split, profile="tl1") == [GOOD] * 9


def test_runs_of_many_devices_do_not_mix(validator: Validator) -> None:
    def stuck(device: int, n: int) -> Given:
        values = (1000 + n, 0, 77, 2301, 33, 950)
        return Given(values, T0_MS + n * HALF_HOUR, device=device)

    first = [stuck(device, n) for n in range(4) for device in (5, 1, 3)]
    assert verdicts(grade(validator, *first)) == [GOOD] * 12
    second = grade(validator, *[stuck(d, n) for d in (3, 1) for n in range(4, 7)], stuck(9, 4))
    flat = (Quality.SUSPECT, Reason.FLAT_LINE)
    assert verdicts(second) == [GOOD, flat, flat, GOOD, flat, flat, GOOD]


@splits
def test_two_values_at_one_time_conflict_and_the_later_one_is_marked(
    validator: Validator, *, split: bool
) -> None:
    rows = meter(0, 1000), meter(0, 1001, seq=1), meter(0, 1000, seq=2), meter(1, 1002)
    assert run(validator, *rows, split=split) == [
        GOOD,
        (Quality.VALID, Reason.CONFLICT),
        GOOD,
        GOOD,
    ]


def test_the_device_may_say_what_is_wrong(validator: Validator) -> None:
    status = [
        Status.CRITICAL_ERROR,
        Status.CLOCK_INVALID,
        Status.DATA_NOT_VALID,
        Status.DAYLIGHT_SAVING,
        Status.CLOCK_ADJUSTED,
        Status.RECOVERED_VALUE,
        Status.POWER_DOWN,
    ]
    rows = [meter(n, 1000 + n, status=int(bit)) for n, bit in enumerate(status)]
    assert verdicts(grade(validator, *rows)) == [
        (Quality.SUSPECT, Reason.DEVICE_STATUS),
        (Quality.SUSPECT, Reason.DEVICE_STATUS | Reason.TIME_SYNC),
        (Quality.FAILED, Reason.DEVICE_STATUS),
        GOOD,
        (Quality.VALID, Reason.TIME_SYNC),
        (Quality.RECOVERED, Reason(0)),
        GOOD,
    ]


def test_nothing_flowing_in_an_outage_is_a_measurement(validator: Validator) -> None:
    dark = Given((1000, 0, 0, 0, 0, NAN), status=int(Status.POWER_DOWN))
    assert verdicts(grade(validator, dark)) == [
        (Quality.VALID, Reason.OUTAGE_AGREE | Reason.NULL_VALUE)
    ]


def test_a_column_may_be_missing_but_not_all(validator: Validator) -> None:
    rows = Given((1000, NAN, 100, 2300, 50, 900)), Given((NAN,) * 6, T0_MS + 1)
    assert verdicts(grade(validator, *rows)) == [
        (Quality.VALID, Reason.NULL_VALUE),
        (Quality.MISSING, Reason.NULL_VALUE),
    ]


def test_readings_without_clock_or_registration_say_so(validator: Validator) -> None:
    rows = meter(0, 1000, is_stamped=True), meter(1, 1001, is_registered=False)
    assert verdicts(grade(validator, *rows)) == [
        (Quality.SUSPECT, Reason.NO_CLOCK),
        (Quality.VALID, Reason.UNREGISTERED),
    ]


def test_late_readings_are_compared_with_their_neighbours_only(validator: Validator) -> None:
    grade(validator, meter(100, 9000))
    late = [
        meter(n, register, is_backlog=True) for n, register in ((10, 5000), (12, 5040), (11, 5020))
    ]
    assert verdicts(grade(validator, *late)) == [(Quality.RECOVERED, Reason(0))] * 3
    back = [meter(14, 5100), meter(15, 5090)]
    assert verdicts(grade(validator, *back))[1] == (Quality.FAILED, Reason.REGISTER_BACKWARDS)
    # 9000 is still what the next live one is compared with
    live = [meter(20, 5200), meter(101, 8999), meter(102, 9001)]
    assert [reasons for _, reasons in verdicts(grade(validator, *live))] == [
        Reason(0),
        Reason.REGISTER_BACKWARDS,
        Reason(0),
    ]


def test_the_newest_reading_is_kept_and_survives_a_restart(validator: Validator) -> None:
    stuck = (1000.0, 0.0, 77.0, 2301.0, 33.0, 950.0)
    batch = [Given(stuck, T0_MS + n * HALF_HOUR, seq=n, boot=4, age_ms=9) for n in range(5)]
    grade(validator, *reversed(batch))
    grade(validator, Given(stuck, T0_MS - HALF_HOUR))
    [row] = validator.latest_rows()
    assert validator.latest_rows() == []
    assert (row.device_index, row.profile, row.seq, row.quality) == (0, "em1", 4, Quality.VALID)
    assert (row.time_ms, row.received_ms) == (batch[4].time_ms, batch[4].time_ms + 9)
    assert np.frombuffer(row.values, "<f8").tolist() == list(stuck)
    again = Validator(PROFILES, never_exchanged)
    again.restore([row, row._replace(profile="gone")])
    for each in (validator, again):
        rows = grade(each, Given((990.0, *stuck[1:]), T0_MS + 5 * HALF_HOUR, boot=5))
        assert verdicts(rows) == [(Quality.SUSPECT, Reason.FLAT_LINE | Reason.REGISTER_RESET)]


def test_vehicles_of_one_millisecond_do_not_conflict(validator: Validator) -> None:
    assert PROFILES["pv1"].shape == "events"
    width = len(PROFILES["pv1"].columns)
    rows = grade(validator, Given([1] * width), Given([2] * width), profile="pv1")
    assert not (rows.reasons & int(Reason.CONFLICT)).any()


def _fleet(order: np.random.Generator, devices: list[int], first: int, rows: int) -> list[Given]:
    return [
        Given(
            (1000 + 10 * n, 0, int(order.integers(1, 999)), 2300, 50, 900),
            T0_MS + n * HALF_HOUR,
            device=device,
        )
        for device in devices
        for n in range(first, first + rows)
    ]


@pytest.mark.parametrize(("devices", "rows"), [(5000, 1), (83, 60)])
def test_speed_of_a_batch(validator: Validator, devices: int, rows: int) -> None:
    order = np.random.default_rng(7)
    spent_us = []
    for n in range(4):
        ids = order.permutation(devices).tolist()
        batch = decoded("em1", *_fleet(order, ids, n * rows, rows))
        batch.readings.quality[:] = Quality.VALID
        start = time.perf_counter()
        graded = validator.grade(batch)
        spent_us.append((time.perf_counter() - start) / len(batch.boot) * 1e6)
        assert (graded.quality == Quality.VALID).all()
    print(f"validate, {rows} rows a device: {min(spent_us):.3f} µs a reading")  # noqa: T201


READINGS = st.lists(
    st.tuples(
        st.integers(0, 2),  # device
        st.sampled_from([0, 1, 1, 1, 2]),  # steps of time since the one before
        st.sampled_from([0, 5, 5, 1000, 200_000, 999_999_999]),  # register
        st.sampled_from([0, 77, 77, 77, NAN]),  # power
        st.sampled_from([3, 3, 3, 4]),  # boot
        st.booleans(),  # the batch ends here, and the process is killed after its checkpoint
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(READINGS)
def test_batches_and_restarts_do_not_change_the_grades_of_readings_in_order(
    steps: list[tuple[int, int, int, float, int, bool]],
) -> None:
    clock = dict.fromkeys(range(3), T0_MS)
    given_rows: list[Given] = []
    for device, step, register, power, boot, _ in steps:
        clock[device] += step * HALF_HOUR
        values = (register, 0, power, 2300, 50, 900)
        given_rows.append(Given(values, clock[device], device=device, boot=boot))
    whole = verdicts(grade(Validator(PROFILES, never_exchanged), *given_rows)) if steps else []
    saved: dict[int, LatestRow] = {}
    validator, waiting, cut = Validator(PROFILES, never_exchanged), [], []
    for one, (*_, ends) in zip(given_rows, steps, strict=True):
        waiting.append(one)
        if ends:
            cut += verdicts(grade(validator, *waiting))
            saved |= {row.device_index: row for row in validator.latest_rows()}
            validator = Validator(PROFILES, never_exchanged)
            validator.restore(saved.values())
            waiting = []
    if waiting:
        cut += verdicts(grade(validator, *waiting))
    assert cut == whole
