"""Which fault comes when: all of it follows from the seed."""

import random
from collections.abc import Set as AbstractSet
from typing import NamedTuple

DAY_S = 86_400
CHILD_SHARE = 0.25  # of the kills hit a process of the gateway, the others all of it
TWICE_SHARE = 0.2  # of the kills strike again while the gateway starts
_BESIDE = 4  # kills of the gateway for each of the broker and of the database


class Fault(NamedTuple):
    """One thing that goes wrong, from ``at_s`` on; what ``amount`` means depends on the kind."""

    at_s: float
    kind: str
    for_s: float = 0.0
    amount: float = 0.0


# Kinds that need nothing: seconds between two, how long, how much.
_LASTING = {
    "pause-gateway": (15, (0.2, 2.0), (0, 0)),
    "pause-broker": (20, (0.2, 2.0), (0, 0)),
    "reset": (10, (0, 0), (0, 1)),  # which proxy
    "forget": (15, (0, 0), (0, 1)),
    "refuse": (20, (0.5, 2.0), (0, 1)),
    "slow": (15, (1.0, 3.0), (0, 1)),
    "disk-full": (20, (0.5, 3.0), (0, 0)),
    "clock-jump": (15, (1.0, 4.0), (-10 * DAY_S, 10 * DAY_S)),
}


def make_schedule(seed: int, seconds: float, kills: int, able: AbstractSet[str]) -> list[Fault]:
    """Return the faults of a run in their order.

    Args:
        seed: same seed, same schedule.
        seconds: how long faults may begin.
        kills: of the gateway.
        able: kinds that this machine can do.
    """
    chance = random.Random(seed)
    faults = [Fault(at_s, *_kill(chance)) for at_s in _moments(chance, seconds, kills)]
    for kind in ("kill-broker", "kill-database"):
        count = -(-kills // _BESIDE)
        moments = _moments(chance, seconds, count)
        faults += [Fault(at_s, kind, chance.uniform(0.1, 1.0)) for at_s in moments]
    for kind, (every_s, long, much) in _LASTING.items():
        for at_s in _moments(chance, seconds, max(1, round(seconds / every_s))):
            faults.append(Fault(at_s, kind, chance.uniform(*long), chance.uniform(*much)))
    return sorted(fault for fault in faults if fault.kind in able)


def _moments(chance: random.Random, seconds: float, count: int) -> list[float]:
    """Return moments, one in each of ``count`` equal parts; some follow the one before closely."""
    part_s = seconds / max(count, 1)
    moments = [(place + chance.random()) * part_s for place in range(count)]
    for place in range(1, count):
        if chance.random() < TWICE_SHARE:
            moments[place] = moments[place - 1] + chance.uniform(0.1, 0.8)
    return moments


def _kill(chance: random.Random) -> tuple[str, float, float]:
    kind = "kill-child" if chance.random() < CHILD_SHARE else "kill-gateway"
    return kind, chance.uniform(0, 0.5), chance.random()
