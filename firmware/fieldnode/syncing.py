"""Learns the time: four questions to the servers, the answer with the shortest way counts."""

from fieldnode.core.clock import TICKS_PERIOD_MS
from fieldnode.core.sntp import answer, request

if False:  # for the type checker
    from fieldnode.core.clock import Clock
    from fieldnode.hal.base import Hal

SAMPLES = 4
WAIT_MS = 1500
_APART_MS = 2 * WAIT_MS
PORT = 123


async def sync(hal: "Hal", clock: "Clock", servers: "list[str]") -> "int | None":
    """Set the clock; return 1 where a TIME record is due, 0 where not.

    None: nobody answered, or with a time before the clock's floor. A server is a name, or
    name:port.
    """
    samples = []
    for number in range(SAMPLES):
        name, _, port = servers[number % len(servers)].partition(":")
        nonce = hal.random_u32().to_bytes(4, "big") + hal.random_u32().to_bytes(4, "big")
        asked_ms = hal.ticks_ms()
        try:
            packet = await hal.exchange_udp(name, int(port or PORT), request(nonce), WAIT_MS)
        except (OSError, ValueError):
            continue
        unix_ms = answer(packet, nonce)
        if unix_ms is not None:
            samples.append((asked_ms, hal.ticks_ms(), unix_ms))
    if not samples:
        return None
    then_ms, unix_ms = best_time(samples)
    now_ms = hal.ticks_ms()
    unix_ms += (now_ms - then_ms) % TICKS_PERIOD_MS
    is_step = clock.set(now_ms, unix_ms, True)
    if is_step is None:
        return None
    hal.set_unix_ms(clock.tls_ms(now_ms))
    hal.kv_put("app.floor", None)  # the calendar is right from here on, through resets too
    return int(is_step)


def best_time(samples: "list[tuple[int, int, int]]") -> "tuple[int, int]":
    """Return ticks and Unix ms of the sample with the shortest round trip.

    A sample is ``(ticks when asked, ticks when answered, server's Unix ms)``; the answer was
    under way for half of the round trip, so the error is at most that. A server that is far from
    the middle one is wrong; of two that differ the later is: a time ahead would become the floor.
    """
    last = samples[-1][1]
    middle = sorted([_at(sample, last) for sample in samples])[(len(samples) - 1) // 2]
    fair = [sample for sample in samples if abs(_at(sample, last) - middle) <= _APART_MS]
    best = min(fair, key=_round_trip)
    return best[1], best[2] + _round_trip(best) // 2


def _at(sample: "tuple[int, int, int]", ticks_ms: int) -> int:
    """Return what Unix time it is at ``ticks_ms``, by a sample from before."""
    return sample[2] + (ticks_ms - sample[1]) % TICKS_PERIOD_MS


def _round_trip(sample: "tuple[int, int, int]") -> int:
    return (sample[1] - sample[0]) % TICKS_PERIOD_MS
