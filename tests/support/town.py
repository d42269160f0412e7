"""A small town on one MQTT connection: many numbered readings, every value of which is known."""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.databases import Points
from tests.support.running import wait_until

ROWS = 50  # in a message
STEP_MS = 50  # between two readings of a meter: a day's worth of them fits into the last hour
COLUMNS = ("ea_imp", "ea_exp", "p", "u", "i", "pf")
SCALES = (1, 1, 1, 0.1, 0.01, 0.001)
SLOT_MS = 1_800_000  # of meters that are billed
_WINDOW = 100  # messages in flight


def meter_values(meter: int, seq: int) -> list[int | None]:
    """Return what a meter measures, in scaled units; every eleventh export is missing."""
    exported = None if seq % 11 == 0 else 3 * seq + meter
    return [
        1_000_000 * (meter + 1) + 2 * seq, exported, (seq * 13 + meter) % 5000,
        2200 + seq % 200, seq % 3000, 1000 - seq % 50,
    ]  # fmt: skip


class Town:
    """Anonymous on a loopback listener, where the topic is the identity.

    Args:
        port: of the listener.
        start_ms: time of the first reading of each meter.
        meters: how many.
    """

    def __init__(self, port: int, start_ms: int, meters: int = 20) -> None:
        self.sent = 0  # readings of each meter
        self.messages = 0
        self._start_ms = start_ms
        self._meters = meters
        self._acknowledged = 0
        self._room = threading.BoundedSemaphore(_WINDOW)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        self._client.max_inflight_messages_set(_WINDOW)
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(self._client.is_connected, what="the town's connection")

    def send(self, readings: int) -> None:
        """Publish the next ``readings`` at QoS 1, shared by the meters, and await the PUBACKs."""
        each = readings // self._meters
        for first in range(self.sent + 1, self.sent + each + 1, ROWS):
            last = min(first + ROWS - 1, self.sent + each)
            for meter in range(self._meters):
                self._publish(name_of(meter), "energy", self._message(meter, first, last))
        self.sent += each
        wait_until(lambda: self._acknowledged == self.messages, 60, "every PUBACK")

    def send_raw(self, device: str, sector: str, body: dict[str, Any]) -> None:
        """Publish something of another device and wait for its PUBACK."""
        self._publish(device, sector, body)
        wait_until(lambda: self._acknowledged == self.messages, 60, "its PUBACK")

    def send_slots(self, first: int, stop: int, meters: int = 10) -> None:
        """Publish half hours of the last day of three-phase meters, 100 Wh each: they make bills.

        Half hour 48 ends with the last whole one before now.
        """
        end_ms = time.time_ns() // 1_000_000 // SLOT_MS * SLOT_MS
        row = [0, 0, 0, 200, 70, 70, 60, 2310, 2300, 2290, 30, 30, 26, 990, 5000]
        rows = [[(k - first) * SLOT_MS, 5000 + 100 * k, *row, 0] for k in range(first, stop)]
        time_ms = end_ms - (48 - first) * SLOT_MS
        for meter in range(meters):
            body = {"p": "em3", "log": 5, "b": 1, "n": first, "t": time_ms, "r": rows}
            self._publish(f"slots-{meter:03d}", "energy", body)
        wait_until(lambda: self._acknowledged == self.messages, 60, "every PUBACK")

    @property
    def readings(self) -> int:
        """How many readings were sent."""
        return self.sent * self._meters

    def expected(self) -> Points:
        """Return every value sent so far, in engineering units."""
        points: Points = {}
        for meter in range(self._meters):
            device = name_of(meter)
            for seq in range(1, self.sent + 1):
                points.update(self._of(device, seq, meter_values(meter, seq)))
        return points

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _of(self, device: str, seq: int, values: Sequence[int | None]) -> Points:
        time_ms = self._start_ms + seq * STEP_MS
        return {
            (device, column, time_ms): round(value * scale, 6)
            for column, scale, value in zip(COLUMNS, SCALES, values, strict=True)
            if value is not None
        }

    def _message(self, meter: int, first: int, last: int) -> dict[str, Any]:
        rows = [
            [(seq - first) * STEP_MS, *meter_values(meter, seq), 0]
            for seq in range(first, last + 1)
        ]
        time_ms = self._start_ms + first * STEP_MS
        return {"p": "em1", "log": 3, "b": 1, "n": first, "t": time_ms, "r": rows}

    def _publish(self, device: str, sector: str, body: dict[str, Any]) -> None:
        self._room.acquire()
        self._client.publish(f"tg/1/evn/{sector}/{device}/t", json.dumps(body), qos=1)
        self.messages += 1

    def _on_publish(self, *_: object) -> None:
        self._acknowledged += 1
        self._room.release()


def name_of(meter: int) -> str:
    """Return the device id of a meter."""
    return f"meter-{meter:03d}"
