"""Toll lanes: figures by hand, silence against the plaza, readers that fail."""

from math import log

import numpy as np
import pytest

from gateway.model import ReadingBatch
from gateway.policies import load_policies
from gateway.profiles import load_profiles
from gateway.transport import tolls
from gateway.transport.tolls import Lanes, Outcome, Passages, Periods, ReaderState

T0 = 1_795_305_600_000
HOUR_MS = 3_600_000
POLICY = load_policies("tolls", tolls.TollPolicy).at("vn", T0)
PLAZA = Lanes(np.array([10, 11, 12]), np.array([0, 0, 1]))  # two lanes of one plaza, one of another


def seen(*rows: tuple[int, float, Outcome, int, int, int, int]) -> Passages:
    """Rows of lane, second, outcome, ms, declared, measured, tag."""
    columns = zip(*rows, strict=True)
    lane, second, outcome, lasts, declared, measured, tag = (np.array(one) for one in columns)
    time_ms = T0 + (second * 1000).astype(np.int64)
    return Passages(lane, time_ms, outcome.astype(np.int64), lasts, declared, measured, tag)


HOUR = seen(
    (0, 10, Outcome.OK, 300, 2, 2, 101),
    (0, 20, Outcome.OK, 400, 2, 4, 102),  # a car's tag in a truck
    (1, 25, Outcome.OK, 310, 2, 4, 102),  # the antenna of the next lane heard it too
    (0, 40, Outcome.LOW_BALANCE, 900, 2, 2, 103),
    (0, 60, Outcome.NO_TAG, 1500, 0, 2, -1),
    (0, 61, Outcome.NO_TAG, 1500, 0, 2, -1),  # two without a tag are two
    (0, 80, Outcome.READ_FAILURE, 2200, 0, 3, -1),
    (0, 90, Outcome.MANUAL, 18_000, 0, 2, -1),
    (0, 95, Outcome.BLACKLISTED, 700, 2, 2, 104),
    (0, 140, Outcome.OK, 350, 2, 2, 101),  # back after 130 s: another passage
    (2, 3601, Outcome.OK, 330, 4, 4, 102),  # the next hour, another plaza
)


@pytest.mark.clause("942.III.4.g-2")
def test_an_hour_by_hand() -> None:
    found = tolls.figures(HOUR, PLAZA, Periods(T0, HOUR_MS, 2), POLICY)
    assert found.passages[:, 0].tolist() == [9, 0, 0]
    assert found.repeated[:, 0].tolist() == [0, 1, 0]
    assert found.etc_share[0, 0] == pytest.approx(3 / 9)
    assert found.read_rate[0, 0] == pytest.approx(5 / 6)  # 5 tags read, 1 failed
    assert found.exception_rate[0, 0] == pytest.approx(4 / 9)
    assert found.mismatch_share[0, 0] == pytest.approx(1 / 5)
    # 300, 350, 400, 700, 900: the 95th percentile of five is the last
    assert found.p95_ms[0, 0] == 900
    assert found.veh_h[0].tolist() == [9, 0]
    assert np.isnan(found.etc_share[1, 0])
    assert found.passages[2].tolist() == [0, 1]
    assert found.uptime[0, 0] == 1.0
    assert np.isnan(found.uptime[2, 0])  # nothing went through that plaza


def test_a_tag_again_is_one_passage_for_half_a_minute() -> None:
    rows = [(0, second, Outcome.OK, 300, 2, 2, 7) for second in (0, 30, 60.001, 200)]
    assert tolls.is_repeated(seen(*rows), PLAZA, POLICY).tolist() == [False, True, False, False]
    away = [(0, 0, Outcome.OK, 300, 2, 2, 7), (2, 5, Outcome.OK, 300, 2, 2, 7)]
    assert not tolls.is_repeated(seen(*away), PLAZA, POLICY).any()


def test_a_lane_is_down_when_its_plaza_goes_on_without_it() -> None:
    # one car each 10 s in lane 0 and 1; lane 1 is silent from 1,000 s to 1,600 s. In that time
    # lane 0 has 60 passages, so lane 1 owes about 60 as well (14 are needed).
    rows = [(0, 10.0 * k, Outcome.OK, 300, 2, 2, 1000 + k) for k in range(360)]
    rows += [
        (1, 10.0 * k + 5, Outcome.OK, 300, 2, 2, 5000 + k)
        for k in range(360)
        if not 1000 < 10 * k + 5 < 1600
    ]
    plaza = seen(*sorted(rows, key=lambda row: row[1]))
    (silence,) = tolls.silences(plaza, PLAZA, T0 + HOUR_MS, POLICY)
    assert (silence.lane, silence.from_ms, silence.to_ms) == (1, T0 + 995_000, T0 + 1_605_000)
    assert silence.expected == pytest.approx(61, abs=0.5)
    found = tolls.figures(plaza, PLAZA, Periods(T0, HOUR_MS, 1), POLICY)
    assert found.uptime[1, 0] == pytest.approx(1 - 610 / 3600)
    assert found.uptime[0, 0] == 1.0


