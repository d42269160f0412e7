"""A new address, or a new secret for it, is on trial until there was a connection with it.

Until then a node without a connection takes turns between it and the last good one: what was
mistyped, or a server that is not there yet, must not make a node be visited. A room (rooms.py).
"""

import json

if False:  # for the type checker
    from typing import Any

    from fieldnode.hal.base import Hal

    Document = dict[str, Any]

KEYS = ("host", "port", "user", "password", "psk")
KEPT = "app.moving"  # of a trial {"old", "new"}, after one that failed {"failed"}


def _stored(hal: "Hal") -> "Document":
    text = hal.kv_get(KEPT)
    stored: "Document" = json.loads(text) if text else {}
    return stored


def _store(hal: "Hal", document: "Document") -> None:
    hal.kv_put(KEPT, json.dumps(document).encode() if document else None)


def _address(config: "Document") -> "Document":
    return {key: config[key] for key in KEYS}


def refused(hal: "Hal", config: "Document", new: "Document") -> "list[str]":
    """Return which keys of ``new`` are those of an address that has failed.

    Lane k is retained: the node would be told it again with each connection. Whoever wants it
    tried again says something else in between.
    """
    stored = _stored(hal)
    if "failed" not in stored:
        return []
    if stored["failed"] == _address(new):
        return [key for key in KEYS if new[key] != config[key]]
    _store(hal, {})
    return []


def begin(hal: "Hal", config: "Document", new: "Document") -> None:
    """Note where to go back to; before the new configuration is stored."""
    good = _stored(hal).get("old", _address(config))  # nobody has been reached since
    _store(hal, {"old": good, "new": _address(new)})


def settle(hal: "Hal", config: "Document") -> None:
    """Say that there is a connection: a trial ends."""
    stored = _stored(hal)
    if "old" in stored:
        _store(hal, {} if _address(config) == stored["new"] else {"failed": stored["new"]})


def turn(hal: "Hal", config: "Document") -> bool:
    """Store the other address of a trial for the next start; False where there is none."""
    stored = _stored(hal)
    if "old" not in stored:
        return False
    config.update(stored["old" if _address(config) == stored["new"] else "new"])
    hal.kv_put("config", json.dumps(config).encode())
    return True
