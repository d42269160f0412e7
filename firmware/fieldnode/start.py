"""Puts a node together on its board: configuration, claim, updates."""

import gc
import json

from fieldnode import rooms
from fieldnode.app import Node
from fieldnode.core.health import CRASH
from fieldnode.hal import tasks

if False:  # for the type checker
    from typing import Any

    from fieldnode.core.ota import Update
    from fieldnode.core.trial import Trial
    from fieldnode.hal.base import Hal, Slots

TICK_MS = 1000


def configured(hal: "Hal", defaults: "dict[str, Any]") -> "dict[str, Any]":
    """Return the configuration: what was stored goes before what the board's image says."""
    stored = hal.kv_get("config")
    document = dict(defaults)
    document.update(json.loads(stored) if stored else {})
    config: "dict[str, Any]" = rooms.enter("core.config").load(json.dumps(document))
    rooms.leave("core.config")
    return config


def updating(hal: "Hal", boot: "Slots", board: str) -> "Update":
    """Return the node's side of updates; without a key in its memory it refuses them all."""
    room = rooms.enter("core.ota")
    key = hal.kv_get("ota_key") or b""
    update: "Update" = room.Update(boot, (hal.kv_get, hal.kv_put), key, board)
    return update


async def run(hal: "Hal", boot: "Slots | None", built: "Any") -> None:
    """Run the node for ever.

    Args:
        hal: the board.
        boot: what has chosen the slot; None where an operating system brings the updates.
        built: fieldnode/built.py of the image.
    """
    config = configured(hal, built.CONFIG)
    if hasattr(gc, "threshold"):
        gc.threshold(-1)
    if boot is None:
        await Node(hal, config).run()
        return
    updates: "list[Update]" = []  # one, from the first command on until the reset

    def ota(document: "dict[str, Any]") -> "dict[str, Any]":
        if not updates:
            updates.append(updating(hal, boot, built.BOARD))
        update = updates[0]
        reply = update.command(document["do"].partition("/")[2], document)
        if update.is_done:
            node.reset_soon(True)
        return reply

    node = Node(hal, config, None, {"ota": ota})
    node.is_safe = node.is_safe or boot.is_safe
    watching = tasks.create_task(_watch(node, boot))
    try:
        await node.run()
    finally:
        watching.cancel()


async def _watch(node: Node, boot: "Slots") -> None:
    trial: "Trial" = rooms.enter("core.trial").Trial(boot)
    rooms.leave("core.trial")  # it goes with this task
    while not trial.is_over:
        await node.hal.sleep_ms(TICK_MS)
        if trial.tick(node.uptime_ms(), node.health.get("receipts") > 0):
            node.hal.log("no receipt in the trial of an update: reset")
            node.reset(True)


def serve(hal: "Hal", boot: "Slots | None", built: "Any") -> None:
    """Run the node; what ends it is noted, so that the next boot knows of a crash."""
    try:
        tasks.run(run(hal, boot, built))
    except Exception as error:
        hal.log("crashed: " + repr(error))
        hal.kv_put("ota_crash", bytes([CRASH]))
        hal.reset(True)
