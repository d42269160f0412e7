"""From an alarm to a device and back: a proposal, a confirmation, the reply of a real node."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.loopback import free_port
from tests.support.running import ROOT, Gateway, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

METERS = 3
PLACE = "transformer:tba-1"
GRID = '[[node]]\nid = "tba-1"\nkind = "transformer"\n'


@contextmanager
def node(folder: Path, port: int, name: str) -> Iterator[None]:
    """A field node as it runs on a Raspberry Pi; the meter behind its serial line is silent."""
    ours, theirs = pty.openpty()
    config = {"org": "evn", "device": name, "host": "127.0.0.1", "port": port, "tls": "none"}
    config |= {"driver": "p1", "input": os.ttyname(theirs), "report_s": 1}
    (folder / "node").mkdir()
    (folder / "node" / "config").write_text(json.dumps(config))
    command = [sys.executable, "-m", "fieldnode", str(folder / "node")]
    with subprocess.Popen(command, cwd=ROOT / "firmware") as process:
        try:
            yield
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)


def energy(gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    """Call ``infragate energy``."""
    command = [sys.executable, "-m", "gateway", "energy", *words, "-c", str(gateway.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def orders(gateway: Gateway) -> list[dict[str, Any]]:
    return [json.loads(line) for line in energy(gateway, "orders", "--json").stdout.splitlines()]


def darken(port: int) -> None:
    """Let all meters of the transformer say that their power is gone, 20 s ago."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, clean_session=True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    gone_ms = time.time_ns() // 1_000_000 - 20_000
    for meter in range(METERS):
        row = [0, 1_000_000, 0, 500, 2300, 220, 990, 0]
        # the interval that ended before: a reading of after it would say that power is back
        body = {"p": "em1", "log": 1, "b": 1, "t": gone_ms - gone_ms % 1_800_000, "r": [row]}
        for lane, told in (("t", body), ("e", {"c": 99, "t": gone_ms})):
            topic = f"tg/1/evn/energy/meter-{meter}/{lane}"
            client.publish(topic, json.dumps(told), qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@pytest.mark.clause("749.VIII.6-1")
def test_an_order_for_an_alarm_goes_out_once_and_the_device_replies(tmp_path: Path) -> None:
    registry, port = tmp_path / "registry.toml", free_port()
    names = [*(f"meter-{k}" for k in range(METERS)), "relay-1"]
    devices = (
        f'[[device]]\nid = "{name}"\norg = "evn"\nsector = "energy"\nparent = "tba-1"\n'
        for name in names
    )
    registry.write_text(GRID + "".join(devices), "utf-8")
    asked = ("propose", "relay-1", '{"do":"ping"}', "--for", PLACE, "--why", "is it safe")
    confirmed_to = ("--org", "evn", "--sector", "energy")
    with (
        running(tmp_path, listener(port), registry=registry) as gateway,
        node(tmp_path, port, "relay-1"),
    ):
        refused = energy(gateway, *asked)
        assert refused.returncode == 1
        assert "no advice" in refused.stderr
        assert not orders(gateway)
        darken(port)
        proposed = wait_until(
            lambda: found if not (found := energy(gateway, *asked)).returncode else None,
            *(60, "an alarm that speaks for it", 1.0),
        )
        (first,) = orders(gateway)
        assert first["step"] == "proposed"
        assert first["because"].startswith("transformer_outage")
        assert f"confirm {first['id']}" in proposed.stdout
        done = energy(gateway, "confirm", first["id"], "--who", "binh", *confirmed_to)
        assert done.returncode == 0, done.stderr
        reply = json.loads(done.stdout)
        assert (reply["ok"], reply["rows"]) == (1, 0)  # a node whose meter is silent
        again = energy(gateway, "confirm", first["id"], *confirmed_to)
        assert again.returncode == 1
        assert "replied already" in again.stderr
        steps = [(one["step"], one["who"], one["reply"]) for one in orders(gateway)]
        assert [one[0] for one in steps] == ["proposed", "confirmed", "replied"]
        assert steps[2][1:] == ("binh", reply)
