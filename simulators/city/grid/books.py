"""What was true: energy that came in, was metered, hidden, lost; and what each scenario did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulators.city.frame import Floats, Scenario, Truth
from simulators.city.grid.effects import DARKENS, Effects, Mask
from simulators.city.grid.layout import NOMINAL_V, Layout
from simulators.city.grid.roster import Roster
from simulators.city.grid.sweep import Flow

_MS_PER_HOUR = 3_600_000
_HIDING = frozenset({"theft", "bypass", "reversed_ct", "meter_stopped"})
_BAND = 0.05  # what Thông tư 39/2015/TT-BCT allows at a customer


@dataclass(frozen=True)
class Sight:
    """What the books need of a step, all by slot."""

    slot_ms: int
    flow: Flow
    head_w: Floats  # by feeder
    busbar_w: Floats  # by transformer
    true_w: Floats  # by customer
    seen_w: Floats  # by customer, before the error of its meter
    wanted_w: Floats  # by customer, had there been power
    volts: Floats  # customer × phase; 0 where there is none
    loading: Floats  # by transformer


class Books:
    """Sums in Wh since the begin of the run."""

    def __init__(self, layout: Layout, roster: Roster, effects: Effects) -> None:
        self._layout, self._roster, self._effects = layout, roster, effects
        feeders, transformers = layout.heads.shape[0], layout.feeder.size
        self._head, self._lost = np.zeros(feeders), np.zeros(feeders)
        self._busbar, self._lost_lv = np.zeros(transformers), np.zeros(transformers)
        customers = layout.kind.size
        self._metered, self._hidden = np.zeros(customers), np.zeros(customers)
        is_lv = layout.node_transformer >= 0
        is_lv[layout.busbars] = False
        is_lv[layout.network.parent[layout.busbars]] = False
        self._lv = np.flatnonzero(is_lv)
        self._sums: list[dict[str, float]] = [{} for _ in effects.scenarios]

    def enter(self, sight: Sight) -> None:
        """Add a step."""
        hours = sight.slot_ms / _MS_PER_HOUR
        layout, lost = self._layout, sight.flow.lost.sum(axis=1) * hours
        self._head += sight.head_w.sum(axis=1) * hours
        self._busbar += sight.busbar_w.sum(axis=1) * hours
        self._lost += np.bincount(layout.node_feeder, lost, self._head.size)
        lv = layout.node_transformer[self._lv]
        self._lost_lv += np.bincount(lv, lost[self._lv], self._busbar.size)
        self._metered += sight.seen_w.sum(axis=1) * hours
        self._hidden += (sight.true_w - sight.seen_w).sum(axis=1) * hours

    def note(self, number: int, scenario: Scenario, on: Mask, sight: Sight) -> None:
        """Add what one scenario did in a step."""
        sums, hours = self._sums[number], sight.slot_ms / _MS_PER_HOUR
        if scenario.kind in _HIDING:
            customer = self._roster.customer(scenario.where)
            _add(sums, "used_wh", sight.true_w[customer, on].sum() * hours)
        elif scenario.kind == "voltage_out_of_band":
            feeder = self._roster.feeders.index(scenario.where)
            under = self._layout.feeder[self._layout.transformer] == feeder
            u = sight.volts[under][..., on] / NOMINAL_V
            u = np.where(u > 0, u, np.nan)
            sums["lowest_pu"] = min(sums.get("lowest_pu", 9.0), float(np.nanmin(u)))
            sums["highest_pu"] = max(sums.get("highest_pu", 0.0), float(np.nanmax(u)))
            outside = (np.abs(u - 1) > _BAND).any(axis=(1, 2)).sum()
            sums["customers"] = max(sums.get("customers", 0.0), float(outside))
        elif scenario.kind == "overload":
            of = self._roster.transformers.index(scenario.where)
            peak = float(sight.loading[of, on].max())
            sums["peak_loading"] = max(sums.get("peak_loading", 0.0), peak)
        elif scenario.kind in DARKENS:
            self._note_outage(scenario, on, sight, sums)

    def hide(self, number: int, watts: Floats, slot_ms: int) -> None:
        """Add what a meter did not see because of one scenario."""
        _add(self._sums[number], "hidden_wh", watts.sum() * slot_ms / _MS_PER_HOUR)

    def _note_outage(
        self, scenario: Scenario, on: Mask, sight: Sight, sums: dict[str, float]
    ) -> None:
        is_one = self._roster.is_customer(scenario.where)
        names = [scenario.where] if is_one else self._roster.under(scenario.where)
        who = [self._roster.customer(name) for name in names if self._roster.is_customer(name)]
        lacking = (sight.wanted_w[who] - sight.true_w[who])[:, on]
        _add(sums, "unserved_wh", lacking.sum() * sight.slot_ms / _MS_PER_HOUR)

    def truth(self, upto_ms: int) -> list[Truth]:
        """Return one entry for each scenario that has begun."""
        return [
            Truth(
                *(scenario.kind, scenario.where, scenario.from_ms, min(scenario.to_ms, upto_ms)),
                self._magnitude(number, scenario),
                tuple(self._touched(scenario)),
            )
            for number, scenario in enumerate(self._effects.scenarios)
            if scenario.from_ms < upto_ms
        ]

    def _magnitude(self, number: int, scenario: Scenario) -> Mapping[str, float | str]:
        magnitude: dict[str, float | str] = dict(scenario.parameters)
        magnitude |= {name: round(value, 6) for name, value in self._sums[number].items()}
        if scenario.kind == "wrong_transformer":
            of = self._layout.transformer[self._roster.customer(scenario.where)]
            magnitude["actual"] = self._roster.transformers[of]
        if scenario.kind in DARKENS:
            dark = self._effects.darkened(scenario)
            magnitude["devices"] = len(dark)
            magnitude["customers"] = sum(self._roster.is_customer(name) for name in dark)
        if scenario.kind == "comms_outage":
            magnitude["devices"] = len(self._touched(scenario))
        return magnitude

    def _touched(self, scenario: Scenario) -> Sequence[str]:
        """Return what else an alarm may rightly name."""
        roster = self._roster
        if not roster.is_customer(scenario.where):
            return roster.under(scenario.where)
        if scenario.kind in _HIDING | {"wrong_transformer"}:
            names = [roster.transformers[self._layout.transformer[roster.customer(scenario.where)]]]
            registered = scenario.parameters.get("registered")
            return [*names, str(registered)] if registered else names
        return [scenario.where]

    def balance(self) -> Mapping[str, Mapping[str, float]]:
        """Return for each feeder and transformer what came in and where it went, Wh."""
        layout, roster = self._layout, self._roster
        feeder = layout.feeder[layout.transformer]
        result: dict[str, Mapping[str, float]] = {}
        for names, place, came_in, lost in (
            (roster.feeders, feeder, self._head, self._lost),
            (roster.transformers, layout.transformer, self._busbar, self._lost_lv),
        ):
            metered = np.bincount(place, self._metered, came_in.size)
            hidden = np.bincount(place, self._hidden, came_in.size)
            for k, name in enumerate(names):
                parts = (came_in[k], metered[k], hidden[k], lost[k])
                keys = ("in_wh", "metered_wh", "hidden_wh", "lost_wh")
                result[name] = dict(zip(keys, map(float, parts), strict=True))
        return result


def _add(sums: dict[str, float], name: str, amount: float) -> None:
    sums[name] = sums.get(name, 0.0) + float(amount)
