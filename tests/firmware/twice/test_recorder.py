"""From rows to blocks: the first row of each hour is apart, so that overflow can spare it."""

from fieldnode.core import config as schema
from fieldnode.core.block import read_rows
from fieldnode.core.clock import Clock
from fieldnode.core.health import Health
from fieldnode.core.ring import SNAP, Ring
from fieldnode.recorder import HOUR_MS, Recorder
from tests.firmware.twice.support import flash_of


def test_the_first_row_of_an_hour_is_a_snapshot_in_a_block_of_its_own() -> None:
    ring = Ring(flash_of(8), 1)
    now_ms = [0]
    config = schema.defaults()
    boot = ring.note_boot(1)
    recorder = Recorder(ring, Clock(0, 0), lambda: now_ms[0], boot, Health(), config)
    for at_ms in (5, 10, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 3 * HOUR_MS):
        now_ms[0] = at_ms
        recorder.add(at_ms, (at_ms, 0, 1, 2300, 1, 1000), 0)
    recorder.commit()
    rows = [len(read_rows(block, 6)) for _, block in ring.pending()]
    assert rows == [1, 2, 1, 1, 1]  # at 5; 10 and the end of the hour; the next; after it; the 4th
    lane = ring.rows
    kinds = [kind for kind, _ in lane.walk(lane.newest) if kind <= SNAP]
    assert [kind == SNAP for kind in kinds] == [True, False, True, False, True]


def test_a_snapshot_that_the_flash_refused_at_first_is_stored_as_one() -> None:
    ring = Ring(flash_of(8), 1)
    now_ms = [5]
    boot = ring.note_boot(1)
    recorder = Recorder(ring, Clock(0, 0), lambda: now_ms[0], boot, Health(), schema.defaults())
    append = ring.append

    def refuse(block: bytes, is_snapshot: bool = False) -> None:  # noqa: FBT001, FBT002
        raise OSError(5)

    ring.append = refuse  # type: ignore[method-assign]
    recorder.add(5, (5, 0, 1, 2300, 1, 1000), 0)
    ring.append = append  # type: ignore[method-assign]
    now_ms[0] = 10
    recorder.add(10, (10, 0, 1, 2300, 1, 1000), 0)
    recorder.commit()
    lane = ring.rows
    kinds = [kind == SNAP for kind, _ in lane.walk(lane.newest) if kind <= SNAP]
    assert kinds == [True, False]
