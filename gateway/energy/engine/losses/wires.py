"""Meters at another transformer than the registry says: looked for daily, a feeder at a time.

Two witnesses: energy, missing at one transformer and too much at another (``loss.moves``), and
voltage, which goes with that of the busbar that feeds the meter (``loss.verdict``). Energy is
heard first; voltage where energy is silent, as with a home in which nobody lives.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import loss
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.halfhours import placed
from gateway.energy.engine.days.volts import volts_of
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.metering import Metering, metering
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.losses.balances import BALANCE, noon_ms
from gateway.energy.engine.losses.books import joined, unpack_balance
from gateway.energy.engine.losses.wirealarms import Found, WireAlarms
from gateway.energy.engine.policies import EnergyPolicies
from gateway.model import IntArray
from gateway.ports import Alarm
from gateway.registry import NodeKind

# Transformers among which is searched: of a large substation only those of the meter's own feeder.
MOST_NEAR = 20
_TRANSFORMER = f"{NodeKind.TRANSFORMER.value}:"


class Look(NamedTuple):
    """What is to be looked at: meters of one feeder, and the transformers they may hang on."""

    day: int
    meters: tuple[int, ...]  # device indexes, ascending
    places: tuple[str, ...]  # metered transformers near by


class Wires:
    """Looks for wrong wires.

    Args:
        recall: what days left behind.
        roster: which meter hangs where.
        policies: when a difference counts.
        alarms: what was told of wrong transformers.
    """

    def __init__(
        self,
        recall: RecallsMemos,
        roster: Roster,
        policies: EnergyPolicies,
        alarms: Callable[[], WireAlarms],
    ) -> None:
        self._recall, self._roster = recall, roster
        self._policies, self._alarms = policies, alarms

    def looks(self, day: int) -> list[Look]:
        """Return what is to be looked at once a day is balanced."""
        at_ms = noon_ms(self._policies, day)
        metered = metering(self._roster, at_ms)
        places = [place for place in metered.places if place.startswith(_TRANSFORMER)]
        above = {place: self._above(place, metered, at_ms) for place in places}
        looks = []
        for feeder, substation in sorted(set(above.values())):
            here = {place for place in places if above[place] == (feeder, substation)}
            near = tuple(sorted(p for p in places if above[p][1] == substation))
            near = near if len(near) <= MOST_NEAR else tuple(sorted(here))
            meters = sorted(k for k, place in metered.counts_at.items() if place in here)
            if len(near) > 1 and meters:
                looks.append(Look(day, tuple(meters), near))
        return looks

    def do(self, look: Look, now_ms: int) -> list[Alarm]:
        """Return the alarms of one look."""
        policy = self._policies.loss_at(now_ms)
        meters, places = np.array(look.meters, np.int64), list(look.places)
        metered = metering(self._roster, noon_ms(self._policies, look.day))
        days = range(look.day - policy.wiring.days + 1, look.day + 1)
        registered = metered.rows(meters, places)[1]
        pull = self._pull(days, meters, places, registered, policy)
        seen = self._seen(days, meters, self._heads(metered, places), registered, policy)
        found = judged(pull, seen, registered, policy)
        names = [self._roster.name(index) for index in look.meters]
        start_ms = self._policies.calendar.start_ms
        known = self._recall.memos(DOMAIN, BALANCE, days[0], look.day + 1)
        first = min((one.number for one in known), default=look.day)
        span = start_ms(first), start_ms(look.day) + DAY_MS
        return self._alarms().update(names, places, found, span, now_ms)

    def _above(self, place: str, metered: Metering, at_ms: int) -> tuple[str, str]:
        """Return the feeder and the substation of a transformer, empty where not known."""
        head = next(index for index, own in metered.measures.items() if own == place)
        standing = self._roster.standing(head, at_ms)
        kinds = (NodeKind.FEEDER, NodeKind.SUBSTATION)
        nodes = [standing.parent(kind) if standing is not None else None for kind in kinds]
        feeder, substation = ("" if node is None else node.id for node in nodes)
        return feeder, substation or feeder

    def _heads(self, metered: Metering, places: Sequence[str]) -> IntArray:
        """Return the meter of each place."""
        head_of = {place: index for index, place in sorted(metered.measures.items(), reverse=True)}
        return np.array([head_of[place] for place in places], np.int64)

    def _pull(
        self,
        days: range,
        meters: IntArray,
        places: Sequence[str],
        registered: IntArray,
        policy: loss.LossPolicy,
    ) -> loss.Pull:
        """Return what energies say."""
        kept = self._recall.memos(DOMAIN, BALANCE, days[0], days[-1] + 1)
        if not kept:
            return loss.Pull([], np.full(len(meters), -np.inf), np.zeros(len(meters)))
        whole = joined([unpack_balance(one.data, places) for one in kept])
        shown = [placed(self._recall, self._roster, one.number, meters) for one in kept]
        energy = np.nan_to_num(np.concatenate([one.energy_wh for one in shown], axis=1))
        return loss.moves(whole.in_wh, whole.loss_wh, energy, registered, policy)

    def _seen(
        self,
        days: range,
        meters: IntArray,
        heads: IntArray,
        registered: IntArray,
        policy: loss.LossPolicy,
    ) -> loss.Verdict:
        """Return what voltages say."""
        tallies = []
        for day in days:
            head_v = volts_of(self._recall, self._roster, day, heads).volts.transpose(1, 0, 2)
            own = volts_of(self._recall, self._roster, day, meters)
            refs = loss.references(head_v)
            tallies.append(loss.tally(own.volts[0], own.power_w, head_v, refs))
        return loss.verdict(loss.joined(tallies), registered, policy)


def judged(
    pull: loss.Pull, seen: loss.Verdict, registered: IntArray, policy: loss.LossPolicy
) -> list[Found]:
    """Return what is known of each meter: where it hangs, and what says so."""
    wrong = {move.meter: move for move in pull.moves}
    enough = policy.wiring.min_gain_nats
    found = []
    for row, here in enumerate(registered.tolist()):
        move = wrong.get(row)
        says = (float(seen.correlation[row]), float(seen.registered[row]))
        is_mute = pull.weight[row] < enough
        is_at_home = not is_mute and pull.leaves[row] <= -enough
        if move is not None:
            found.append(Found(row, move.best, here, move.gain, *says))
        elif seen.is_wrong[row] and is_mute:
            found.append(Found(row, int(seen.best[row]), here, 0.0, *says))
        elif is_at_home or (is_mute and seen.best[row] == here):
            found.append(Found(row, here, here, float(-pull.leaves[row]), *says))
    return found
