"""The exact rules for one log of one device: what is new, what came before, what counts anew.

The vectorised path of ``Ledger`` only handles what is plainly contiguous or plainly repeated;
everything else comes here, one reading after the other.
"""

from dataclasses import dataclass, field

from gateway.ledger.ranges import Range, add, contains, end_of_run, holes
from gateway.model import Reason

# Holes of one epoch. A device that loses every second message would grow the set without end;
# 256 outages are more than the 60 days of backlog a device may bring (4 a day).
MAX_HOLES = 256
# A device that resets in a loop, or sends a constant number, begins an epoch each time. Only
# retransmissions from before the third last reset would no longer be recognised.
MAX_EPOCHS = 4
NO_TIME = -(1 << 62)  # the time of this reading is not believed: older than anything
FIRST_NUMBERS = 1  # devices begin to count at 0 or 1
# A device without clock and without boot counter gives no proof of a restart but the number
# itself; this far behind it is no retransmission of a message in flight (MQTT windows of
# small clients are 1-16 messages).
BLIND_RESET_DISTANCE = 16


@dataclass(slots=True)
class Epoch:
    """One run of counting. ``seen`` holds every number that is in the gateway, or lost for good."""

    number: int
    boot: int
    first: int
    last_time_ms: int = NO_TIME
    seen: list[Range] = field(default_factory=list)

    @property
    def top(self) -> int:
        """Highest number seen, first − 1 where there is none."""
        return self.seen[-1][1] if self.seen else self.first - 1

    @property
    def high_water(self) -> int:
        """Everything from ``first`` up to here is seen."""
        return end_of_run(self.seen, self.first)

    @property
    def is_plain(self) -> bool:
        """Whether ``first`` … ``top`` says it all: nothing missing, nothing below."""
        return not self.seen or (len(self.seen) == 1 and self.seen[0][0] == self.first)

    def missing(self) -> list[Range]:
        """Return the holes between ``first`` and the highest number seen."""
        return list(holes([item for item in self.seen if item[1] >= self.first], self.first))

    def side_ranges(self) -> list[Range]:
        """Return ``seen`` without the run that begins at ``first``: what a StreamRow keeps."""
        sides = []
        for start, end in self.seen:
            if start <= self.first <= end:
                if start < self.first:
                    sides.append((start, self.first - 1))
            else:
                sides.append((start, end))
        return sides

    def take(self, seq: int) -> bool:
        """Mark ``seq`` as seen and return whether it is new."""
        if contains(self.seen, seq):
            return False
        add(self.seen, seq, seq)
        return True

    def give_up(self) -> int:
        """Forget the oldest holes beyond the limit and return how many numbers that gives up."""
        lost = 0
        while len(self.seen) > MAX_HOLES + 1:
            # the oldest hole is the one with the lowest numbers
            lost += add(self.seen, self.seen[0][1] + 1, self.seen[1][0] - 1)
        return lost


@dataclass(slots=True)
class Stream:
    """All epochs of a log that are still remembered, the current one last."""

    epochs: list[Epoch]
    dropped: list[Epoch] = field(default_factory=list)
    given_up: int = 0  # numbers written off by the limit

    @property
    def current(self) -> Epoch:
        """The epoch the device counts in now."""
        return self.epochs[-1]

    def take(self, seq: int, time_ms: int, boot: int, *, is_stamped: bool) -> tuple[bool, int]:
        """Judge one reading: whether it is new, and its reason bits."""
        epoch = self._epoch_of(time_ms, boot, is_stamped=is_stamped)
        if epoch is not self.current:
            return self._fill(epoch, seq, time_ms), 0
        if self._is_reset(seq, time_ms, boot, is_stamped=is_stamped):
            self._begin(seq, time_ms, boot)
            return True, Reason.SEQ_RESET
        bits = Reason.SEQ_GAP if seq > epoch.top + 1 else 0
        is_new = self._fill(epoch, seq, time_ms)
        if is_new and time_ms == epoch.last_time_ms:
            # only what is new and newest shows the present boot; what is repeated would hide
            # the restart that follows it
            epoch.boot = max(epoch.boot, boot) if is_stamped else boot
        return is_new, bits if is_new else 0

    def expect(self, first: int) -> None:
        """Take the device's word for the oldest number it still holds (birth message).

        Lower than what we know: there is more to come. Higher: what is missing below is gone.
        """
        epoch = self.current
        if epoch.seen and first > epoch.first:
            add(epoch.seen, epoch.first, first - 1)
        else:
            epoch.first = first

    def lose(self, first: int, last: int) -> None:
        """Take the device's word that these numbers will never come."""
        add(self.current.seen, first, last)
        self.given_up += self.current.give_up()

    def _fill(self, epoch: Epoch, seq: int, time_ms: int) -> bool:
        is_new = epoch.take(seq)
        epoch.last_time_ms = max(epoch.last_time_ms, time_ms)
        self.given_up += epoch.give_up()
        return is_new

    def _epoch_of(self, time_ms: int, boot: int, *, is_stamped: bool) -> Epoch:
        """Find the epoch a reading was counted in: by its boot, else by its time."""
        for place in range(len(self.epochs) - 1, 0, -1):
            epoch, before = self.epochs[place], self.epochs[place - 1]
            if 0 <= before.boot < epoch.boot and boot >= 0:
                is_older = boot <= before.boot
            else:
                is_older = not is_stamped and NO_TIME < time_ms <= before.last_time_ms
            if not is_older:
                return epoch
        return self.epochs[0]

    def _is_reset(self, seq: int, time_ms: int, boot: int, *, is_stamped: bool) -> bool:
        """Return whether the device began to count anew.

        A number at or below one already seen, with a time newer than everything seen, cannot be
        a retransmission. To be sure it takes a second sign: the boot counter changed, or a
        device without one is back at 0 or 1. Where the gateway stamped the time, being newer
        proves nothing, and only a restart at 0 or 1 counts.
        """
        epoch = self.current
        if seq > epoch.top or not NO_TIME < epoch.last_time_ms < time_ms:
            return False
        restarts = seq <= FIRST_NUMBERS
        if boot >= 0 and epoch.boot >= 0:
            return boot != epoch.boot and (restarts or not is_stamped)
        if is_stamped:
            return restarts and epoch.top - seq >= BLIND_RESET_DISTANCE
        return restarts

    def _begin(self, seq: int, time_ms: int, boot: int) -> None:
        number = self.current.number + 1
        self.epochs.append(Epoch(number, boot, seq, time_ms, [(seq, seq)]))
        self.dropped += self.epochs[:-MAX_EPOCHS]
        del self.epochs[:-MAX_EPOCHS]
