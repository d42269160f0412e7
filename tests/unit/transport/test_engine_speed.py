"""5,000 lanes at 30 s: what an interval costs, and how soon its state is there."""

import time
from pathlib import Path

import numpy as np

from tests.unit.transport.desk import MORNING_MS, Highway
from tests.unit.transport.rig import SLOT_MS

LANES_PER_STATION = 3
CPU_S, TOLD_S = 1.0, 2.0
POLL_S = 1.0  # the analyst looks once a second: an interval may close just behind its back


def test_an_interval_costs_a_tenth_of_a_core_and_is_told_at_once(
    tmp_path: Path,
    soak: bool,  # noqa: FBT001
) -> None:
    """Every interval is stepped through at once: the worst case of a site with one clock."""
    stations, slots = (1667, 64) if soak else (167, 34)
    road = Highway(tmp_path, stations, LANES_PER_STATION)
    cpu_s, told_s = [], []
    for slot in range(slots):
        road.now_ms = MORNING_MS + (slot + 1) * SLOT_MS + 500
        road.send(road.measure(slot))
        began_s = time.process_time()  # a wall clock says little beside other programs
        road.go(1)  # up to and with the commit
        told_s.append(time.process_time() - began_s + POLL_S)
        road.go(29 if soak else 5)
        cpu_s.append(time.process_time() - began_s)
    newest = max(one.to_ms for one in road.lines("live"))
    assert newest == MORNING_MS + slots * SLOT_MS
    # the first intervals meet all lanes, and have no five minutes yet
    assert float(np.quantile(cpu_s[12:], 0.95)) < CPU_S
    assert float(np.mean(cpu_s[12:])) < CPU_S / 2
    assert float(np.quantile(told_s[12:], 0.95)) < TOLD_S
