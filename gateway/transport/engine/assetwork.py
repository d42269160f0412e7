"""The asset register in the order of time: once an hour, the day that lasts and the one before."""

from collections.abc import Sequence

import numpy as np

from gateway.policies import load_policies
from gateway.ports import Result
from gateway.registry import Registry
from gateway.transport.assets import (
    ASSETS_DOMAIN,
    ASSETS_POLICY,
    AssetPolicy,
    day_lines,
    troubles_of,
    work_line,
    work_list,
)
from gateway.transport.engine.alarms import AlarmBook
from gateway.transport.engine.live import Live
from gateway.transport.health import rates

SECTOR = "transport"
EVERY_MS = 3_600_000
_DAY_MS, _MS_PER_MIN = 86_400_000, 60_000


class AssetWork:
    """Makes the lines of the register; without a registry file there is none.

    Args:
        registry: it says what stands where, and since when.
    """

    def __init__(self, registry: Registry | None) -> None:
        self._registry = registry
        devices = registry.devices() if registry is not None else ()
        self._devices = [one for one in devices if one.sector == SECTOR]
        self._policies = load_policies(ASSETS_DOMAIN, AssetPolicy)
        self._due_ms = 0

    def lines(self, live: Live, books: Sequence[AlarmBook], now_ms: int) -> Sequence[Result]:
        """Return the lines when they are due."""
        if self._registry is None or now_ms < self._due_ms:
            return []
        self._due_ms = now_ms - now_ms % EVERY_MS + EVERY_MS
        policy = self._policies.at(ASSETS_POLICY, now_ms)
        offset_ms = policy.utc_offset_min * _MS_PER_MIN
        today_ms = now_ms - (now_ms + offset_ms) % _DAY_MS
        span = today_ms - _DAY_MS, now_ms + 1
        troubles = troubles_of(one for book in books for one in book.lasting(*span))
        days = [(today_ms - _DAY_MS, today_ms), (today_ms, today_ms + _DAY_MS)]
        found = [
            line for day in days for line in day_lines(self._devices, troubles, day, now_ms, policy)
        ]
        supplies = {one.id: self._supply(one.id, now_ms) for one in self._devices}
        cabinets = {name: supply for name, supply in supplies.items() if supply}
        items = work_list(troubles, cabinets, _vehicles_day(live), now_ms, policy)
        return [*found, work_line(items, days[-1], now_ms)]

    def _supply(self, device: str, now_ms: int) -> str:
        assert self._registry is not None  # noqa: S101  # its devices are asked for
        return self._registry.at(device, now_ms).cabinet or ""


def _vehicles_day(live: Live) -> dict[str, float]:
    """Return what passes each lane on a usual day."""
    state = live.state
    assert state is not None  # noqa: S101  # it closed an interval
    total = np.nan_to_num(rates(state.health.usual)).sum(axis=1)
    return dict(zip(live.road.devices, total.tolist(), strict=True))
