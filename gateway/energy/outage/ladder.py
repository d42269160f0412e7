"""How far up the tree a fault lies: from groups to alarms."""

from collections import defaultdict
from collections.abc import Sequence
from math import ceil

import numpy as np

from gateway.energy.outage.facts import Role, Topology
from gateway.energy.outage.groups import Alarm, Cause, Group, Level, begin_of, gather, group
from gateway.energy.outage.life import Episode, Sign
from gateway.energy.outage.policy import OutagePolicy
from gateway.model import BoolArray

_PHASE, _GASP = int(Sign.PHASE), int(Sign.GASP)


class Ladder:
    """Climbs from groups to alarms.

    Args:
        topology: of all devices.
        policy: shares and windows.
        episodes: all of them, to know who could have shown an outage.
        now_ms: who was not back by now may yet be.
    """

    def __init__(
        self, topology: Topology, policy: OutagePolicy, episodes: Sequence[Episode], now_ms: int
    ) -> None:
        self._topology, self._policy, self._now_ms = topology, policy, now_ms
        self._window_ms = policy.window_s * 1000
        self._row = np.array([e.row for e in episodes], np.int64)
        self._high_ms = np.array([e.high_ms for e in episodes], np.int64)
        self._end_ms = np.array([e.end_ms for e in episodes], np.int64)
        self._speaks = topology.role != int(Role.CABINET)  # it is asked, and told of by others
        customers = (topology.role == int(Role.CUSTOMER)) & (topology.transformer >= 0)
        self._customers = np.bincount(
            topology.transformer[customers], minlength=len(topology.feeder_of)
        )

    def power(self, groups: Sequence[Group], parent: str = "") -> list[Alarm]:
        """Return the outages that these groups are."""
        alarms: list[Alarm] = []
        rest = list(groups)
        for level in (Level.SUBSTATION, Level.FEEDER, Level.TRANSFORMER, Level.SERVICE):
            rest = self._take(level, rest, alarms, parent)
        return alarms

    def comms(self, episodes: Sequence[Episode], groups: Sequence[Group]) -> list[Alarm]:
        """Return the lost links: of uplinks, then of single devices."""
        score = {e: g for g in groups for e in g.episodes}
        by_uplink: defaultdict[int, list[Episode]] = defaultdict(list)
        for episode in episodes:
            by_uplink[int(self._topology.uplink[episode.row])].append(episode)
        alarms = []
        for uplink, here in sorted(by_uplink.items()):
            for together in gather(here, self._window_ms):
                begin_ms = begin_of(together)
                whole = self._available(self._speaks & (self._topology.uplink == uplink), begin_ms)
                if uplink >= 0 and self._is_most(len(together), whole):
                    why = score[together[0]]
                    made = (Cause.COMMS, Level.UPLINK, uplink, together, whole, why, "")
                    alarms += self._made(*made)
                    continue
                for one in together:
                    made = (Cause.COMMS, Level.SERVICE, one.row, [one], 1, score[one], "")
                    alarms += self._made(*made)
        return alarms

    def is_feeder_out(self, groups: Sequence[Group], begin_ms: int) -> bool:
        """Return whether these groups of one feeder make it dark at that time."""
        near = [g for g in groups if abs(g.begin_ms - begin_ms) <= self._window_ms]
        return bool(near) and self._is_level(Level.FEEDER, near)

    def _take(
        self, level: Level, groups: list[Group], alarms: list[Alarm], parent: str
    ) -> list[Group]:
        """Move the groups that make an outage of this level into ``alarms``; return the others."""
        nodes: defaultdict[int, list[Group]] = defaultdict(list)
        for one in groups:
            nodes[self._node(level, one)].append(one)
        rest = []
        for node, here in sorted(nodes.items()):
            for near in self._near(here):
                if level is Level.SERVICE:
                    alarms += self._services(near, parent)
                elif node >= 0 and self._is_level(level, near):
                    alarms += self._outage(level, node, near, parent)
                else:
                    rest += near
        return rest

    def _near(self, groups: list[Group]) -> list[list[Group]]:
        found: list[list[Group]] = []
        for one in sorted(groups, key=lambda g: (g.begin_ms, g.transformer)):
            if not found or one.begin_ms - found[-1][0].begin_ms > self._window_ms:
                found.append([])
            found[-1].append(one)
        return found

    def _node(self, level: Level, group: Group) -> int:
        feeder = -1 if group.transformer < 0 else int(self._topology.feeder_of[group.transformer])
        if level is Level.FEEDER:
            return feeder
        if level is Level.SUBSTATION:
            return -1 if feeder < 0 else int(self._topology.substation_of[feeder])
        return group.transformer

    def _is_level(self, level: Level, groups: list[Group]) -> bool:
        if level is Level.TRANSFORMER:
            return self._is_transformer(groups)
        below = Level(level - 1)
        dark, begin_ms = set(), groups[0].begin_ms
        for child in {self._node(below, one) for one in groups}:
            here = [g for g in groups if self._node(below, g) == child]
            if self._is_level(below, here) and any(map(self._is_dark, here)):
                dark.add(child)
        node = self._node(level, groups[0])
        return self._is_most(len(dark), self._children(level, node, begin_ms))

    def _children(self, level: Level, node: int, begin_ms: int) -> int:
        """Return how many transformers or feeders below a node could have shown an outage."""
        topology = self._topology
        able = np.zeros(len(topology.feeder_of), np.bool_)
        devices = self._is_able(begin_ms) & (topology.transformer >= 0)
        able[topology.transformer[devices]] = True
        if level is Level.FEEDER:
            return int(np.count_nonzero(able & (topology.feeder_of == node)))
        feeders = np.unique(topology.feeder_of[able])
        return int(np.count_nonzero(topology.substation_of[feeders] == node))

    def _is_transformer(self, groups: list[Group]) -> bool:
        """Return whether two customers or more, or its own meter, say so."""
        rows = {e.row for one in groups for e in one.episodes}
        role = self._topology.role[list(rows)]
        words = {e.row for one in groups for e in one.episodes if e.has_word}
        instruments = [r for r in words if self._topology.role[r] == int(Role.INSTRUMENT)]
        many = np.count_nonzero(role == int(Role.CUSTOMER)) >= self._policy.min_members
        return bool(many) or bool(instruments)

    def _is_dark(self, group: Group) -> bool:
        """Return whether the fault may lie above the transformer: all of it, or a phase."""
        return self._has_phase(group) or not self._is_partial(group)

    def _has_phase(self, group: Group) -> bool:
        return any(e.signs & _PHASE and not e.signs & _GASP for e in group.episodes)

    def _is_partial(self, group: Group) -> bool:
        """Return whether some of the transformer's customers still have power."""
        if self._has_phase(group):
            return True  # a three-phase device lives on the phases that are left
        customers = self._topology.role == int(Role.CUSTOMER)
        out = sum(bool(customers[e.row]) for e in group.episodes)
        whole = customers & (self._topology.transformer == group.transformer)
        return out < self._policy.min_share * self._available(whole, group.begin_ms)

    def _services(self, groups: list[Group], parent: str) -> list[Alarm]:
        made: list[Alarm] = []
        for one in groups:
            for episode in one.episodes:
                name = (Cause.POWER, Level.SERVICE, episode.row)
                made += self._made(*name, [episode], 1, one, parent)
        return made

    def _outage(self, level: Level, node: int, groups: list[Group], parent: str) -> list[Alarm]:
        episodes = [e for one in groups for e in one.episodes]
        whole = self._topology.transformer == node
        if level is not Level.TRANSFORMER:
            feeder = np.append(self._topology.feeder_of, -1)[self._topology.transformer]
            whole = feeder == node
            if level is Level.SUBSTATION:
                whole = np.append(self._topology.substation_of, -1)[feeder] == node
        available = self._available(whole, groups[0].begin_ms)
        partial = sum(self._is_partial(one) for one in groups) * 2 > len(groups)
        strongest = max(groups, key=lambda one: one.score)
        name = (Cause.POWER, level, node)
        return self._made(*name, episodes, available, strongest, parent, is_partial=partial)

    def _made(  # noqa: PLR0913, PLR0917  # the parts of an alarm
        self,
        cause: Cause,
        level: Level,
        node: int,
        episodes: list[Episode],
        available: int,
        why: Group,
        parent: str,
        *,
        is_partial: bool = False,
    ) -> list[Alarm]:
        """Return the alarm, and those of the devices that its end leaves behind."""
        ends = sorted(e.end_ms for e in episodes)
        end_ms = ends[ceil(self._policy.restored_share * len(ends)) - 1]
        begin_ms = begin_of(episodes)
        name = f"{cause}-{level.name.lower()}-{node}-{begin_ms}"
        rows = tuple(sorted({e.row for e in episodes}))
        about = (begin_ms, end_ms, is_partial, rows, available, why.score, why.evidence, parent)
        alarms = [Alarm(name, cause, level, node, *about)]
        patience_ms = end_ms + self._window_ms  # everybody's connection takes a while
        left = [e for e in episodes if e.end_ms > patience_ms]
        if left and cause is Cause.POWER and self._now_ms > patience_ms:
            groups = group(left, self._topology, self._window_ms)
            alarms += self.power([g._replace(evidence=why.evidence) for g in groups], name)
        return alarms

    def _is_able(self, begin_ms: int) -> BoolArray:
        """Return who was not silent already."""
        able = np.ones(len(self._topology.role), np.bool_)
        was_out = (self._high_ms < begin_ms - self._window_ms) & (self._end_ms > begin_ms)
        able[self._row[was_out]] = False
        return able

    def _available(self, whole: BoolArray, begin_ms: int) -> int:
        """Return how many of these devices were not silent already."""
        return int(np.count_nonzero(whole & self._is_able(begin_ms)))

    def _is_most(self, count: int, of: int) -> bool:
        return count >= self._policy.min_members and count >= self._policy.min_share * of
