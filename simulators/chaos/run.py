"""One run: load and faults together, then a time without faults, then the verdict.

Theory of operation
    Safety and liveness are judged apart. While faults happen nothing is asked but that what was
    promised stays true. Then every fault ends, devices send again what nobody has promised to
    keep, and all of it must arrive. Only then the gateway is asked what it has.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from simulators.chaos.api import Api, ApiError
from simulators.chaos.database import judge_database
from simulators.chaos.faults import Faults
from simulators.chaos.field import Field, Task
from simulators.chaos.judge import Verdict, judge
from simulators.chaos.ledger import make_ledger
from simulators.chaos.plant import Plant
from simulators.chaos.schedule import make_schedule

POLL_S = 0.05
SETTLE_S, QUIET_S = 60.0, 1.5


class Chaos:
    """Runs once."""

    def __init__(
        self, task: Task, folder: Path, gateway: Sequence[str], show: Callable[[str], None]
    ) -> None:
        self._task, self._show = task, show
        self._plant = Plant(folder, gateway)
        self._faults = Faults(self._plant, show)
        self._ledger = make_ledger(task.seed, task.devices)
        self._field = Field(task, self._ledger, self._port)

    def _port(self, *, is_direct: bool) -> int:
        return (self._plant.to_listener if is_direct else self._plant.to_broker).port

    async def run(self) -> dict[str, object]:
        """Do it all and return the report.

        Raises:
            ApiError: the gateway did not even start.
        """
        began_s = time.monotonic()
        try:
            return await self._run(began_s)
        finally:
            self._field.close()
            self._plant.close()

    async def _run(self, began_s: float) -> dict[str, object]:
        task, plant = self._task, self._plant
        schedule = make_schedule(task.seed, task.seconds, task.kills, plant.able)
        await plant.start()
        api = Api(plant.http_port)
        if not await self._starts(api):
            raise ApiError("the gateway did not start; see its log")
        ticker = asyncio.create_task(self._field.run())
        await self._faults.run(schedule)
        plant.heal()
        self._show("faults are over")
        calm_s = time.monotonic()
        is_settled = await self._settle(api, ticker)
        ticker.cancel()
        with suppress(asyncio.CancelledError):  # a load that ended by itself raises why
            await ticker
        verdict = await self._judge(api, is_settled=is_settled)
        recovered_s = time.monotonic() - calm_s
        code = await plant.stop()
        if code:
            verdict.add("bad_exit", f"the gateway ended with {code}")
        if not verdict.is_good:
            plant.keep_evidence()
        times = {"elapsed_s": time.monotonic() - began_s, "recovery_s": recovered_s}
        return self._report(verdict, {name: round(value, 1) for name, value in times.items()})

    async def _starts(self, api: Api) -> bool:
        """Wait until the gateway is ready; return whether it was so in time."""
        end_s = time.monotonic() + self._task.start_s
        while time.monotonic() < end_s:
            if await asyncio.to_thread(api.is_ready):
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def _settle(self, api: Api, ticker: asyncio.Task[None]) -> bool:
        """Wait until all is promised and nothing pends; return whether that came true in time."""
        field = self._field
        field.stop_reading()
        if not await self._until(lambda: field.is_done, ticker):
            return False
        # now the gateway has its subscription back: receipts have come
        field.send_last_bad()
        if not await self._until(lambda: field.is_bad_done, ticker):
            return False
        end_s = time.monotonic() + SETTLE_S
        while time.monotonic() < end_s:
            await asyncio.sleep(QUIET_S)
            try:
                accounts = await asyncio.to_thread(api.accounts)
            except ApiError:
                continue
            if accounts["pending"] == 0:
                return True
        return False

    async def _until(self, is_so: Callable[[], bool], ticker: asyncio.Task[None]) -> bool:
        end_s = time.monotonic() + SETTLE_S
        # forty things may make it so
        while not is_so() and not ticker.done() and time.monotonic() < end_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        return is_so()

    async def _judge(self, api: Api, *, is_settled: bool) -> Verdict:
        verdict = await asyncio.to_thread(judge, self._ledger, api)
        if not is_settled:
            verdict.add("unsettled", f"after {SETTLE_S} s without faults: {self._field.waiting}")
        if self._plant.database is not None:
            missing = await judge_database(self._ledger, self._plant.database_port, verdict.absent)
            for what in missing:
                verdict.add("database_missing", what)
        return verdict

    def _report(self, verdict: Verdict, times: dict[str, float]) -> dict[str, object]:
        ledger, counts, plant = self._ledger, verdict.counts, self._plant
        names = ("lost", "duplicated", "corrupted", "phantom", "missing_quarantine", "never_taken")
        more = ("database_missing", "accounts_off", "unsettled", "bad_exit")
        return {
            "sent": ledger.sent,
            "receipted": ledger.receipted,
            **{name: counts[name] for name in (*names, *more)},
            "bad_sent": len(ledger.bad_sent),
            "faults": dict(sorted(self._faults.done.items())),
            "unable": sorted({"disk-full", "clock-jump", "kill-database"} - plant.able),
            "gateway_starts": plant.gateway.starts,
            "gateway_deaths": plant.gateway.deaths,
            "examples": verdict.examples,
            "seed": self._task.seed,
            **times,
            "ok": verdict.is_good,
        }
