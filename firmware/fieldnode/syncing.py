"""Learns the time: four questions to the servers, the answer with the shortest way counts."""

from fieldnode.core.clock import TICKS_PERIOD_MS
from fieldnode.core.sntp import answer, best_time, request

if False:  # for the type checker
    from fieldnode.core.clock import Clock
    from fieldnode.hal.base import Hal

SAMPLES = 4
WAIT_MS = 1500
PORT = 123


async def sync(hal: "Hal", clock: "Clock", servers: "list[str]") -> "int | None":
    """Set the clock; return 1 where a TIME record is due, 0 where not, None: nobody answered.

    A server is a name, or name:port.
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
    hal.set_unix_ms(clock.tls_ms(now_ms))
    hal.kv_put("app.floor", None)  # the calendar is right from here on, through resets too
    return int(is_step)
