"""What a node knows of itself: why it started, what it counted, whether every task moves."""

from array import array

# Why the node booted, u8 in a BOOT record. A brown-out of an ESP32 is reported as power-on
# (firmware.md §1.10), so a power-on without a clean shutdown before it may be either.
POWER_ON, RESET, WATCHDOG, DEEP_SLEEP, SOFT, CRASH, UPDATE, UNKNOWN = 1, 2, 3, 4, 5, 6, 7, 255

COUNTER_MAX = 0xFFFFFFFF  # counters stop there rather than begin again

COUNTERS = (
    "rows",  # rows stored
    "rows_lost",  # rows dropped without a receipt, since boot
    "events_lost",  # events refused because too many waited
    "published",  # PUBLISH packets sent
    "resent",  # of these, blocks sent before
    "refused",  # PUBACKs that said "not delivered" (0x10) or an error
    "receipts",  # receipts taken
    "connects",  # connections that got as far as CONNACK
    "disconnects",  # of these, ended
    "sensor_errors",  # telegrams with a wrong check, implausible values
    "flash_errors",  # programs and erases that failed
    "net_cycles",  # times the network was taken down and up for want of a connection
    "syncs",  # times the clock was set by SNTP
    "crashes",  # tasks that died and were started again
)


class Health:
    """Counters since boot."""

    def __init__(self) -> None:
        self._counts = array("I", [0] * len(COUNTERS))
        self._reported = array("I", self._counts)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter of ``COUNTERS``.

        Raises:
            ValueError: there is none of that name.
        """
        index = COUNTERS.index(name)
        self._counts[index] = min(COUNTER_MAX, self._counts[index] + by)

    def get(self, name: str) -> int:
        """Return a counter."""
        return self._counts[COUNTERS.index(name)]

    def changes(self) -> "dict[str, int]":
        """Return the counters that moved since the last call: what a heartbeat carries."""
        moved = {}
        for index, name in enumerate(COUNTERS):
            if self._counts[index] != self._reported[index]:
                moved[name] = self._reported[index] = self._counts[index]
        return moved


class Progress:
    """Feeds the watchdog only while every task moves: one that hangs must not be covered up.

    Each task has its own patience, since a sensor that is read every 15 min is no hang.
    """

    def __init__(self) -> None:
        self._limits_ms: "dict[str, int]" = {}
        self._moved_ms: "dict[str, int]" = {}

    def watch(self, task: str, limit_ms: int, now_ms: int) -> None:
        """Expect ``task`` to move at least every ``limit_ms``."""
        self._limits_ms[task] = limit_ms
        self._moved_ms[task] = now_ms

    def moved(self, task: str, now_ms: int) -> None:
        """Note that a task has got something done."""
        self._moved_ms[task] = now_ms

    def stuck(self, now_ms: int) -> "list[str]":
        """Return the tasks that hang; the watchdog is fed only where there are none."""
        return sorted(
            [
                task
                for task in self._limits_ms
                if now_ms - self._moved_ms[task] > self._limits_ms[task]
            ]
        )
