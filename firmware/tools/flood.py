"""How fast a node publishes: ``run_rom.py IMAGE flood PORT COUNT [CA]``, 400 bytes at QoS 1."""

import time

from fieldnode.core.mqtt import Session
from fieldnode.hal import link, tasks
from fieldnode.hal.material import Tls


async def flood(port, count, ca):
    session = Session("flood")
    wire = await link.connect("localhost", port, Tls(ca=ca) if ca else None)
    await wire.write(session.connect())
    while not session.is_up:
        session.feed(await wire.read(512))
    sent = answered = 0
    payload = bytes(400)
    began_ms = time.ticks_ms()
    while answered < count:
        packet = session.publish(b"tg/1/site/energy/m-1/t", payload, 0) if sent < count else None
        if packet is not None:
            await wire.write(packet)
            sent += 1
        else:
            answered += len(session.feed(await wire.read(512)))
    took_ms = time.ticks_diff(time.ticks_ms(), began_ms)
    goal = "(>= 200)" if ca else "(>= 10000)"
    print("QoS 1", "over TLS:" if ca else "plain:", count * 1000 // took_ms, "messages/s", goal)


def main(arguments):
    ca = b""
    if len(arguments) > 2:
        with open(arguments[2], "rb") as file:
            ca = file.read()
    tasks.run(flood(int(arguments[0]), int(arguments[1]), ca))
