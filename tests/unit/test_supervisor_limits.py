"""What a process asks of the system and of Python before it begins its work."""

import gc
import platform
import resource
import subprocess
import sys

import pytest

from gateway.supervisor import COLLECT_AFTER, allow_many_files, calm_collector


def test_a_process_takes_as_many_files_as_it_may_have() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        allow_many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_collector_leaves_what_is_there_alone_and_still_finds_new_cycles() -> None:
    before = gc.get_threshold()
    try:
        calm_collector()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == COLLECT_AFTER
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


# 60 MB in pieces too small for pages of their own, then all but each hundredth freed: amid the
# heap, since the last one holds its top.
BURST = """
from pathlib import Path
from resource import getpagesize
from gateway.supervisor import return_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize() / 1e6

trim_memory = return_memory()
pieces = [bytes(6_000) for _ in range(10_000)]
pieces = pieces[99::100]
held_mb = resident_mb()
trim_memory()
print(held_mb - resident_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="musl has no malloc_trim")
def test_what_a_burst_leaves_amid_the_heap_goes_back_to_the_system() -> None:
    run = subprocess.run(
        [sys.executable, "-c", BURST], capture_output=True, text=True, check=True, timeout=30
    )
    assert float(run.stdout) > 40
