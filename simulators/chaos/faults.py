"""A schedule carried out: each fault begins when it is due and ends by itself."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from simulators.chaos.plant import Plant
from simulators.chaos.schedule import Fault
from simulators.network import PROFILES, Conditions
from simulators.proxy import Proxy

REFILL_S = 0.2  # what a merge or a checkpoint gives back at a full disk is taken again


class Faults:
    """What goes wrong with a plant; ``done`` counts what was."""

    def __init__(self, plant: Plant, show: Callable[[str], None]) -> None:
        self.done: Counter[str] = Counter()
        self._plant = plant
        self._show = show
        self._full = asyncio.Lock()  # one at a time: the end of the first would free the second's
        self._jumped = asyncio.Lock()

    async def run(self, schedule: Sequence[Fault]) -> None:
        """Carry it out; return when the last fault has ended."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.TaskGroup() as group:
            for fault in schedule:
                await asyncio.sleep(max(0.0, began_s + fault.at_s - loop.time()))
                self._show(f"{fault.at_s:7.2f} s  {fault.kind}  {fault.for_s:.2f} s")
                group.create_task(self._begin(fault))

    async def _begin(self, fault: Fault) -> None:
        if await self._act(fault):
            self.done[fault.kind] += 1

    async def _act(self, fault: Fault) -> bool:
        actions: dict[str, Callable[[Fault], Coroutine[Any, Any, bool]]] = {
            "kill-gateway": self._kill,
            "kill-child": self._kill,
            "kill-broker": self._kill,
            "kill-database": self._kill,
            "pause-gateway": self._pause,
            "pause-broker": self._pause,
            "disk-full": self._fill,
            "clock-jump": self._jump,
        }
        return await actions.get(fault.kind, self._disturb)(fault)

    async def _kill(self, fault: Fault) -> bool:
        plant = self._plant
        by_kind = {"kill-broker": plant.broker, "kill-database": plant.database}
        server = by_kind.get(fault.kind, plant.gateway)
        if server is None:
            return False
        while not server.pid:  # noqa: ASYNC110  # a kill of nothing is none
            await asyncio.sleep(0.01)
        server.pause_s = fault.for_s
        if fault.kind == "kill-child":
            return server.kill_child(fault.amount)
        return server.kill()

    async def _pause(self, fault: Fault) -> bool:
        plant = self._plant
        await (plant.gateway if fault.kind == "pause-gateway" else plant.broker).pause(fault.for_s)
        return True

    async def _fill(self, fault: Fault) -> bool:
        disk, loop = self._plant.disk, asyncio.get_running_loop()
        async with self._full:
            end_s = loop.time() + fault.for_s
            try:
                while loop.time() < end_s:
                    disk.fill()
                    await asyncio.sleep(REFILL_S)
            finally:
                disk.drop()
        return True

    async def _jump(self, fault: Fault) -> bool:
        async with self._jumped:
            # small jumps are the common ones: a quarter of them below a minute
            self._plant.clock.set(
                math.copysign(abs(fault.amount) ** (fault.for_s / 4), fault.amount)
            )
            try:
                await asyncio.sleep(fault.for_s)
            finally:
                self._plant.clock.set(0)
        return True

    async def _disturb(self, fault: Fault) -> bool:
        proxy = self._plant.proxies[int(fault.amount * len(self._plant.proxies))]
        if fault.kind == "reset":
            proxy.reset()
        elif fault.kind == "forget":
            proxy.forget()
        else:
            await self._for_a_while(proxy, fault)
        return True

    async def _for_a_while(self, proxy: Proxy, fault: Fault) -> None:
        if fault.kind == "refuse":
            proxy.is_refusing = True
            proxy.reset()
        else:
            proxy.conditions = PROFILES["poor"]
        await asyncio.sleep(fault.for_s)
        if fault.kind == "refuse":
            proxy.is_refusing = False
        else:
            proxy.conditions = Conditions()
