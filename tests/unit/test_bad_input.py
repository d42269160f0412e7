"""No payload, however bad, is stored, takes long, or is counted twice or not at all."""

import time
from collections.abc import Callable

import pytest

from gateway.model import Record
from tests.conftest import SOAK
from tests.gatehouse import T0_MS, Gatehouse, record_of, rows_message
from tests.shared import needs_shared
from tests.support import hostile

# 5 ms on a quiet machine; shared cores slow a run many times, and what this guards against takes
# seconds (a parser that backtracks or recurses)
LIMIT_S = 0.005 if SOAK else 0.1
_REPEATS = 3
_ROUNDS = 4  # a machine that is busy with something else may be slow once, not every time


def cpu_s(work: Callable[[], object]) -> float:
    """Return the least CPU time of three runs."""
    times_s = []
    for _ in range(_REPEATS):
        before_s = time.process_time()
        work()
        times_s.append(time.process_time() - before_s)
    return min(times_s)


class Door:
    """A pipeline that has seen a good message, as every running one has."""

    def __init__(self) -> None:
        self.house = Gatehouse()
        self._number = 1
        self.house.run([record_of(1, rows_message(1, T0_MS))])

    def take(self, payload: bytes, lane: str = "t") -> tuple[str, int]:
        """Return the reason of the quarantine and the readings stored."""
        outcome = self.house.pipeline.run([self.record(payload, lane)])
        stored = sum(len(batch) for batch in outcome.readings)
        assert sum(outcome.change[1:4]) == 1
        assert sum(outcome.change[4:]) == 1
        if not outcome.quarantined:
            return "", stored
        (entry,) = outcome.quarantined
        assert entry.payload == payload
        return entry.reason, stored

    def record(self, payload: bytes, lane: str = "t") -> Record:
        self._number += 1
        return record_of(self._number, payload, f"tg/1/hanoi/energy/meter-1/{lane}")


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


def is_quick(door: Door, payload: bytes, lane: str = "t") -> bool:
    return any(cpu_s(lambda: door.take(payload, lane)) < LIMIT_S for _ in range(_ROUNDS))


@pytest.mark.parametrize("bad", hostile.ALL, ids=lambda bad: bad.name)
def test_a_bad_payload_is_quarantined_whole_for_its_reason_in_no_time(
    door: Door, bad: hostile.Bad
) -> None:
    assert door.take(bad.payload) == (bad.reason, 0)
    assert is_quick(door, bad.payload)


@pytest.mark.parametrize("bad", hostile.ALL, ids=lambda bad: bad.name)
def test_a_bad_document_takes_no_longer(door: Door, bad: hostile.Bad) -> None:
    reason, stored = door.take(bad.payload, "s")
    assert reason in {"encoding", "schema", "too_large"}
    assert not stored
    assert is_quick(door, bad.payload, "s")


@needs_shared
def test_what_is_not_json_is_an_encoding_error_on_every_lane(door: Door) -> None:
    files = hostile.must_fail()
    assert len(files) == 188
    for name, payload in files:
        for lane in "tbes":
            reason, stored = door.take(payload, lane)
            # a document of more than 16 KiB is not looked at
            is_large = lane in "es" and len(payload) > 16 << 10
            assert (reason, stored) == ("too_large" if is_large else "encoding", 0), name
        assert is_quick(door, payload), name


@needs_shared
def test_what_is_json_is_judged_by_its_shape(door: Door) -> None:
    files = hostile.must_pass()
    assert len(files) == 95
    for name, payload in files:
        assert door.take(payload) == ("schema", 0), name
        assert is_quick(door, payload), name
