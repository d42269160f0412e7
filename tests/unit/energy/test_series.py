"""Windows: marks and slots, and the rows of some meters."""

import numpy as np
import pytest

from gateway.energy.series import empty_window

HALF_HOUR_MS = 1_800_000


def test_marks_enclose_slots() -> None:
    window = empty_window(np.array([4, 7]), 2 * HALF_HOUR_MS, HALF_HOUR_MS, 3)
    assert (window.meters, window.slots, window.end_ms) == (2, 3, 5 * HALF_HOUR_MS)
    assert window.mark_ms().tolist() == [HALF_HOUR_MS * k for k in (2, 3, 4, 5)]
    assert window.slot_ms().tolist() == [HALF_HOUR_MS * k for k in (2, 3, 4)]
    assert not window.is_present().any()
    assert np.isnan(window.import_wh).all()
    assert window.import_wh.shape == (2, 4)


def test_take_keeps_every_column_of_a_meter_together() -> None:
    window = empty_window(np.array([4, 7, 9]), 0, HALF_HOUR_MS, 2, phases=True)
    assert window.phases is not None
    for row in range(3):
        window.import_wh[row] = row
        window.quality[row] = row
        window.phases.voltage_v[:, row] = 100 * row
    some = window.take(np.array([2, 0]))
    assert some.device_index.tolist() == [9, 4]
    assert some.import_wh[:, 0].tolist() == [2, 0]
    assert some.quality[:, 0].tolist() == [2, 0]
    assert some.phases is not None
    assert some.phases.voltage_v[:, :, 0].tolist() == [[200, 0]] * 3
    assert some.rates_wh is None
    assert (some.start_ms, some.interval_ms, some.slots) == (0, HALF_HOUR_MS, 2)


def test_a_window_begins_on_the_grid() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        empty_window(np.array([1]), 5, HALF_HOUR_MS, 1)
