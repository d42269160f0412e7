"""Networks as devices know them: how late, how narrow, how forgetful.

One way from a device to the gateway and back is described by ``Conditions``; the proxy keeps to
them. Loss is a stall, since MQTT runs over TCP: a lost segment is late and holds up all behind it.
"""

import random
from dataclasses import dataclass

SEGMENT_BYTES = 1448  # TCP payload of an Ethernet frame with time stamps
SHORTEST_RTO_S = 0.2  # of Linux (TCP_RTO_MIN); RFC 6298 would have one second
LONGEST_STALL_S = 10.0
_BITS = 8


@dataclass(frozen=True)
class Conditions:
    """One direction of a connection; both have the same."""

    delay_s: float = 0.0
    jitter_s: float = 0.0  # standard deviation; order is kept
    loss: float = 0.0  # share of segments
    bytes_per_s: float = 0.0  # 0 = without limit
    rebind_s: float = 0.0  # mean life of a NAT mapping; 0 = for ever

    def stall_s(self, size: int, chance: random.Random) -> float:
        """Return how long the retransmissions of a piece of this size hold it up."""
        if not self.loss:
            return 0.0
        timeout_s, stall_s = max(SHORTEST_RTO_S, 4 * self.delay_s), 0.0
        for _ in range(-(-size // SEGMENT_BYTES)):
            wait_s = timeout_s
            while chance.random() < self.loss and stall_s < LONGEST_STALL_S:
                stall_s += wait_s
                wait_s *= 2  # RFC 6298 §5.5
        return min(stall_s, LONGEST_STALL_S)

    def way_s(self, chance: random.Random) -> float:
        """Return how long a piece is on its way, without waiting for those before it."""
        if not self.jitter_s:
            return self.delay_s
        return max(0.0, chance.gauss(self.delay_s, self.jitter_s))


def _mobile(rtt_ms: float, jitter_ms: float, loss: float, bits_per_s: float) -> Conditions:
    return Conditions(rtt_ms / 2000, jitter_ms / 1000, loss, bits_per_s / _BITS)


# Round-trip time, jitter, loss and the narrower direction. 4G, 3G and EDGE: what the testing
# service Loadero emulates (wiki.loadero.com, "Network conditions"). 5G: a content network sees
# its mobile clients at 20 ms or more, but for the best 5 % (arXiv:2507.18834). Carriers drop the
# mapping of an idle TCP connection after minutes, some below five, and tell neither end (Wang et
# al., "An Untold Story of Middleboxes in Cellular Networks", SIGCOMM 2011): ``nat`` has that
# shortened to half a minute, busy or not, so that a test of a minute sees it.
PROFILES = {
    "lan": Conditions(),
    "5g": _mobile(20, 3, 0.001, 50e6),
    "4g": _mobile(45, 10, 0.002, 50e6),
    "3g": _mobile(250, 50, 0.005, 1.2e6),
    "edge": _mobile(650, 100, 0.01, 200e3),
    "nat": Conditions(0.0225, 0.01, 0.002, 50e6 / _BITS, 30.0),
    "poor": Conditions(0.15, 0.05, 0.03, 500e3 / _BITS, 20.0),
}
