"""What must hold whatever is lost: registers rule totals, and late is as good as in time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.energy import vee
from gateway.model import FloatArray, Quality, Reason
from tests.faults import quick_or_soak
from tests.unit.energy.rig import DAY, MONDAY_MS, NAN, job_of, past_days, varied, window_of

SLOTS = 2 * DAY
ROLLOVER = 1e9
CASES = settings(max_examples=quick_or_soak(60, 3000), deadline=None)

uses = st.lists(st.integers(0, 4000), min_size=SLOTS, max_size=SLOTS).map(
    lambda values: np.array(values, np.float64)
)
holes = st.sets(st.integers(1, SLOTS - 1), max_size=SLOTS - 1)
begins = st.sampled_from(
    [0.0, 123_456.0, ROLLOVER - 1.0, ROLLOVER - 60_000.0, ROLLOVER - 200_000.0]
)


def shown(used: FloatArray, begin: float, lost: set[int]) -> FloatArray:
    """Return nine-digit registers of which some marks are lost."""
    registers = (begin + np.concatenate([[0.0], np.cumsum(used)])) % ROLLOVER
    registers[sorted(lost)] = NAN
    return registers


def run(registers: FloatArray, late: set[int] | None = None) -> vee.Intervals:
    window = window_of([registers])
    for mark in late or ():
        window.quality[0, mark] = int(Quality.RECOVERED)
        window.reasons[0, mark] = int(Reason.LATE)
    like = past_days(MONDAY_MS, 14, varied(DAY)[None])
    return vee.run(job_of(window, history=like))


@pytest.mark.clause("749.VIII.6-2b")
@CASES
@given(uses, begins, holes)
def test_totals_are_those_of_the_registers(used: FloatArray, begin: float, lost: set[int]) -> None:
    found = run(shown(used, begin, lost))
    assert abs(found.import_wh[0].sum() - used.sum()) < 1e-3
    assert (found.import_wh >= 0).all()
    assert found.is_final.all()
    assert not (found.reasons & int(Reason.SUM_CHECK)).any()
    # every slot whose two registers are there is what they say
    measured = [k for k in range(SLOTS) if k not in lost and k + 1 not in lost]
    assert found.import_wh[0, measured].tolist() == used[measured].tolist()


@CASES
@given(uses, begins, holes, st.integers(1, SLOTS))
def test_an_open_end_changes_nothing_before_it(
    used: FloatArray, begin: float, lost: set[int], last: int
) -> None:
    registers = shown(used, begin, lost)
    registers[last:] = NAN
    found = run(registers)
    known = int(np.flatnonzero(np.isfinite(registers))[-1])
    assert abs(found.import_wh[0, :known].sum() - used[:known].sum()) < 1e-3
    assert found.is_final[0, :known].all()
    assert not found.is_final[0, known:].any()


@CASES
@given(uses, begins, holes)
def test_late_data_gives_what_data_in_time_gives(
    used: FloatArray, begin: float, lost: set[int]
) -> None:
    in_time, late = run(shown(used, begin, set())), run(shown(used, begin, set()), lost)
    assert np.array_equal(in_time.import_wh, late.import_wh)
    late_bit = ~int(Reason.LATE)
    assert np.array_equal(in_time.reasons & late_bit, late.reasons & late_bit)


@CASES
@given(uses, st.integers(1, SLOTS - 2), st.sampled_from([0.0, 5.0, 1e8, 9e8]))
def test_one_wild_register_costs_no_watt_hour(used: FloatArray, mark: int, wild: float) -> None:
    registers = shown(used, 500_000.0, set())
    registers[mark] = wild
    found = run(registers)
    assert abs(found.import_wh[0].sum() - used.sum()) < 1e-3
    assert np.isnan(found.register_wh[0, mark])
