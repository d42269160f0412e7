"""Bills of a month as CSV, and a meter's slots as Green Button, from what the analyst has kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.energy.billing import Determinants, close
from gateway.energy.billing.export import Point, green_button, to_csv
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.pieces import GROUP, Piece, month_of, name_of
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.engine.publish import DOMAIN, INTERVALS
from gateway.energy.engine.remembered import figures_of, unpack
from gateway.energy.engine.roster import INSTRUMENTS, is_meter
from gateway.energy.engine.telling import read_back
from gateway.energy.vee import Intervals
from gateway.ports import DeviceRow, Result
from gateway.profiles import Profile
from gateway.registry import Registry
from gateway.store.derived import DerivedReader

MOST_DAYS = 400  # of one file: more than a year of half hours


class Shelf(NamedTuple):
    """Where it is read."""

    derived: DerivedReader
    devices: Sequence[DeviceRow]
    profiles: Mapping[str, Profile]
    registry: Registry | None


class Exports:
    """Makes files.

    Args:
        shelf: what is known.
        policies: calendar, rates, cycles.
    """

    def __init__(self, shelf: Shelf, policies: EnergyPolicies) -> None:
        self._shelf, self._policies = shelf, policies
        self._names = {one.device_index: one.device for one in shelf.devices}

    def determinants(self, month: int) -> Iterator[str]:
        """Yield a CSV of all customers' bills, part by part.

        Args:
            month: a local day in it.
        """
        is_first = True
        for name, found in self._closed(month_of(month)):
            text = to_csv(found, name, self._policies.calendar)
            yield text if is_first else text.partition("\n")[2]
            is_first = False

    def green_button(self, device: str, days: tuple[int, int], now_ms: int) -> str | None:
        """Return a meter's slots of some local days as a feed, None where there are none.

        Args:
            device: its name.
            days: the first, and the one behind the last.
            now_ms: when the feed is made.
        """
        found = self._slots(device, days)
        if found is None:
            return None
        policies = self._policies
        shares = policies.shares(found.slot_ms(), found.interval_ms)
        summary = None
        if days == month_of(days[0]):
            mine = self._closed(days, only=device)
            summary = next((bill for _, bill in mine), None)
        known = self._shelf.registry.device(device) if self._shelf.registry is not None else None
        title = device if known is None or not known.title else known.title
        point = Point(device, title, now_ms)
        return green_button(point, found, 0, shares, policies.calendar, summary)

    def _closed(
        self, cycle: tuple[int, int], only: str | None = None
    ) -> Iterator[tuple[list[str], Determinants]]:
        """Yield names of customers and their bills, group by group."""
        top = max(self._names, default=-1)
        meters = [one.name for one in self._shelf.profiles.values() if is_meter(one)]
        for profile in (name for name in meters if name not in INSTRUMENTS):
            for group in range(top // GROUP + 1):
                kept = self._shelf.derived.memos(DOMAIN, name_of(Piece(0, profile, group)), *cycle)
                memos = [memo for one in kept if (memo := unpack(one.data)) is not None]
                seen = [memo.device_index.tolist() for memo in memos]
                chosen = sorted({k for part in seen for k in part if self._is_billed(k, only)})
                if not chosen:
                    continue
                index = np.array(chosen, np.int64)
                days = [figures_of(memo, index) for memo in memos]
                policy = self._policies.billing_at(self._policies.calendar.start_ms(cycle[1]) - 1)
                found = close(days, *cycle, np.full(len(index), np.inf), policy)
                yield [self._names[k] for k in chosen], found

    def _is_billed(self, index: int, only: str | None) -> bool:
        name = self._names.get(index)
        if name is None or only not in {None, name}:
            return False
        known = None if self._shelf.registry is None else self._shelf.registry.device(name)
        return known is None or not known.head

    def _slots(self, device: str, days: tuple[int, int]) -> Intervals | None:
        start_ms, stop_ms = (self._policies.calendar.start_ms(day) for day in days)
        asked = Result(INTERVALS, f"device:{device}", start_ms, stop_ms, "")
        lines = self._shelf.derived.results(DOMAIN, asked, MOST_DAYS)
        if not lines:
            return None
        interval_ms = int(msgspec.json.decode(lines[0].body)["interval_s"]) * 1000
        bodies: list[str | None] = [None] * (days[1] - days[0])
        for one in lines:
            bodies[(one.from_ms - start_ms) // DAY_MS] = one.body
        rows = np.zeros(len(bodies), np.int64)
        found = read_back(bodies, rows, start_ms, interval_ms, DAY_MS // interval_ms)
        side_by_side = {
            name: getattr(found, name).reshape(1, -1)
            for name in ("import_wh", "export_wh", "quality", "reasons", "method", "is_final")
        }
        return replace(found, device_index=rows[:1], **side_by_side)
