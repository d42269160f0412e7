"""Bills of a month as CSV, and a meter's slots as Green Button, from what the analyst has kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.energy.billing import Absences, Absent, Determinants, close, either, without
from gateway.energy.billing.export import Point, green_button, to_csv
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.kin import by_day
from gateway.energy.engine.days.pieces import GROUP, Piece, month_of, name_of
from gateway.energy.engine.days.remembered import DayMemo, unpack
from gateway.energy.engine.findings.bodies import read_back
from gateway.energy.engine.findings.series import DOMAIN, INTERVALS
from gateway.energy.engine.grid.roster import (
    INSTRUMENTS,
    is_billed,
    is_told,
    reactive_rollover_varh,
)
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.vee import Intervals
from gateway.model import BoolArray
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
        """Yield names of customers and their bills, group by group, each customer once."""
        top = max(self._names, default=-1)
        meters = [one for one in self._shelf.profiles.values() if is_billed(one)]
        sources = sorted((one for one in meters if one.name not in INSTRUMENTS), key=is_told)
        for group in range(top // GROUP + 1):
            memos = {one.name: self._memos(one, group, cycle) for one in sources}
            known = [memo for ones in memos.values() for memo in ones]
            done: set[int] = set()
            for profile in sources:
                every = {k for one in memos[profile.name] for k in one.device_index.tolist()} - done
                chosen = sorted(k for k in every if self._is_billed(k, only, cycle))
                done |= every
                if chosen:
                    found = self._bill(chosen, known, cycle, profile)
                    yield [self._names[k] for k in chosen], found

    def _memos(self, profile: Profile, group: int, cycle: tuple[int, int]) -> list[DayMemo]:
        kept = self._shelf.derived.memos(DOMAIN, name_of(Piece(0, profile.name, group)), *cycle)
        return [memo for one in kept if (memo := unpack(one.data)) is not None]

    def _bill(
        self,
        chosen: Sequence[int],
        memos: Sequence[DayMemo],
        cycle: tuple[int, int],
        profile: Profile,
    ) -> Determinants:
        index, is_check = np.array(chosen, np.int64), self._is_check(chosen)
        days = [without(one, is_check(one.day)) for one in by_day(memos, index)]
        policy = self._policies.billing_at(self._policies.calendar.start_ms(cycle[1]) - 1)
        is_out = self._absences(chosen).is_out(self._policies.calendar)
        rollover_varh = reactive_rollover_varh(profile)
        return close(days, *cycle, rollover_varh, policy, either(is_out, is_check))

    def _absences(self, chosen: Sequence[int]) -> Absences:
        registry = self._shelf.registry
        names = [self._names[index] for index in chosen]
        return Absences.of([() if registry is None else registry.absences(k) for k in names])

    def _is_billed(self, index: int, only: str | None, cycle: tuple[int, int]) -> bool:
        name = self._names.get(index)
        if name is None or only not in {None, name}:
            return False
        known = None if self._shelf.registry is None else self._shelf.registry.device(name)
        if known is None or not known.check_of:
            return known is None or not known.head
        return not all(self._is_check([index])(day)[0] for day in range(*cycle))

    def _is_check(self, chosen: Sequence[int]) -> Absent:
        """Return what tells of a day who checked another meter: the main one is billed."""
        registry, start_ms = self._shelf.registry, self._policies.calendar.start_ms
        names = [self._names[index] for index in chosen]

        def found(day: int) -> BoolArray:
            noon_ms = start_ms(day) + DAY_MS // 2
            is_check = [registry is not None and registry.is_check(k, noon_ms) for k in names]
            return np.array(is_check, np.bool_)

        return found

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
