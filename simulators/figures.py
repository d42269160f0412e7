"""What a run is measured by: percentiles, and the processor time of a process."""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

_UTIME, _STIME = 11, 12  # of /proc/PID/stat after the name in brackets, man 5 proc


def percentiles_ms(name: str, latencies_s: Iterable[float]) -> dict[str, float | None]:
    """Return the median, the tail and the worst under their names; None without latencies."""
    values = np.fromiter(latencies_s, dtype=np.float64)
    report: dict[str, float | None] = {}
    for percent in (50, 95, 99, 100):
        key = f"{name}_p{percent}_ms" if percent < 100 else f"{name}_max_ms"  # noqa: PLR2004  # %
        has_any = len(values) > 0
        report[key] = round(float(np.percentile(values, percent)) * 1000, 2) if has_any else None
    return report


def cpu_s_of(pid: int) -> float:
    """Return the processor time of another process, all threads together.

    Raises:
        OSError: it is gone.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")


def wanted_s_of(pid: int) -> float:
    """Return how long the threads of a process have had a core or have waited for one.

    Raises:
        OSError: it is gone, or the kernel does not say.
    """
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        running_ns, waiting_ns, _ = (task / "schedstat").read_text().split()
        total_ns += int(running_ns) + int(waiting_ns)
    return total_ns / 1e9


class Meter:
    """Processor time of ours and of the server's processes, from here on.

    On a machine that others keep busy a saturated server has less than a core; that it is
    saturated shows in ``server_busy_percent``, which counts the time it waited for one.
    """

    def __init__(self, pids: Sequence[int] = ()) -> None:
        self._pids = pids
        self._own, self._servers = _read([os.getpid()]), _read(pids)
        self._began_s = time.perf_counter()

    def read(self) -> dict[str, float | None]:
        """Return shares of one core, in percent; None for a server that nobody named."""
        elapsed_s = time.perf_counter() - self._began_s
        report: dict[str, float | None] = {}
        read = (("own", self._own, [os.getpid()]), ("server", self._servers, self._pids))
        for whose, before, pids in read:
            after = _read(pids)
            for index, name in enumerate(("cpu", "busy")):
                share: float | None = None
                if before is not None and after is not None:
                    share = round((after[index] - before[index]) / elapsed_s * 100, 1)
                report[f"{whose}_{name}_percent"] = share
        return report


def _read(pids: Sequence[int]) -> tuple[float, float] | None:
    """Return seconds on a core, and on or waiting for one; None where nobody can say."""
    if not pids:
        return None
    try:
        return sum(map(cpu_s_of, pids)), sum(map(wanted_s_of, pids))
    except OSError:  # it has died meanwhile
        return None
