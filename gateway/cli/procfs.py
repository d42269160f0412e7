"""CPU and memory of a process and its children, from Linux's clocks and /proc."""

import time
from pathlib import Path

# clock_getcpuclockid(3): the scheduler's own count of all threads, to the nanosecond. The ticks
# of /proc/<pid>/stat are 10 ms: of five processes that is a tenth of what a second of load costs.
_SCHEDULED = 2


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += tree(int(child))
        except OSError:  # it has just ended
            continue
    return found


def cpu_s(pids: list[int]) -> float:
    """Return user and system time of processes that still live."""
    total_s = 0.0
    for pid in pids:
        try:
            total_s += time.clock_gettime((~pid << 3) | _SCHEDULED)
        except OSError:  # it has just ended
            continue
    return total_s


def rss_bytes(pids: list[int]) -> int:
    """Return the resident memory, pages shared between the processes counted once (PSS)."""
    return sum(_pss_bytes(pid) for pid in pids)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of one process, shared pages and all."""
    return _memory_bytes(pid, "Rss:")


def _pss_bytes(pid: int) -> int:
    return _memory_bytes(pid, "Pss:")


def _memory_bytes(pid: int, what: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def name_of(pid: int) -> str:
    """Return the role of one of our processes, "" of others."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
    return name.removeprefix("ig-") if name.startswith("ig-") else ""
