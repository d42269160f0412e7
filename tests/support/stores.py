"""A data directory written by the real store, quarantine and stats, with numbers known by heart."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gateway.model import NO_SEQ, Event, Position, Quality, Quarantined, ReadingBatch, Reason
from gateway.ports import Checkpoint, CountRow, DeviceRow, LatestRow, StreamRow, Totals
from gateway.quarantine import Quarantine
from gateway.stats import Stats
from gateway.store import Store

NOW_MS = 1_795_300_200_000  # 2026-11-21T22:30:00Z
MINUTE_MS = 60_000
TOPIC = b"tg/1/evn/energy/\xff\x1b[31mevil\\/t"
PAYLOAD = bytes(range(256)) + b"\r\n\0="

METER, LANE, QUIET, TWICE = range(4)
DEVICES = (
    DeviceRow(METER, "evn", "energy", "meter-1", 1, NOW_MS - 90 * MINUTE_MS),
    DeviceRow(LANE, "vec", "transport", "lane-1", 0, NOW_MS - 90 * MINUTE_MS),
    DeviceRow(QUIET, "evn", "energy", "quiet-1", 1, NOW_MS - 90 * MINUTE_MS),
    DeviceRow(TWICE, "evn", "energy", "twice-1", 1, NOW_MS - 90 * MINUTE_MS),
)
# em1: ea_imp Wh, ea_exp Wh, p W, u 0.1 V, i 0.01 A, pf 0.001
METER_ROW = [1_234_567.0, 0.0, -812.0, 2304.0, 371.0, 982.0]
LANE_ROW = [12.0, 40_012.0, 82.0, 431.0, 520.0, 7.0, 4.0, 0.0, 1.0, 0.0]


@dataclass
class Rows:
    """Readings of one device and profile, one a minute up to the present."""

    profile: str
    device: int
    row: list[float]
    count: int
    step_ms: int = MINUTE_MS
    first: int = 1
    end_ms: int = NOW_MS
    changes: dict[str, object] = field(default_factory=dict)

    def batch(self) -> ReadingBatch:
        n = self.count
        times = self.end_ms - self.step_ms * np.arange(n, 0, -1)
        values = np.tile(np.array(self.row), (n, 1))
        values[:, 0] += np.arange(n)  # the first column grows by one a reading
        return ReadingBatch(
            profile=self.profile,
            device_index=np.full(n, self.device),
            log=np.full(n, 7),
            seq=np.arange(self.first, self.first + n),
            time_ms=times,
            received_ms=times + 250,
            values=values,
            status=np.zeros(n, np.int64),
            quality=np.full(n, int(Quality.VALID)),
            reasons=np.zeros(n, np.int64),
            record=np.arange(1, n + 1),
        )


def newest(batch: ReadingBatch, *, received_ms: int = NOW_MS - 500) -> LatestRow:
    return LatestRow(
        int(batch.device_index[-1]),
        batch.profile,
        int(batch.time_ms[-1]),
        received_ms,
        int(batch.log[-1]),
        int(batch.seq[-1]),
        0,
        int(batch.quality[-1]),
        int(batch.reasons[-1]),
        batch.values[-1].astype("<f8").tobytes(),
        b"",
    )


def fill(folder: Path) -> None:
    """Write two meters, a lane, a silent device; events; quarantine; snapshots."""
    meter = Rows("em1", METER, METER_ROW, 60).batch()
    meter.values[30, 3] = np.nan
    meter.quality[30], meter.reasons[30] = Quality.SUSPECT, Reason.NULL_VALUE | Reason.SPIKE
    meter.quality[31], meter.reasons[31] = Quality.FAILED, Reason.HIGH_LOW
    lane = Rows("tl1", LANE, LANE_ROW, 120, step_ms=30_000).batch()
    lane.seq[:] = NO_SEQ
    both = [Rows("em1", TWICE, METER_ROW, 3).batch(), Rows("tl1", TWICE, LANE_ROW, 3).batch()]
    events = [
        Event(NOW_MS - 5000, NOW_MS - 4900, METER, "event", 99, '{"code":99}', 61),
        Event(NOW_MS - 4000, NOW_MS - 3900, LANE, "state", 0, '{"st":"lost"}', 62),
        Event(NOW_MS - 3000, NOW_MS - 2900, METER, "event", 40, "not json", 63),
    ]
    store = Store.open(folder)
    store.write([meter, lane, *both], events)
    store.checkpoint(
        Checkpoint(
            Position(200, 0, 0),
            # 200 messages came, 190 have a fate, 10 wait in the journal
            Totals(200, 186, 5, 2, 184, 4, 2),
            DEVICES,
            [
                StreamRow(METER, 7, 0, 17, 1, 60, NOW_MS - MINUTE_MS, "[[64,70],[73,73]]"),
                StreamRow(TWICE, 7, 1, -1, 1, 3, NOW_MS - MINUTE_MS, "[]"),
            ],
            [newest(meter), newest(lane), *(newest(batch) for batch in both)],
            [
                CountRow(METER, 60, 3, 1, 60, 3, 1, NOW_MS - 500, "online"),
                CountRow(LANE, 120, 2, 0, 118, 1, 0, NOW_MS - 500, "lost"),
                CountRow(TWICE, 6, 0, 0, 6, 0, 0, NOW_MS - 500, ""),
            ],
        )
    )
    store.close()
    quarantine = Quarantine(folder)
    quarantine.add(
        [
            Quarantined(70, NOW_MS - 9000, 0, TOPIC, PAYLOAD, "topic", "no such lane"),
            Quarantined(
                71,
                NOW_MS - 8000,
                0,
                b"tg/1/evn/energy/meter-1/t",
                b"{",
                "encoding",
                "=1+1 is not JSON",
                METER,
            ),
        ]
    )
    quarantine.close()
    snapshots(folder)


def snapshots(folder: Path) -> None:
    """Write what intake and processor say of themselves."""
    (folder / "run").mkdir(exist_ok=True)
    intake, processor = Stats(), Stats()
    intake.gauge("infragate_journal_bytes", 4096)
    intake.gauge("infragate_journal_congested", 0)
    for value_s in (0.0004, 0.003, 0.003, 20.0):
        intake.observe("infragate_commit_seconds", value_s)
    processor.count("infragate_quarantined_total", 1, reason="topic")
    processor.count("infragate_quarantined_total", 1, reason="encoding")
    intake.save(folder / "run" / "intake.json")
    processor.save(folder / "run" / "processor.json")
