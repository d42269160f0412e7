"""The nodes of a city and their connections: which of their words arrives, and when.

As ``simulators.city.live`` does it over sockets, and as the listener answers: a connection that
dies is noticed one and a half keepalives after its last sign of life, or when the node is back
before that and takes its session over; a last gasp that finds no connection is lost; what was
measured meanwhile comes as backlog.
"""

import heapq
from typing import NamedTuple

from simulators.chance import mix, unit
from simulators.city.city import City
from simulators.city.feed import Feed, Turn
from simulators.city.frame import LAST_GASP, ORG, Event
from simulators.city.nodes import Node, Writers, event_payload
from simulators.link import KEEPALIVE_S

WILL = b'{"st":"lost"}'
_STEP_MS = 3_600_000  # how far the city is stepped at once
_SPREAD_MS = 5_000  # nodes that sample on one grid do not send at one moment: ``fleet``
_FASTEST_MS, _SLOWEST_MS = 100, 2_000  # from a node to the gateway over a radio


class Gap(NamedTuple):
    """Readings of a device that are lost for good."""

    device: str
    from_ms: int
    to_ms: int  # inclusive
    hours: int  # between the readings around it


class Wear(NamedTuple):
    """What is not perfect beside the scenarios."""

    missing: float = 0.0  # share of readings that are never taken
    mute: float = 0.0  # share of last gasps that do not get through, beside those of the city
    gaps: tuple[Gap, ...] = ()


PERFECT = Wear()


class Sent(NamedTuple):
    """A message as it arrives."""

    at_ms: int
    order: int
    topic: bytes
    payload: bytes
    node: int = -1  # of a will: whose


class Network:
    """All nodes.

    Args:
        city: at its begin.
        wear: what goes wrong every day.
        report_ms: how often nodes send; None: each reading by itself.
    """

    def __init__(self, city: City, wear: Wear = PERFECT, report_ms: int | None = None) -> None:
        self._seed, self._wear = city.size.seed, wear
        self._now_ms = city.span.from_ms
        writers = Writers()
        self._nodes = [Node(ORG, row, writers, lambda: self._now_ms) for row in city.devices()]
        self._numbers = {node.name: k for k, node in enumerate(self._nodes)}
        self._gaps: dict[int, list[tuple[int, int]]] = {}
        for gap in wear.gaps:
            span = (gap.from_ms, gap.to_ms)
            self._gaps.setdefault(self._numbers[gap.device], []).append(span)
        fastest_ms = min(row.interval_ms or _STEP_MS for row in city.devices())
        self._report_ms = report_ms or fastest_ms
        self._feed = Feed(city, self._numbers, _STEP_MS)
        self._absent: set[int] = set()
        self._wills: dict[int, int] = {}  # node → when its will comes
        self._wire: list[Sent] = []
        self._order = 0
        for number in range(len(self._nodes)):
            self._come(number, self._now_ms + self._spread_ms(number))

    def until(self, until_ms: int) -> list[Sent]:
        """Let the time pass; return what has arrived, in order."""
        for turn in self._feed.turns(until_ms):
            self._sample_up_to(turn.at_ms)
            self._turn(turn)
        self._sample_up_to(until_ms)
        arrived = []
        while self._wire and self._wire[0].at_ms <= until_ms:
            sent = heapq.heappop(self._wire)
            if sent.node < 0 or self._wills.get(sent.node) == sent.at_ms:
                self._wills.pop(sent.node, None)
                arrived.append(sent)
        return arrived

    def _sample_up_to(self, until_ms: int) -> None:
        """Sample as often as nodes report, and no less often."""
        every_ms = self._report_ms
        while self._now_ms < until_ms:
            self._sample(min(until_ms, self._now_ms - self._now_ms % every_ms + every_ms))

    def _sample(self, until_ms: int) -> None:
        since_ms, self._now_ms = self._now_ms, until_ms
        last_ms: dict[int, int] = {}
        for row in self._feed.rows(until_ms):
            if not self._is_lost(row.node, row.time_ms):
                self._nodes[row.node].take(row.time_ms, row.values, row.status)
                # by the node's clock, which may be wrong by more than this time
                last_ms[row.node] = min(max(row.time_ms, since_ms), until_ms)
        for event in self._feed.events(until_ms):
            self._tell(event)
        for number, at_ms in last_ms.items():
            if number not in self._absent:
                self._flush(number, at_ms + self._spread_ms(number))

    def _is_lost(self, number: int, time_ms: int) -> bool:
        lost = unit(self._seed, 70, number, time_ms) < self._wear.missing
        return lost or any(a <= time_ms <= b for a, b in self._gaps.get(number, ()))

    def _tell(self, event: Event) -> None:
        number = self._numbers[event.device]
        if event.code == LAST_GASP and unit(self._seed, 74, number, event.at_ms) < self._wear.mute:
            return
        if number not in self._absent:
            self._put(event.at_ms + self._delay_ms(number, event.at_ms), number, "e", event)
        elif event.code != LAST_GASP:
            self._nodes[number].tell(event)

    def _turn(self, turn: Turn) -> None:
        number = turn.node
        if turn.is_there:
            self._absent.discard(number)
            if turn.boots:
                self._nodes[number].reboot()
            if number in self._wills:  # its session is taken over: the listener does its will
                self._bequeath(number, turn.at_ms)
            self._come(number, turn.at_ms)
        else:
            self._absent.add(number)
            # idle since up to a keepalive; the listener waits for one and a half of them
            waits = 0.5 + unit(self._seed, 71, number, turn.at_ms)
            self._bequeath(number, turn.at_ms + round(waits * KEEPALIVE_S * 1000))

    def _come(self, number: int, at_ms: int) -> None:
        """Let a node connect: birth, what it had to say, backlog."""
        node = self._nodes[number]
        node.come_up(at_ms)
        self._push(Sent(at_ms + 50, 0, f"{node.prefix}s".encode(), node.birth(at_ms)))
        at_ms += self._delay_ms(number, at_ms)
        while (payload := node.event()) is not None:
            self._push(Sent(at_ms, 0, f"{node.prefix}e".encode(), payload))
        self._flush(number, at_ms)

    def _flush(self, number: int, at_ms: int) -> None:
        """Send what a node has; it is receipted at once."""
        node = self._nodes[number]
        while (payload := node.live(at_ms)) is not None:
            self._push(Sent(at_ms, 0, f"{node.prefix}t".encode(), payload))
        while (payload := node.backlog(at_ms)) is not None:
            self._push(Sent(at_ms, 0, f"{node.prefix}b".encode(), payload))
        node.kept.clear()

    def _put(self, at_ms: int, number: int, lane: str, event: Event) -> None:
        topic = f"{self._nodes[number].prefix}{lane}".encode()
        self._push(Sent(at_ms, 0, topic, event_payload(event)))

    def _bequeath(self, number: int, at_ms: int) -> None:
        self._wills[number] = at_ms
        self._push(Sent(at_ms, 0, f"{self._nodes[number].prefix}s".encode(), WILL, number))

    def _push(self, sent: Sent) -> None:
        self._order += 1
        heapq.heappush(self._wire, sent._replace(order=self._order))

    def _spread_ms(self, number: int) -> int:
        return mix(self._seed, 72, number) % _SPREAD_MS

    def _delay_ms(self, number: int, at_ms: int) -> int:
        return _FASTEST_MS + mix(self._seed, 73, number, at_ms) % (_SLOWEST_MS - _FASTEST_MS)
