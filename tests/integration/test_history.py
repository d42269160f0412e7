"""History that a mapping lets in stays: retention counts from the day it arrived."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.support.running import Device, listener, running, wait_until

pytestmark = pytest.mark.servers

MAPPING = """
[[mapping]]
name = "archive"
topic = "archive/{device}"
profile = "em1"
max_age = "9999d"
time = { path = "at", format = "%d/%m/%Y %H:%M:%S", zone = "UTC" }
[mapping.columns]
p = { path = "power", unit = "kW" }
"""
MINUTES = 200


def test_history_is_still_there_after_the_keeper_has_looked_for_old_days(tmp_path: Path) -> None:
    port = free_port()
    first = datetime(2007, 2, 1, tzinfo=UTC)
    with running(tmp_path, listener(port), extra=MAPPING) as gateway:
        device = Device("house-1", port)
        for minute in range(MINUTES):
            at = first + timedelta(minutes=minute)
            device.say(
                "archive/house-1",
                json.dumps({"at": at.strftime("%d/%m/%Y %H:%M:%S"), "power": 1.5}),
            )
        assert gateway.settle(messages=MINUTES)["stored"] == MINUTES
        device.close()
    snapshot = tmp_path / "data" / "run" / "keeper.json"
    snapshot.unlink(missing_ok=True)
    with running(tmp_path, listener(port), extra=MAPPING) as gateway:
        wait_until(snapshot.exists, 20, "a keeper at work")  # its first act is to look for old days
        time.sleep(1)
        window = "device=house-1&profile=em1&column=p&from=2007-02-01&to=2007-02-02"
        count = gateway.get(f"/api/v1/aggregate?{window}&fn=count")
    assert count["buckets"][0]["value"] == MINUTES
