"""What every attack has: an order, means, and what it did in the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from simulators.attacks.client import Client, open_client
from simulators.target import Target

SECTOR = "energy"
# The logs of real devices are drawn at random from 2³² numbers; this one is of nobody.
LOG = 666


@dataclass(frozen=True)
class Order:
    """An attack as it is ordered.

    Attributes:
        identity: who the attacker is, or has stolen; user name and client id.
        victims: devices that it is about; the identity itself, where the attack needs none.
        spy: who may read what others send (a monitor), where the attack has to hear first.
    """

    kind: str
    identity: str
    victims: Sequence[str]
    seconds: float = 10.0
    rate: float = 20.0  # tries per second, where the attack is not as fast as it can be
    seed: int = 1
    org: str = "city"
    spy: str = ""

    def topic(self, device: str, lane: str) -> str:
        """Return a topic of a device."""
        return f"tg/1/{self.org}/{SECTOR}/{device}/{lane}"


class Means(NamedTuple):
    """What an attack works with."""

    order: Order
    target: Target
    spy_target: Target  # with the password of the spy
    chance: random.Random
    clock: Callable[[], int]

    async def enter(self) -> Client:
        """Return a client in the attacker's name, beside one that may have it rightly."""
        name = self.order.identity
        login = self.target.login(name)._replace(client_id=f"{name}-{self.chance.getrandbits(32)}")
        return await open_client(self.target, login, name)

    async def enter_as_spy(self) -> Client:
        """Return a client that may listen."""
        name = self.order.spy or f"{self.order.identity}-listening"
        return await open_client(self.spy_target, self.spy_target.login(name))

    async def tries(self, share: float = 1.0) -> AsyncIterator[int]:
        """Yield 0, 1, 2, … at the rate and for the share of the time that was ordered."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        number = 0
        while loop.time() - began_s < self.order.seconds * share:
            yield number
            number += 1
            await asyncio.sleep(max(0.0, began_s + number / self.order.rate - loop.time()))

    def victim(self, number: int) -> str:
        """Return whose turn it is."""
        return self.order.victims[number % len(self.order.victims)]


class Attack(Protocol):
    """One kind: does its worst and returns how much of it there was."""

    async def __call__(self, means: Means) -> Mapping[str, float | str]:
        """Run for as long as was ordered."""
