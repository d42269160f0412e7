"""Power or communications: the weight of evidence for each group."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from gateway.energy.outage.facts import Role, Topology
from gateway.energy.outage.groups import Evidence, Group
from gateway.energy.outage.life import Episode, Sign
from gateway.energy.outage.policy import OutagePolicy
from gateway.model import BoolArray

_POWERED = 30.0  # a reading taken during the silence settles it


class Jury:
    """Weighs what speaks for power and what for communications.

    Args:
        topology: of all devices.
        policy: the weights.
        is_heard: who took a reading soon after a moment.
        episodes: all of them.
    """

    def __init__(
        self,
        topology: Topology,
        policy: OutagePolicy,
        is_heard: Callable[[int], BoolArray],
        episodes: Sequence[Episode],
    ) -> None:
        self._topology, self._policy = topology, policy
        self._weights = policy.weights.model_dump()
        self._is_heard = is_heard
        self._row = np.array([e.row for e in episodes], np.int64)
        self._low_ms = np.array([e.low_ms for e in episodes], np.int64)
        self._high_ms = np.array([e.high_ms for e in episodes], np.int64)
        self._has_word = np.array([e.has_word for e in episodes], np.bool_)
        self._is_device = topology.role != int(Role.UPLINK)
        self._heads = np.flatnonzero(~self._is_device).tolist()
        self._cabinets: defaultdict[int, list[int]] = defaultdict(list)
        feeder = topology.feeders()
        is_cabinet = topology.role == int(Role.CABINET)
        for row in np.flatnonzero(is_cabinet & (feeder >= 0)).tolist():
            self._cabinets[int(feeder[row])].append(row)

    def weigh(self, group: Group) -> Group:
        """Return the group with its evidence."""
        rows = {episode.row for episode in group.episodes}
        silent, words = self._dark_near(group)
        heard = self._is_heard(group.begin_ms + self._policy.skew_s * 1000) & ~silent
        found = [Evidence("prior", 1, self._weights["prior"])]
        found += self._own(group)
        found += self._links(group, rows, silent & ~words, heard)
        found += self._cabinets_near(group, silent, heard)
        kept = tuple(one for one in found if one.times)
        return group._replace(evidence=kept)

    def _dark_near(self, group: Group) -> tuple[BoolArray, BoolArray]:
        """Return who fell silent about then, and who of them spoke of the power."""
        window_ms = self._policy.window_s * 1000
        near = (self._low_ms - window_ms <= group.begin_ms) & (
            self._high_ms + window_ms >= group.begin_ms
        )
        silent = np.zeros(len(self._topology.role), np.bool_)
        words = silent.copy()
        silent[self._row[near]] = True
        words[self._row[near & self._has_word]] = True
        return silent, words

    def _evidence(self, name: str, count: int) -> Evidence:
        weight, most = self._weights[name] * count, self._weights[f"{name}_max"]
        return Evidence(name, count, min(weight, most) if most > 0 else max(weight, most))

    def _own(self, group: Group) -> list[Evidence]:
        words = sum(episode.has_word for episode in group.episodes)
        mute = sum(not e.has_word and bool(self._topology.can_gasp[e.row]) for e in group.episodes)
        powered = sum(bool(e.signs & Sign.POWERED) for e in group.episodes)
        return [
            self._evidence("power_word", words),
            self._evidence("no_gasp", mute),
            Evidence("powered", powered, -_POWERED if powered else 0.0),
        ]

    def _links(
        self, group: Group, rows: set[int], silent: BoolArray, heard: BoolArray
    ) -> list[Evidence]:
        ways = {int(self._topology.uplink[row]) for row in rows}
        uplinks = sorted(ways - {-1})
        others = np.zeros(len(self._is_device), np.bool_)
        for uplink in uplinks:  # a few: quicker than one look for all
            others |= self._topology.uplink == uplink
        others &= self._is_device
        if group.transformer >= 0:
            others &= self._topology.transformer != group.transformer
        others[list(rows)] = False
        is_many = len(rows) >= self._policy.min_members  # one device may just lose its own link
        lost = sum(
            bool(silent[head]) for head in self._heads if self._topology.uplink[head] in uplinks
        )
        return [
            self._evidence("uplink_silent", int(np.count_nonzero(others & silent))),
            self._evidence("uplink_alive", is_many * int(np.count_nonzero(others & heard))),
            Evidence("uplink_lost", lost, self._weights["uplink_lost"] if lost else 0.0),
            # an instrument with its own modem has another way than the meters at a concentrator
            self._evidence("more_uplinks", max(0, len(ways) - 1)),
        ]

    def _cabinets_near(self, group: Group, silent: BoolArray, heard: BoolArray) -> list[Evidence]:
        if group.transformer < 0:
            return []
        feeder = int(self._topology.feeder_of[group.transformer])
        if feeder not in self._cabinets:
            return []
        rows = np.array(self._cabinets[feeder], np.int64)
        own = rows if self._topology.cabinet is None else self._topology.cabinet[rows]
        _, first, which = np.unique(own, return_index=True, return_inverse=True)
        here = (self._topology.transformer[rows] == group.transformer)[first]
        # eight detectors of a cabinet are one witness: it has power where one of them has
        alive = np.bincount(which, heard[rows]) > 0
        dark = (np.bincount(which, silent[rows]) > 0) & ~alive
        return [
            self._evidence("cabinet_dark", int(np.count_nonzero(dark & here))),
            self._evidence("cabinet_alive", int(np.count_nonzero(alive & here))),
            self._evidence("feeder_cabinet_dark", int(np.count_nonzero(dark & ~here))),
            self._evidence("feeder_cabinet_alive", int(np.count_nonzero(alive & ~here))),
        ]
