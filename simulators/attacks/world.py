"""Attacks as scenarios of a city: drawn like a theft or a jam, carried out in real time."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from simulators.attacks.client import RefusedError
from simulators.attacks.frame import Order
from simulators.attacks.run import KINDS, PREFIX, run_attack
from simulators.chance import mix
from simulators.city.frame import (
    Absence,
    Carried,
    DeviceRow,
    NodeRow,
    Scenario,
    Span,
    Step,
    Truth,
)
from simulators.target import Target

INTRUDER = "intruder"
# The others are done in the name of the device itself: its credentials are stolen.
OUTSIDE = frozenset({"spoofed-identity", "topic-probing", "credential-stuffing"})
SHORTEST_MS, USUAL_MS = 1000, 60_000
MOST_RATE = 1000.0


class Attacks:
    """A world without places: what it does happens to devices of the others.

    Args:
        seed: names the city.
        names: ids of devices that may be attacked.
    """

    slot_ms = 1
    kinds = frozenset(PREFIX + kind for kind in KINDS)

    def __init__(self, seed: int, names: Sequence[str]) -> None:
        self._seed, self._names = seed, names
        self._scenarios: Sequence[Scenario] = ()
        self._truth: list[Truth] = []

    @property
    def is_ordered(self) -> bool:
        """Whether there is anything to carry out."""
        return bool(self._scenarios)

    def draw(self, kind: str, span: Span, ordinal: int, wish: Mapping[str, object]) -> Scenario:
        """See ``World``."""
        chance = random.Random(f"{self._seed} {kind} {ordinal}")
        where = str(wish.get("where", chance.choice(self._names)))
        if where not in self._names:
            raise ValueError(f"{kind}: there is no device {where}")
        long_ms = min(USUAL_MS, span.to_ms - span.from_ms)
        drawn_ms = chance.randint(span.from_ms, span.to_ms - long_ms)
        from_ms = int(cast("float", wish.get("from_ms", drawn_ms)))
        to_ms = int(cast("float", wish.get("to_ms", from_ms + long_ms)))
        rate = float(cast("float", wish.get("rate", 20.0)))
        if to_ms - from_ms < SHORTEST_MS or not 0 < rate <= MOST_RATE:
            raise ValueError(f"{kind}: at least a second, and a rate up to {MOST_RATE}")
        return Scenario(kind, where, from_ms, to_ms, {"rate": rate})

    def apply(self, scenarios: Sequence[Scenario]) -> None:
        """See ``World``."""
        self._scenarios = scenarios

    def nodes(self) -> Sequence[NodeRow]:
        """See ``World``."""
        return ()

    def devices(self) -> Sequence[DeviceRow]:
        """See ``World``."""
        return ()

    def absences(self) -> Sequence[Absence]:
        """See ``World``."""
        return ()

    def step(self, from_ms: int, to_ms: int) -> Step:  # noqa: ARG002  # of the protocol
        """See ``World``."""
        return Step((), ())

    def carried(self) -> Carried:
        """See ``World``."""
        return {}

    def carry(self, carried: Carried) -> None:
        """See ``World``."""

    def truth(self) -> Sequence[Truth]:
        """Return the attacks that are over."""
        return tuple(self._truth)

    def balance(self) -> Mapping[str, Mapping[str, float]]:
        """See ``World``."""
        return {}

    async def carry_out(self, target: Target, org: str, clock: Callable[[], int]) -> None:
        """Attack when it is time, several at once where they overlap."""
        async with asyncio.TaskGroup() as group:
            for ordinal, scenario in enumerate(self._scenarios):
                group.create_task(self._attack(scenario, ordinal, target, org, clock))

    async def _attack(
        self, scenario: Scenario, ordinal: int, target: Target, org: str, clock: Callable[[], int]
    ) -> None:
        kind = scenario.kind.removeprefix(PREFIX)
        order = Order(
            kind=kind,
            identity=INTRUDER if kind in OUTSIDE else scenario.where,
            victims=(scenario.where,),
            seconds=(scenario.to_ms - scenario.from_ms) / 1000,
            rate=float(scenario.parameters["rate"]),
            seed=mix(self._seed, ordinal),
            org=org,
        )
        await asyncio.sleep(max(0, scenario.from_ms - clock()) / 1000)
        began_ms = clock()
        try:
            self._truth.append(await run_attack(order, target, clock))
        except (RefusedError, OSError) as error:  # it came to nothing, and that is the truth
            nothing: dict[str, float | str] = {"messages": 0.0, "error": str(error)}
            touches = (scenario.where,)
            self._truth.append(
                Truth(scenario.kind, scenario.where, began_ms, clock(), nothing, touches)
            )
