"""Attacks of who has valid credentials, stolen or his own: replay, fuzz, false values and times."""

import json
import random
from collections.abc import Mapping

from simulators.attacks.client import Client
from simulators.attacks.frame import Means
from simulators.attacks.readings import believable, forged

MINUTE_MS, DAY_MS = 60_000, 86_400_000
# Against [validation] as it is shipped: 5 min ahead and 60 days back are the limits, 2 min and
# an hour what is stored and marked.
FAR_MS = (10 * MINUTE_MS, 365 * DAY_MS, -90 * DAY_MS, -3650 * DAY_MS)
NEAR_MS = (3 * MINUTE_MS, -2 * DAY_MS, -3 * 60 * MINUTE_MS)
_DEPTH = 20_000
_LISTEN_SHARE = 0.5


async def replay(means: Means) -> Mapping[str, float]:
    """Listen to what victims send for half of the time, then send it all again, byte for byte."""
    order = means.order
    spy = await means.enter_as_spy()
    for victim in order.victims:
        await spy.subscribe(order.topic(victim, "t"))
    async for _ in means.tries(_LISTEN_SHARE):
        pass
    captured = [(topic, payload) for topic, payload in spy.heard if payload]
    await spy.close()
    client = await means.enter()
    sent = 0
    if captured:
        async for number in means.tries(1 - _LISTEN_SHARE):
            sent += await client.publish(*captured[number % len(captured)])
    is_taken = await client.wait_acknowledged(sent)
    taken, again = client.acknowledged, min(sent, len(captured))
    await client.close()
    rows = sum(len(json.loads(captured[k % len(captured)][1])["r"]) for k in range(sent))
    figures = {"captured": len(captured), "messages": sent, "readings": rows}
    return figures | {"acknowledged": taken, "different": again, "all_taken": int(is_taken)}


async def fuzz(means: Means) -> Mapping[str, float]:
    """Send payloads that no decoder should take, each of them different."""
    order = means.order
    client: Client | None = None
    sent = acknowledged = lost = 0
    async for number in means.tries():
        if client is None or not client.is_open:
            if client is not None:
                acknowledged, lost = acknowledged + client.acknowledged, lost + 1
                await client.close()
            client = await means.enter()
        payload = mutated(means.chance, number)
        sent += await client.publish(order.topic(order.identity, "t"), payload)
    if client is not None:
        await client.wait_acknowledged(sent - acknowledged)
        acknowledged += client.acknowledged
        await client.close()
    return {"messages": sent, "acknowledged": acknowledged, "cut_off": lost}


def mutated(chance: random.Random, number: int) -> bytes:
    """Return a payload that is certainly wrong; ``number`` makes it one of its kind."""
    good = forged(number, 1_795_300_200_000, believable(number))
    mark = b"%d.%d" % (number, chance.getrandbits(32))
    cut = chance.randrange(10, len(good) - 1)
    place = good.index(b'"r":[[0,') + len(b'"r":[[0,')
    kinds = (
        lambda: good[:cut] + b"\x00" + mark + good[cut:],
        lambda: good[:cut] + mark,
        lambda: good[:place] + b"NaN," + good[place:] + mark,
        lambda: good[:place] + b"9" * 400 + mark[:4].replace(b".", b"1") + good[place:],
        lambda: good.replace(b'"p":', b'"p":"em1","p":') + b" " * (number % 97),
        lambda: good.replace(b'"em1"', b'"em1\\n,host=%s"' % mark),
        lambda: b"[" * _DEPTH + mark,
        lambda: b'{"a":' * _DEPTH + mark,
        lambda: b"\x10" + chance.randbytes(60) + mark,
        lambda: b"\xbf" + chance.randbytes(40) + mark + b"\x1c",
        lambda: good.replace(b'"t":', b'"t":-'),
        lambda: b"\xef\xbb\xbf" + mark + chance.randbytes(30),
        lambda: good.replace(b'"n":', b'"n":1e') + b" " * (number % 89),
        lambda: b'"' + mark + b"x" * chance.randrange(10_000) + b'"',
    )
    return kinds[number % len(kinds)]()


async def inject(means: Means) -> Mapping[str, float]:
    """Send false values in a victim's name: impossible ones, and ones that steal energy."""
    client = await means.enter()
    impossible = stealing = 0
    hidden_wh = 0
    async for number in means.tries():
        topic = means.order.topic(means.order.identity, "t")
        values = believable(number)
        if number % 2:
            impossible += 1
            column = number // 2 % 3 + 2  # power, voltage, current: beyond any limit of em1
            values[column] = [None, None, 31_000, 4_001, 12_001][column]
        elif number:
            stealing += 1
            drop_wh = 1000 + means.chance.randrange(1000)
            hidden_wh += drop_wh
            values[0] = 2_000_000 - hidden_wh  # a register that runs backwards
        await client.publish(topic, forged(number + 1, means.clock(), values))
    await client.wait_acknowledged(impossible + stealing + 1)
    taken = client.acknowledged
    await client.close()
    figures = {"messages": impossible + stealing + 1, "acknowledged": taken}
    return figures | {"impossible": impossible, "backwards": stealing, "hidden_wh": hidden_wh}


async def jump(means: Means) -> Mapping[str, float]:
    """Send readings from the future and from long ago."""
    client = await means.enter()
    far = near = 0
    async for number in means.tries():
        topic = means.order.topic(means.order.identity, "t")
        is_far = number % 2 == 0
        offsets_ms = FAR_MS if is_far else NEAR_MS
        time_ms = means.clock() + offsets_ms[number // 2 % len(offsets_ms)]
        far, near = far + is_far, near + (not is_far)
        await client.publish(topic, forged(number + 1, time_ms, believable(number)))
    await client.wait_acknowledged(far + near)
    taken = client.acknowledged
    await client.close()
    return {"messages": far + near, "acknowledged": taken, "far": far, "near": near}
