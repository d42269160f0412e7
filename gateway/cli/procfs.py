"""CPU and memory of a process and its children, from Linux's /proc."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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
    total = 0
    for pid in pids:
        try:
            # the command's name may hold spaces; what counts comes after its closing bracket
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


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
