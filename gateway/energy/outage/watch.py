"""The watch: facts in, changes of alarms out."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.energy.outage.causes import Jury
from gateway.energy.outage.facts import NEVER_MS, Facts, Role, Topology
from gateway.energy.outage.groups import Alarm, Cause, Group, group
from gateway.energy.outage.ladder import Ladder
from gateway.energy.outage.life import Episode, Sign, of_service
from gateway.energy.outage.policy import OutagePolicy
from gateway.energy.outage.reliability import Interruption
from gateway.energy.outage.timeline import Timeline, TimelineState


class Change(NamedTuple):
    """What happened to an alarm."""

    what: str  # raised | updated | cleared | withdrawn (later facts say it never was)
    alarm: Alarm


class WatchState(NamedTuple):
    """What is kept over a restart: plain arrays, numbers and tuples."""

    timeline: TimelineState
    alarms: tuple[Alarm, ...]


class OutageWatch:
    """All alarms of the horizon; what stands is a function of the facts and of ``now``.

    Args:
        topology: rows of devices; a changed one needs a new watch, made with the old state.
        policy: thresholds.
        state: of an earlier one with the same rows.
    """

    def __init__(
        self, topology: Topology, policy: OutagePolicy, state: WatchState | None = None
    ) -> None:
        self._topology, self._policy = topology, policy
        self._timeline = Timeline(topology, policy, state.timeline if state else None)
        self._alarms = state.alarms if state else ()
        # evidence is what is heard, or is not, within two intervals; silence is known an interval
        # later
        interval_ms = int(topology.interval_ms.max(initial=0))
        around_s = policy.skew_s + 2 * policy.window_s + policy.silence_grace_s
        self._reach_ms = 4 * interval_ms + 1000 * (around_s + policy.will_delay_s)
        # time alone may change something then; whoever goes on does not know and looks at once
        self._due_ms = NEVER_MS if state is None else 0
        self._weighed: dict[Group, Group] = {}  # evidence that no new fact can change

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Return the alarms of the horizon, open and over, by beginning."""
        return self._alarms

    def state(self) -> WatchState:
        """Return what to give to the next one."""
        return WatchState(self._timeline.state(), self._alarms)

    def feed(self, now_ms: int, facts: Facts) -> list[Change]:
        """Take facts in, in any order, however late within the horizon.

        Args:
            now_ms: the moment up to which silence is judged; never goes back.
            facts: of any devices; a fact may come twice.
        """
        touched = self._timeline.add(now_ms, facts)
        oldest_ms = int(facts.time_ms.min(initial=now_ms)) - self._reach_ms
        self._weighed = {g: w for g, w in self._weighed.items() if g.begin_ms < oldest_ms}
        if not touched and now_ms < self._due_ms:
            return []
        before = self._alarms
        named = self._with_ids(self._judge(now_ms))
        known = {alarm.id for alarm in before}
        self._alarms = tuple(a for a in named if a.id in known or not self._may_fill(a, now_ms))
        return _changes(before, self._alarms, now_ms - self._policy.horizon_h * 3_600_000)

    def interruptions(self) -> list[Interruption]:
        """Return whose power was gone from when to when, as far as the horizon goes."""
        begins = [a for a in self._alarms if a.cause is Cause.POWER and not a.parent]
        found = []
        for alarm in begins:
            for row in alarm.rows:
                if self._topology.role[row] == int(Role.CUSTOMER):
                    found += self._of(row, alarm)
        return found

    def _of(self, row: int, alarm: Alarm) -> list[Interruption]:
        """Return the interruption of one customer that an alarm speaks of."""
        window_ms = self._policy.window_s * 1000
        for episode in self._served(self._timeline.episodes.get(row, ())):
            low_ms, high_ms = episode.low_ms - window_ms, episode.high_ms + window_ms
            if low_ms <= alarm.begin_ms <= high_ms and not _is_phase_only(episode):
                # a silent meter went dark with its neighbours, within what we know of it
                begin_ms = min(max(alarm.begin_ms, episode.low_ms), episode.high_ms)
                return [Interruption(row, begin_ms, episode.end_ms)]
        return []

    def _judge(self, now_ms: int) -> list[Alarm]:
        topology, policy = self._topology, self._policy
        oldest_ms = now_ms - policy.horizon_h * 3_600_000
        episodes = [
            e for all_of in self._timeline.episodes.values() for e in all_of if e.end_ms > oldest_ms
        ]
        jury = Jury(topology, policy, self._timeline.is_heard, episodes)
        ladder = Ladder(topology, policy, episodes, now_ms)
        ours = self._served(e for e in episodes if topology.role[e.row] != int(Role.CABINET))
        groups = self._with_evidence(group(ours, topology, policy.window_s * 1000), jury, now_ms)
        power, comms = self._parted(groups, ladder)
        alarms = ladder.power(power)
        alarms += ladder.comms([e for g in comms for e in g.episodes], comms)
        due_ms = now_ms - policy.settle_s * 1000
        self._due_ms = self._next_ms(now_ms, alarms)
        shown = [a for a in alarms if a.begin_ms <= due_ms and not self._is_blink(a)]
        return sorted(shown, key=lambda a: (a.begin_ms, a.cause, -a.level, a.node))

    def _served(self, episodes: Iterable[Episode]) -> list[Episode]:
        """Return what of episodes is of meters that were there: a meter taken down is silent."""
        absences, now_ms = self._topology.absences or {}, self._timeline.now_ms
        interval_ms = self._topology.interval_ms
        return [
            part
            for one in episodes
            for part in of_service(
                one, absences.get(one.row, ()), int(interval_ms[one.row]), now_ms
            )
        ]

    def _with_evidence(self, groups: list[Group], jury: Jury, now_ms: int) -> list[Group]:
        """Weigh the groups, those anew that something heard since might change."""
        weighed = {one: self._weighed.get(one) or jury.weigh(one) for one in groups}
        settled_ms = now_ms - self._reach_ms
        self._weighed = {one: w for one, w in weighed.items() if one.begin_ms < settled_ms}
        return list(weighed.values())

    def _next_ms(self, now_ms: int, alarms: Sequence[Alarm]) -> int:
        """Return when to judge again: one falls due, is over for all, or was heard around."""
        settle_ms, window_ms = self._policy.settle_s * 1000, self._policy.window_s * 1000
        interval_ms = int(self._topology.interval_ms.max(initial=0))
        moments = [alarm.begin_ms + settle_ms for alarm in alarms]
        # who is not back by then was left behind
        moments += [one.end_ms + window_ms + 1 for one in alarms if not one.is_open]
        last_ms = max((alarm.begin_ms for alarm in alarms), default=0)
        last_ms += 2 * interval_ms + self._policy.skew_s * 1000
        due_ms = min((moment for moment in moments if moment >= now_ms), default=NEVER_MS)
        return min(due_ms, now_ms + settle_ms) if now_ms <= last_ms else due_ms

    def _may_fill(self, alarm: Alarm, now_ms: int) -> bool:
        """Return whether a silence is just over, and backlog may be about to say what it was.

        Devices that the gateway meets for the first time send what they recorded before: until
        all of it is there, they look as if they had been gone.
        """
        since_ms = now_ms - alarm.end_ms
        return alarm.cause is Cause.COMMS and 0 <= since_ms <= self._policy.window_s * 1000

    def _is_blink(self, alarm: Alarm) -> bool:
        """Return whether a lost link was back before anybody was told."""
        is_short = alarm.end_ms - alarm.begin_ms < self._policy.settle_s * 1000
        return alarm.cause is Cause.COMMS and is_short

    def _parted(self, groups: list[Group], ladder: Ladder) -> tuple[list[Group], list[Group]]:
        """Return the groups that lost power and those that lost their link."""
        power = [g for g in groups if g.score > 0]
        comms: list[Group] = []
        for one in groups:
            if one.score > 0:
                continue
            if self._is_under_dark_feeder(one, power, ladder):
                power.append(one)
                continue
            words = [e for e in one.episodes if e.has_word]
            # a device that speaks of its power lost it, whatever the links around it do
            power += group(words, self._topology, self._policy.window_s * 1000)
            mute = tuple(e for e in one.episodes if not e.has_word)
            comms += [one._replace(episodes=mute)] if mute else []
        return power, comms

    def _is_under_dark_feeder(self, one: Group, power: list[Group], ladder: Ladder) -> bool:
        if one.transformer < 0:
            return False
        feeder = self._topology.feeder_of[one.transformer]
        here = [
            g
            for g in power
            if g.transformer >= 0 and self._topology.feeder_of[g.transformer] == feeder
        ]
        return feeder >= 0 and ladder.is_feeder_out(here, one.begin_ms)

    def _with_ids(self, alarms: list[Alarm]) -> tuple[Alarm, ...]:
        """Return the alarms under the ids they had, as far as they are the same outage."""
        known: dict[tuple[Cause, int, bool], list[Alarm]] = {}
        for old in self._alarms:
            for row in old.rows:
                known.setdefault((old.cause, row, old.parent != ""), []).append(old)
        taken: set[str] = set()
        named = []
        for alarm in alarms:
            same = self._same(alarm, known, taken)
            named.append(alarm if same is None else alarm._replace(id=same))
            taken.add(named[-1].id)
        return tuple(named)

    def _same(
        self, alarm: Alarm, known: dict[tuple[Cause, int, bool], list[Alarm]], taken: set[str]
    ) -> str | None:
        window_ms = 2 * self._policy.window_s * 1000
        for row in alarm.rows:
            for old in known.get((alarm.cause, row, alarm.parent != ""), ()):
                if old.id not in taken and abs(old.begin_ms - alarm.begin_ms) <= window_ms:
                    return old.id
        return None


def _is_phase_only(episode: Episode) -> bool:
    return episode.signs == int(Sign.PHASE)


def _changes(before: Sequence[Alarm], after: Sequence[Alarm], oldest_ms: int) -> list[Change]:
    was, now = {a.id: a for a in before}, {a.id: a for a in after}
    changes = []
    for alarm in after:
        old = was.get(alarm.id)
        if old is None:
            changes.append(Change("raised", alarm))
        if alarm.end_ms != NEVER_MS and (old is None or old.end_ms == NEVER_MS):
            changes.append(Change("cleared", alarm))
        elif old is not None and old != alarm:
            changes.append(Change("updated", alarm))
    # what is older than the horizon is over and has been told; it goes without a word
    gone = (a for a in before if a.id not in now and a.end_ms > oldest_ms)
    return changes + [Change("withdrawn", alarm) for alarm in gone]
