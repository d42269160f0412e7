"""Power, communications or device: weights by hand, and what later words change."""

import numpy as np
import pytest

from gateway.transport.health import UNKNOWN, Cause, Causes, Feeds, Roadside, Silences, root_cause
from tests.unit.transport.health_rig import POLICY

T_MS, LATER_MS = 1_000_000, 4_000_000
# two cabinets of three devices each, an uplink for each of them, and a device of no cabinet
SIDE = Roadside(np.array([0, 0, 0, 1, 1, 1, -1]), np.array([0, 0, 0, 1, 1, 1, 2]))


def _silences(silent: list[int], **more: list[int]) -> Silences:
    begin = np.zeros(7, np.int64)
    begin[silent] = T_MS + 10_000 * np.arange(len(silent))
    heard = np.where(begin > 0, begin, LATER_MS)
    flags = {name: np.isin(np.arange(7), rows) for name, rows in more.items()}
    none = np.zeros(7, np.bool_)
    names = ("is_back", "has_backlog", "has_booted", "is_critical")
    return Silences(begin, heard, *(flags.get(name, none) for name in names))


def _feeds(
    *, out: bool = False, gasp: bool = False, silent: bool = False, power_w: float = np.nan
) -> Feeds:
    """Return what is known of cabinet 0; nothing is of cabinet 1."""
    return Feeds(
        np.array([out, False]),
        np.array([gasp, False]),
        np.array([silent, False]),
        np.array([power_w, np.nan]),
    )


def _causes(silences: Silences, feeds: Feeds) -> Causes:
    return root_cause(silences, SIDE, feeds, POLICY)


def test_a_dark_feeder_under_a_cabinet_is_power_and_no_device_fault() -> None:
    found = _causes(_silences([0, 1, 2]), _feeds(out=True, silent=True))
    assert found.cause.tolist() == [int(Cause.POWER)] * 3 + [-1] * 4
    # power 0 + 6 + 2 + 3 = 11, comms 0.5 + 3 = 3.5, device 0.5
    np.testing.assert_allclose(found.weight[:, 0], [11.0, 3.5, 0.5])
    odds = np.exp([11.0, 3.5, 0.5])
    assert found.confidence[0] == pytest.approx(odds[0] / odds.sum())
    assert np.isnan(found.confidence[3])


def test_the_last_word_of_the_cabinets_meter_is_power() -> None:
    assert _causes(_silences([0, 1, 2]), _feeds(gasp=True)).cause[0] == Cause.POWER


def test_a_cabinet_that_draws_power_has_lost_its_link() -> None:
    found = _causes(_silences([0, 1, 2]), _feeds(power_w=180.0))
    assert found.cause[:3].tolist() == [int(Cause.COMMS)] * 3
    np.testing.assert_allclose(found.weight[:, 0], [-4.0 + 3.0, 0.5 + 3.0, 0.5])


def test_a_cabinet_that_draws_nothing_has_tripped() -> None:
    found = _causes(_silences([0, 1, 2]), _feeds(power_w=2.0))
    assert found.cause[:3].tolist() == [int(Cause.POWER)] * 3


def test_the_only_silent_device_of_a_cabinet_is_broken() -> None:
    found = _causes(_silences([1]), _feeds(power_w=180.0))
    assert found.cause[1] == Cause.DEVICE
    np.testing.assert_allclose(found.weight[:, 1], [-4.0 - 6.0, 0.5 - 6.0, 0.5])


def test_rows_that_come_afterwards_show_that_it_was_the_link() -> None:
    before = _causes(_silences([1]), _feeds())
    assert before.cause[1] == Cause.DEVICE
    after = _causes(_silences([1], is_back=[1], has_backlog=[1]), _feeds())
    assert after.cause[1] == Cause.COMMS  # 0.5 - 6 + 8 against 0.5


def test_a_second_boot_without_rows_is_no_lost_link() -> None:
    one = _silences([0, 1, 2], is_back=[0, 1, 2], has_booted=[0, 1, 2])
    found = _causes(one, _feeds())
    # power 0 + 3 + 2 = 5, comms 0.5 + 3 - 3, device 0.5 + 2
    assert found.cause[:3].tolist() == [int(Cause.POWER)] * 3
    np.testing.assert_allclose(found.weight[:, 0], [5.0, 0.5, 2.5])


def test_a_device_that_said_it_is_failing_has_failed() -> None:
    found = _causes(_silences([6], is_critical=[6]), _feeds())
    assert found.cause[6] == Cause.DEVICE
    np.testing.assert_allclose(found.weight[:, 6], [0.0, 0.5, 4.5])


def test_nothing_is_named_where_little_is_known() -> None:
    found = _causes(_silences([6]), _feeds())
    # power 0, comms 0.5, device 0.5: 0.38 each of the last two
    assert found.cause[6] == UNKNOWN
    assert found.confidence[6] == pytest.approx(np.exp(0.5) / (1 + 2 * np.exp(0.5)))


def test_cabinets_on_one_line_that_are_silent_together_have_lost_the_line() -> None:
    line = SIDE._replace(uplink=np.zeros(7, np.int64))
    silences = _silences([0, 1, 2, 3, 4, 5, 6])
    found = root_cause(silences, line, _feeds(), POLICY)
    assert found.cause.tolist() == [int(Cause.COMMS)] * 7


def test_devices_that_fell_silent_at_other_times_say_nothing_of_each_other() -> None:
    silences = _silences([0, 1])
    silences.begin_ms[1] = silences.heard_ms[1] = T_MS - 3_600_000
    found = _causes(silences, _feeds())
    assert found.weight[Cause.POWER, 0] == -6.0  # device 2 speaks; device 1 has long been silent
