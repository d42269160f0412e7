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
RECONNECT = ("host", "port", "user", "password", "psk", "keepalive_s", "window", "retry_max_s")


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
    rooms.leave("core.config")
    new, refused = schema.apply(node.config, document)
    if len(new["deadbands"]) > len(schema_of(new["profile"])[1]) and "deadbands" in document:
        refused["deadbands"] = "more than the profile has columns"
        new["deadbands"] = node.config["deadbands"]
    if changed := [key for key in new if new[key] != node.config[key]]:
        text = json.dumps(new).encode()
        if len(text) > KEPT_BYTES:
            raise ValueError("configuration: longer than a board keeps")
        node.hal.kv_put("config", text)
        node.config.update(new)
        node.configure()
    if [key for key in changed if key in RESTART]:
        node.reset_soon(False)
    elif [key for key in changed if key in RECONNECT]:
        node.connector.reset()
        node.connector.drop("configuration")
    return {"ok": 1, "refused": refused, "config": schema.reported(new)}
