"""The heap of a whole node under MicroPython, connected and at work, as a 32-bit board has it."""

import time
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.firmware import heaps
from tests.firmware.nodes import Node, check, finish
from tests.support.clients import ask
from tests.support.running import listener, running, wait_until

pytestmark = pytest.mark.servers

# Issue B, "Budgets".
STEADY_BYTES = 24 * 1024
PEAK_BYTES = 32 * 1024
_PLENTY_KB = 100
_PING = ("device", "command", "meter-1", '{"do":"ping"}', "--org", "evn", "--sector", "energy")


@pytest.fixture(scope="module")
def heap(tmp_path_factory: pytest.TempPathFactory, image: Path) -> heaps.Heap:
    """What a node holds that has all the room it wants."""
    folder = tmp_path_factory.mktemp("steady")
    port = free_port()
    node = Node(folder, image, "meter-1", port)
    node.runner, node.heap_kb = "run_measured.py", _PLENTY_KB
    with running(folder, listener(port)), node:
        wait_until(lambda: "\ndata " in node.console, 60, "the census")
        wait_until(lambda: node.ring().rows.done > 20, 60, "receipts")
        return heaps.measured(node, image.parent / "rom" / "sim_node.mpy")


def test_the_steady_heap(heap: heaps.Heap) -> None:
    assert heap.steady <= STEADY_BYTES, heap


def test_the_peak(tmp_path: Path, image: Path, heap: heaps.Heap) -> None:
    """In a heap of that size a node boots, connects, repeats a backlog and obeys."""
    port = free_port()
    node = Node(tmp_path, image, "meter-1", port)
    node.heap_kb = heaps.limit_kb(PEAK_BYTES, heap)
    with running(tmp_path, listener(port)) as gateway, node:
        wait_until(lambda: node.ring().rows.done > 10, 60, "receipts")
        gateway.kill()
        time.sleep(3)  # a backlog
        gateway.start()
        assert ask(gateway, *_PING)["ok"] == 1
        finish([node], 90)
        assert check(gateway, node) > 20
    assert "MemoryError" not in node.console
