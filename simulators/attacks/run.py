"""An attack from its beginning to its truth."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from simulators.attacks import insiders, outsiders
from simulators.attacks.frame import Attack, Means, Order
from simulators.city.frame import Truth
from simulators.city.times import rfc3339
from simulators.target import Target

KINDS: dict[str, Attack] = {
    "flood": outsiders.flood,
    "spoofed-identity": outsiders.spoof,
    "topic-probing": outsiders.probe,
    "credential-stuffing": outsiders.stuff,
    "replay": insiders.replay,
    "payload-fuzz": insiders.fuzz,
    "value-injection": insiders.inject,
    "clock-jump": insiders.jump,
}
PREFIX = "attack-"  # in truth files: a flood on a road is another thing
VERSION = 1  # of truth.json
GRACE_S = 20.0  # for connecting and for the last answers


async def run_attack(
    order: Order,
    target: Target,
    clock: Callable[[], int],
    spy_target: Target | None = None,
) -> Truth:
    """Carry an attack out and return what was true of it.

    Raises:
        OSError: nobody is there, or the time was far exceeded.
        RefusedError: the attacker's own credentials are not taken.
    """
    means = Means(order, target, spy_target or target, random.Random(order.seed), clock)
    from_ms = clock()
    async with asyncio.timeout(order.seconds + GRACE_S):
        magnitude = await KINDS[order.kind](means)
    touches = tuple(dict.fromkeys((*order.victims, order.identity)))
    return Truth(PREFIX + order.kind, order.victims[0], from_ms, clock(), magnitude, touches)


def write_truth(file: Path, entries: Sequence[Truth], seed: int) -> None:
    """Write a truth file as a city does; a reader never sees half of it."""
    content = {
        "version": VERSION,
        "seed": seed,
        "from": rfc3339(min(entry.from_ms for entry in entries)),
        "to": rfc3339(max(entry.to_ms for entry in entries)),
        "scenarios": [told(entry) for entry in entries],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    draft.replace(file)


def told(entry: Truth) -> dict[str, object]:
    """Return an entry as the file has it."""
    return {
        "what": entry.kind,
        "where": entry.where,
        "from": rfc3339(entry.from_ms),
        "to": rfc3339(entry.to_ms),
        "magnitude": dict(entry.magnitude),
        "touches": list(entry.touches),
    }
