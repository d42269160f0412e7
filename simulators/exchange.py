"""The connections of the load generator: opened, served, lost and opened again."""

import random
import selectors
import socket
import time
from collections.abc import Callable, Sequence

from simulators.channel import Channel
from simulators.dialling import AT_ONCE, Dial, Dialler
from simulators.target import Target

POLL_S = 0.002


class Exchange:
    """One selector, and all channels of a run on it.

    Args:
        channels: to be opened.
        target: where to.
        chance: for pauses before a new try.
        at_once: connections under way at the same time.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        target: Target,
        chance: random.Random,
        at_once: int = AT_ONCE,
    ) -> None:
        self.lost = 0
        self.channels = channels
        self._chance = chance
        self._selector = selectors.DefaultSelector()
        self.dialler = Dialler(target, self._selector, at_once)
        self._away: set[Channel] = set()  # lost, and waiting to dial again

    def connect(self, within_s: float) -> float:
        """Open all channels; return how long that took.

        Raises:
            OSError: not even one, or not all in time.
        """
        began_s = time.perf_counter()
        for channel in self.channels:
            self.dialler.want(channel)
        while not self.dialler.is_idle or self._away:
            took_s = time.perf_counter() - began_s
            is_dead = not self.dialler.latencies_s and self.dialler.last_error is not None
            if took_s > within_s or (is_dead and self.dialler.failed):
                raise self.dialler.last_error or TimeoutError(
                    f"{len(self.dialler.latencies_s)} connections after {took_s:.1f} s"
                )
            self.poll(POLL_S)
        return time.perf_counter() - began_s

    def watch(self, sock: socket.socket, read: Callable[[], None]) -> None:
        """Call ``read`` whenever there is something; OSError from it ends that."""
        self._selector.register(sock, selectors.EVENT_READ, read)

    def flush(self, channel: Channel) -> None:
        """Send what a channel has queued."""
        try:
            channel.flush()
        except OSError:
            self._lose(channel)
        else:
            self._watch(channel)

    def poll(self, timeout_s: float) -> None:
        """Serve what is ready, and dial again where it is time."""
        for key, events in self._selector.select(timeout_s):
            owner = key.data
            if isinstance(owner, Channel):
                self._serve(owner, events)
            elif isinstance(owner, Dial):
                self.dialler.serve(owner, self._postpone)
            else:
                self._read(key.fd, owner)
        if self._away:
            now_s = time.perf_counter()
            for channel in [c for c in self._away if c.retry_at_s <= now_s]:
                self._away.remove(channel)
                self.dialler.want(channel)
        if not self.dialler.is_idle:
            self.dialler.start(self._postpone)

    def _read(self, number: int, read: Callable[[], None]) -> None:
        try:
            read()
        except OSError:
            self._selector.unregister(number)

    def give_up(self, patience_s: float) -> None:
        """End connections on which nobody has answered for so long."""
        now_s = time.perf_counter()
        for channel in self.channels:
            since_s = channel.waits_since_s
            if since_s is not None and now_s - since_s > patience_s:
                self._lose(channel)

    def sums(self) -> tuple[int, int]:
        """Return how many messages were sent, and how many have no PUBACK yet."""
        return sum(c.sent for c in self.channels), sum(c.in_flight for c in self.channels)

    def _serve(self, channel: Channel, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                channel.flush()
                self._watch(channel)
            if events & selectors.EVENT_READ:
                channel.receive()
        except OSError:
            self._lose(channel)

    def _watch(self, channel: Channel) -> None:
        if channel.sock is not None:
            wants = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.is_stuck else 0)
            if self._selector.get_key(channel.sock).events != wants:
                self._selector.modify(channel.sock, wants, channel)

    def _postpone(self, channel: Channel) -> None:
        channel.retry_at_s = time.perf_counter() + self._chance.uniform(0.5, 1.5)
        self._away.add(channel)

    def _lose(self, channel: Channel) -> None:
        self.lost += 1
        if channel.sock is not None:
            self._selector.unregister(channel.sock)
        channel.lose(time.perf_counter() + self._chance.uniform(0.2, 1.0))
        self._away.add(channel)
