"""What a node does when it is told to: commands (lane c) and desired configuration (lane k).

Entered for each of them and left again (rooms.py).
"""

import json

from fieldnode import rooms
from fieldnode.core.schema import schema_of
from fieldnode.core.uplink import DESIRED

if False:  # for the type checker
    from typing import Any

    from fieldnode.app import Node

    Document = dict[str, Any]

# keys that take effect by a soft reset
RESTART = ("profile", "driver", "input", "options", "driver_secret")
KEPT_BYTES = 2048  # what a board keeps under a key (hal/base.py): of more it reads nothing again
RECONNECT = ("keepalive_s", "window", "retry_max_s")


def reply_to(node: "Node", kind: bytes, payload: bytes) -> bytes:
    """Do what the server wants and return the answer for lane r."""
    try:
        document = dict(json.loads(payload))
        reply = _desired(node, document) if kind == DESIRED else _command(node, document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reply = {"ok": 0, "error": str(error)}
    return json.dumps(reply).encode()


def _command(node: "Node", document: "Document") -> "Document":
    name = document["do"].partition("/")[0]  # ota/begin: ota
    if name == "ping":
        return _ping(node)
    if name == "sync":
        node.sync_now()
    elif name == "reset":
        node.reset_soon(bool(document.get("hard")))
    elif name in node.commands:
        return node.commands[name](document)
    else:
        return {"ok": 0, "error": "unknown"}
    return {"ok": 1}


def _ping(node: "Node") -> "Document":
    return {
        "ok": 1,
        "up_s": node.uptime_ms() // 1000,
        "clock": node.clock.quality(),
        "heap": node.hal.free_heap(),
        "rows": node.recorder.next,
        "done": node.ring.rows.done,
    }


def _desired(node: "Node", document: "Document") -> "Document":
    schema = rooms.enter("core.config")
    moving = rooms.enter("moving")
    rooms.leave("core.config", "moving")
    new, refused = schema.apply(node.config, document)
    if len(new["deadbands"]) > len(schema_of(new["profile"])[1]) and "deadbands" in document:
        refused["deadbands"] = "more than the profile has columns"
    if why := _why_no_key(new["psk"]):
        refused["psk"] = why
    for key in moving.refused(node.hal, node.config, new):
        refused[key] = "no connection with it"
    new.update({key: node.config[key] for key in refused if key in new})
    changed = [key for key in new if new[key] != node.config[key]]
    if changed:
        _store(node, new, moving.begin if _has(changed, moving.KEYS) else None)
    if _has(changed, moving.KEYS + RESTART):
        node.reset_soon(False)
    elif _has(changed, RECONNECT):
        node.connector.drop("configuration")
    return {"ok": 1, "refused": refused, "config": schema.reported(new)}


def _why_no_key(psk: str) -> str:
    try:
        bytes.fromhex(psk)
    except ValueError:
        return "not hexadecimal"
    return ""


def _has(changed: "list[str]", keys: "tuple[str, ...]") -> bool:
    return bool([key for key in changed if key in keys])


def _store(node: "Node", new: "Document", begin: "Any") -> None:
    text = json.dumps(new).encode()
    if len(text) > KEPT_BYTES:
        raise ValueError("configuration: longer than a board keeps")
    if begin:  # first: a cut in between leaves the old address, and a trial of nothing
        begin(node.hal, node.config, new)
    node.hal.kv_put("config", text)
    node.config.update(new)
    node.configure()