def test_a_quiet_night_is_no_silence() -> None:
    # both lanes: a car each 10 minutes; 13 due would be less than 14
    rows = [(k % 2, 600.0 * k, Outcome.OK, 300, 2, 2, k) for k in range(24)]
    assert tolls.silences(seen(*rows), PLAZA, T0 + 4 * HOUR_MS, POLICY) == []


def outcomes(*codes: int) -> Passages:
    rows = [(0, 10.0 * k, Outcome(code), 300, 2, 2, k) for k, code in enumerate(codes)]
    return seen(*rows)


def test_a_reader_that_fails_is_known_after_five() -> None:
    # each unread passage: ln(0.3 / 0.03) = 2.303; five are 11.51 > 11.5
    assert 5 * log(10) > POLICY.reader.evidence > 4 * log(10)
    changes, state = tolls.watch_readers(
        outcomes(0, 0, 4, 4, 4, 4, 4), ReaderState.fresh(3), POLICY
    )
    assert changes == [tolls.ReaderChange(0, 1, T0 + 20_000, T0 + 60_000)]
    assert state.is_failed.tolist() == [1, 0, 0]
    back, state = tolls.watch_readers(outcomes(4, *[0] * 10), state, POLICY)
    assert back == [tolls.ReaderChange(0, 0, T0 + 10_000, T0 + 100_000)]
    assert state.is_failed.tolist() == [0, 0, 0]


def test_a_read_in_between_weighs_little_against_it() -> None:
    # 4 failures, a read (ln(0.7 / 0.97) = -0.326), 2 failures: 13.49 > 11.5 only after the last
    changes, _ = tolls.watch_readers(outcomes(4, 4, 4, 4, 0, 4, 4), ReaderState.fresh(3), POLICY)
    assert [change.found_ms for change in changes] == [T0 + 60_000]


def test_passages_in_two_parts_or_one_are_the_same() -> None:
    rng = np.random.default_rng(3)
    codes = np.where(rng.random(400) < 0.15, 4, 0).tolist()
    whole = outcomes(*codes)
    at_once, end = tolls.watch_readers(whole, ReaderState.fresh(3), POLICY)
    first, state = tolls.watch_readers(whole.take(np.arange(150)), ReaderState.fresh(3), POLICY)
    then, state = tolls.watch_readers(whole.take(np.arange(150, 400)), state, POLICY)
    assert first + then == at_once
    assert at_once
    assert all(np.array_equal(a, b) for a, b in zip(state, end, strict=True))


def test_a_healthy_lane_is_left_alone_for_a_year() -> None:
    # 2 % unread at random, 1,000 passages a day
    rng = np.random.default_rng(4)
    codes = np.where(rng.random(365_000) < 0.02, 2, 0)
    rows = Passages(
        np.zeros(codes.size, np.int64),
        T0 + np.arange(codes.size) * 86_400,
        codes,
        *(np.zeros(codes.size, np.int64) for _ in range(4)),
    )
    assert tolls.watch_readers(rows, ReaderState.fresh(1), POLICY)[0] == []


def test_rows_of_the_profile_become_passages() -> None:
    profile = load_profiles()["etc1"]
    values = np.array(
        [[0, 320, 2, 2, 0, 2.0**53 - 1], [4, 2200, 0, 3, 3, np.nan], [0, 1, 2, 2, 0, 5]]
    )
    whole = np.zeros(3, np.int64)
    batch = ReadingBatch(
        "etc1", np.array([11, 10, 99]), whole, np.array([1, 2, 3]), T0 + np.array([5, 3, 4]),
        whole, values, whole, whole, whole, whole,
    )  # fmt: skip
    found = tolls.passages(profile, batch, PLAZA)
    assert found.lane.tolist() == [0, 1]
    assert found.time_ms.tolist() == [T0 + 3, T0 + 5]
    assert found.tag.tolist() == [-1, 2**53 - 1]
    assert found.duration_ms.tolist() == [2200, 320]
