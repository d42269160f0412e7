"""Nodes as processes: the firmware under MicroPython, out of a ROMFS image, with a board's heap."""

import io
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

from fieldnode.core.ring import Ring
from fieldnode.hal.sim import Nor
from tests.firmware.tools import ROOT, program
from tests.support.running import Gateway, wait_until

SECTORS = 32
HEAP_KB = 36  # what MicroPython gives itself on the smallest, ESP32-C2 and -S2 (mpconfigport.h)
_WORD_BYTES = 2048  # "n wK" means n KiB on a 32-bit board and twice that in this process
QUICK: dict[str, Any] = {
    "org": "evn",
    "host": "127.0.0.1",
    "tls": "none",
    "sample_ms": 100,
    "deadbands": [1, 0, 0, 0, 0, 0],  # a row for each sample: the register moves with each
    "commit_s": 1,
    "keepalive_s": 10,
    "backlog_wait_s": 1,
    "backlog_per_s": 100,
    "retry_max_s": 1,
}


class Node:
    """One node and its board's folder; may be killed and started again."""

    def __init__(self, folder: Path, image: Path, name: str, port: int, **config: Any) -> None:
        self.name = name
        self.sectors = SECTORS
        self.runner = "run_rom.py"
        self.heap_kb: float = HEAP_KB
        self.folder = folder / name
        self.folder.mkdir()
        self._image = image
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = dict(os.environ)
        self.configure(device=name, port=port, **{**QUICK, **config})

    def configure(self, **changes: Any) -> None:
        """Change the stored configuration; takes effect at the next start."""
        file = self.folder / "kv.config"
        config = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**config, **changes}))

    def put(self, key: str, value: bytes) -> None:
        """Store something under a key of the board."""
        (self.folder / f"kv.{key}").write_bytes(value)

    def setenv(self, **variables: str) -> None:
        """Change the environment of later starts."""
        self._environment |= variables

    def start(self) -> None:
        """Power on."""
        heap = int(self.heap_kb * _WORD_BYTES) + self._image.stat().st_size
        runner = str(ROOT / "firmware/tools" / self.runner)
        command = [program("micropython"), "-X", f"heapsize={heap}", runner, str(self._image)]
        command += [] if self.runner == "run_measured.py" else ["sim_node"]
        command += [str(self.folder), str(self.sectors)]
        with (self.folder / "console").open("ab") as console:
            self._process = subprocess.Popen(
                command, stdout=console, stderr=console, env=self._environment
            )

    def kill(self) -> None:
        """Power off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def console(self) -> str:
        """What it has said."""
        return (self.folder / "console").read_text("utf-8", "replace")

    def heaps(self) -> list[int]:
        """Return the bytes in use that it told, oldest first, as on a 32-bit board."""
        size = self._image.stat().st_size
        lines = [line.split() for line in self.console.splitlines() if line.startswith("heap ")]
        return [(int(words[1]) - size) // 2 for words in lines if len(words) == 5]

    def ring(self) -> Ring:
        """Return what its flash holds now."""
        image = io.BytesIO((self.folder / "flash.bin").read_bytes())
        return Ring(Nor(image, self.sectors, lambda below: below // 2), 1)

    def is_drained(self) -> bool:
        """Whether the gateway has receipted every row it stored."""
        rows = self.ring().rows
        return rows.done == rows.next > 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def finish(nodes: list[Node], timeout_s: float = 40) -> None:
    """Let nodes measure no more, and wait until everything they stored is receipted."""
    for node in nodes:
        node.kill()
        node.configure(sample_ms=3_600_000)
        node.start()
    wait_until(lambda: all(node.is_drained() for node in nodes), timeout_s, "drained", 0.3)
    for node in nodes:
        node.kill()


def check_events(gateway: Gateway, node: Node) -> int:
    """Assert that every event that a node takes for delivered is there once; return how many."""
    done = node.ring().keep.done
    path = f"/api/v1/events?device={node.name}&kind=event&from=0&to={1 << 42}&limit=100000"
    numbers = [event["detail"]["en"] for event in gateway.get(path)["events"]]
    assert len(numbers) == len(set(numbers)), f"{node.name}: an event is there twice"
    assert set(range(done)) <= set(numbers), f"{node.name}: an event is lost"
    return done


def check(gateway: Gateway, node: Node) -> int:
    """Assert that every row of a node is in the store once, as it was measured; return how many."""
    ring = node.ring()
    path = f"/api/v1/readings?device={node.name}&profile=em1&from=0&to={1 << 42}"
    page = gateway.get(f"{path}&limit=100000&lineage=true")
    assert page["next"] is None
    found = {reading["seq"]: reading for reading in page["readings"]}
    assert len(found) == len(page["readings"]), f"{node.name}: stored twice"
    # what was measured between the last look and the kill is in the ring, and may be nowhere else
    assert ring.rows.next - ring.rows.done <= 2, f"{node.name}: not drained"
    missing = sorted(set(range(ring.rows.done)) - set(found))
    assert not missing, f"{node.name}: lost {len(missing)}: {missing[:10]}\n{node.console[-2000:]}"
    assert max(found) < ring.rows.next, f"{node.name}: rows that nobody measured"
    for seq, reading in found.items():
        assert reading["log"] == ring.rows.log
        measured = [reading[name] for name in ("ea_imp", "p", "u")]
        assert measured[:2] == [1_000_000 + seq, seq % 5000], reading
        assert abs(measured[2] * 10 - (2200 + seq % 100)) < 1e-6, reading
    return len(found)
