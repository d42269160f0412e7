"""Attacks of who has no right: flood, spoofed identity, topic probing, credential stuffing."""

import asyncio
from collections.abc import Mapping

from simulators import wire
from simulators.attacks.client import Client, RefusedError, open_client
from simulators.attacks.frame import LOG, Means
from simulators.attacks.readings import believable, forged

BURST = 500  # messages of a flood between two looks at the clock
_PROBED_LANES = ("a", "c/reboot", "k", "t", "s")
_PROBED_FILTERS = ("#", "$SYS/#", "+/+/+/+/+/+", "tg/1/#", "$share/x/tg/1/#", "tg/+/+/+/+/c/#")
# What people choose (the head of every published list), what devices leave the factory with, and
# what follows from a device's name.
_USUAL = ("123456", "password", "admin", "12345678", "qwerty", "root", "mqtt", "changeme", "")


async def flood(means: Means) -> Mapping[str, float]:
    """Publish valid readings of one device as fast as the server reads them."""
    order, loop = means.order, asyncio.get_running_loop()
    client = await means.enter()
    began_s, sent = loop.time(), 0
    topic = wire.text(order.topic(order.identity, "t"))
    try:
        while client.is_open and (passed_s := loop.time() - began_s) < order.seconds:
            data = bytearray()
            for _ in range(BURST):
                sent += 1
                payload = forged(sent, means.clock() + sent % BURST, believable(sent))
                data += wire.packet(0x30, topic + payload)  # QoS 0: nobody has to answer
            await client.send(bytes(data))
        passed_s = max(loop.time() - began_s, 1e-9)
    finally:
        await client.close()
    return {"messages": sent, "messages_per_s": round(sent / passed_s)}


async def spoof(means: Means) -> Mapping[str, float]:
    """Publish on the topics of others in one's own name."""
    client: Client | None = None
    sent = cut_off = acknowledged = 0
    async for number in means.tries():
        if client is None or not client.is_open:
            if client is not None:
                cut_off += 1
                acknowledged += client.acknowledged
                await client.close()
            client = await means.enter()
        topic = means.order.topic(means.victim(number), "t")
        payload = forged(number + 1, means.clock(), believable(number))
        wanted = client.acknowledged + 1
        sent += await client.publish(topic, payload)
        await client.wait_acknowledged(wanted)  # or it is cut off
    if client is not None:
        acknowledged += client.acknowledged
        cut_off += not client.is_open
        await client.close()
    return {"messages": sent, "acknowledged": acknowledged, "cut_off": cut_off}


async def probe(means: Means) -> Mapping[str, float]:
    """Ask for the topics of others, and forge what only the gateway may say."""
    order = means.order
    asked = granted = heard = forged_down = 0
    receipt = b'{"log":%d,"seq":999999999}' % LOG
    async for number in means.tries():
        client = await means.enter()
        victim = means.victim(number)
        filters = [*_PROBED_FILTERS, *(order.topic(victim, lane) for lane in _PROBED_LANES)]
        topic_filter = filters[number % len(filters)]
        asked += await client.subscribe(topic_filter)
        lane = _PROBED_LANES[number % 3]
        await asyncio.sleep(0.05)  # for what is retained there
        heard += len(client.heard)
        granted += client.granted
        forged_down += await client.publish(order.topic(victim, lane), receipt)
        await client.wait_acknowledged(1)  # or it is cut off
        await client.close()
    return {"asked": asked, "granted": granted, "heard": heard, "forged": forged_down}


async def stuff(means: Means) -> Mapping[str, float]:
    """Try to come in as others, with passwords that people use and that follow from names."""
    attempts = let_in = refused = 0
    async for number in means.tries():
        name = means.victim(number)
        guesses = [*_USUAL, name, name[::-1], f"{name}123", name.upper()]
        guesses.append(f"{means.chance.getrandbits(256):064x}")
        login = wire.Login(name, name, guesses[number % len(guesses)])
        attempts += 1
        try:
            client = await open_client(means.target, login)
        except (RefusedError, OSError):
            refused += 1
        else:
            let_in += 1
            await client.close()
    return {"attempts": attempts, "refused": refused, "let_in": let_in}
