"""What talks to a running gateway: a real MQTT client, and the command line as a child process."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.running import ROOT, Gateway


class Sender:
    """A real MQTT client; ``send`` returns once the gateway has acknowledged everything."""

    def __init__(self, port: int) -> None:
        self._acked = threading.Semaphore(0)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bad-input")
        self._client.max_inflight_messages_set(100)
        self._client.on_publish = lambda *_: self._acked.release()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def send(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish at QoS 1."""
        for topic, payload in messages:
            self._client.publish(topic, payload, qos=1)
        for _ in messages:
            assert self._acked.acquire(timeout=20)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def sender(port: int) -> Iterator[Sender]:
    client = Sender(port)
    try:
        yield client
    finally:
        client.close()


def cli(
    *arguments: str, env: dict[str, str] | None = None, timeout_s: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run ``infragate`` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=env,
    )


def ask(gateway: Gateway, *arguments: str) -> Any:
    """Run a command on a gateway's configuration and return what it prints as JSON."""
    done = cli(*arguments, "-c", str(gateway.config), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
