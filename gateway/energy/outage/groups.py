"""Episodes that have one cause, and the alarms made of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import IntEnum, StrEnum
from typing import NamedTuple

from gateway.energy.outage.facts import NEVER_MS, Topology
from gateway.energy.outage.life import Episode


class Level(IntEnum):
    """How far up the fault lies."""

    SERVICE = 0  # one device
    TRANSFORMER = 1
    FEEDER = 2
    SUBSTATION = 3
    UPLINK = 4  # of communications: all that share a concentrator or line


class Cause(StrEnum):
    """What is gone."""

    POWER = "power"
    COMMS = "comms"


class Evidence(NamedTuple):
    """Why we think so."""

    name: str  # as in the policy's weights
    times: int
    weight: float  # nats for power (positive) or communications (negative)


class Group(NamedTuple):
    """Episodes at one transformer that began together."""

    transformer: int  # -1: of one device whose transformer is unknown
    begin_ms: int
    episodes: tuple[Episode, ...]
    evidence: tuple[Evidence, ...] = ()

    @property
    def score(self) -> float:
        """Return the weight of evidence for power, in nats."""
        return sum(one.weight for one in self.evidence)


class Alarm(NamedTuple):
    """What an operator is told; ``id`` stays through updates."""

    id: str
    cause: Cause
    level: Level
    node: int  # row of the device, or number of transformer, feeder, substation, uplink
    begin_ms: int
    end_ms: int  # NEVER_MS while it lasts
    is_partial: bool  # a phase or a line of it, not all
    rows: tuple[int, ...]  # the devices concerned
    available: int  # how many devices could have shown it
    score: float
    evidence: tuple[Evidence, ...]
    parent: str = ""  # the outage whose end left these behind

    @property
    def is_open(self) -> bool:
        """Return whether it lasts."""
        return self.end_ms == NEVER_MS


def group(episodes: Iterable[Episode], topology: Topology, window_ms: int) -> list[Group]:
    """Return the episodes of each transformer by common beginning."""
    by_transformer: defaultdict[int, list[Episode]] = defaultdict(list)
    groups: list[Group] = []
    for episode in episodes:
        transformer = int(topology.transformer[episode.row])
        if transformer < 0:
            groups.append(Group(-1, begin_of((episode,)), (episode,)))
        else:
            by_transformer[transformer].append(episode)
    for transformer, here in sorted(by_transformer.items()):
        parts = gather(here, window_ms)
        groups += [Group(transformer, begin_of(part), tuple(part)) for part in parts]
    return groups


def gather(episodes: Sequence[Episode], window_ms: int) -> list[list[Episode]]:
    """Return episodes that may have begun within ``window_ms`` of each other.

    Those that the device itself timed lead; silent ones, whose beginning
    is only bounded, join the first that fits.
    """
    found: list[tuple[int, list[Episode]]] = []
    exact = sorted((e for e in episodes if e.is_exact), key=lambda e: (e.high_ms, e.row))
    for episode in exact:
        if not found or episode.high_ms - found[-1][0] > window_ms:
            found.append((episode.high_ms, []))
        found[-1][1].append(episode)
    for episode in sorted(
        (e for e in episodes if not e.is_exact), key=lambda e: (e.high_ms, e.row)
    ):
        fits = (
            together
            for begin_ms, together in found
            if episode.low_ms - window_ms <= begin_ms <= episode.high_ms + window_ms
        )
        together = next(fits, None)
        if together is None:
            found.append((episode.high_ms, together := []))
        together.append(episode)
    return [together for _, together in found]


def begin_of(episodes: Sequence[Episode]) -> int:
    """Return when these began, by the device's own word where there is one."""
    exact = [episode.high_ms for episode in episodes if episode.is_exact]
    return min(exact) if exact else min(episode.high_ms for episode in episodes)
