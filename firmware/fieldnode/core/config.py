"""The configuration of a node: what there is, its ranges and defaults, how it is changed.

A document is a flat JSON object. Desired configuration (lane k) changes keys one by one: what is
wrong is refused with its reason and reported, the rest holds; a node never stops for a typo.
"""

import json

VERSION = 1
INT, TEXT, NAME, CHOICE, SECRET, INTS, MAP = 1, 2, 3, 4, 5, 6, 7
SECTORS = ("energy", "transport", "water", "env", "urban")
# No node starts with a profile that it does not know: nobody could reach it any more.
PROFILES = ("em1", "em3", "dtm", "pq3", "tl1", "pv1", "etc1", "wim1", "env1", "wtr1")

# key: (kind, default, lowest or shortest, highest or longest); a choice has its words instead.
SCHEMA = {
    "version": (INT, VERSION, VERSION, VERSION),
    "org": (NAME, "", 2, 64),  # docs/protocol.md §1
    "device": (NAME, "", 2, 64),
    "sector": (CHOICE, "energy", SECTORS, ()),
    "profile": (CHOICE, "em1", PROFILES, ()),
    "host": (TEXT, "", 0, 253),  # a DNS name has at most 253 characters (RFC 1035)
    "port": (INT, 8883, 1, 65535),
    "tls": (CHOICE, "cert", ("cert", "psk", "none"), ()),  # none: loopback and closed networks
    "user": (TEXT, "", 0, 64),
    "password": (SECRET, "", 0, 128),  # no default secret: empty means none
    "claim": (SECRET, "", 0, 128),  # one-time (core/claim.py)
    "psk": (SECRET, "", 0, 128),  # hex
    "keepalive_s": (INT, 60, 5, 3600),
    "sample_ms": (INT, 1000, 20, 3_600_000),
    "report_s": (INT, 900, 1, 86_400),
    "heartbeat_s": (INT, 900, 10, 86_400),
    "commit_s": (INT, 10, 1, 900),  # an open block is stored after this long
    "deadbands": (INTS, [], 0, 1 << 31),  # one for each column, scaled units; 0: no reason to send
    "window": (INT, 8, 1, 8),  # PUBLISHes under way
    "backlog_per_s": (INT, 4, 0, 100),  # blocks; 0: no limit. Live rows always go first
    "backlog_wait_s": (INT, 30, 0, 300),  # it starts anywhere in here after a reconnect
    "retry_max_s": (INT, 300, 1, 3600),  # longest wait between two attempts to connect
    "ntp": (TEXT, "", 0, 253),  # servers, commas between them; empty: time stays the board's
    "driver": (TEXT, "", 0, 16),  # fieldnode/drivers
    "input": (TEXT, "", 0, 64),  # ports of the board, commas between several
    "options": (MAP, {}, 0, 0),  # of the driver
    "driver_secret": (SECRET, "", 0, 128),  # of tags (drivers/etc.py) or of the meter (dlms.py)
}
# Who a node is and how it is secured is not changed from afar.
FIXED = ("version", "org", "device", "sector", "tls")


def defaults() -> "dict[str, object]":
    """Return a configuration with all defaults."""
    return {key: SCHEMA[key][1] for key in SCHEMA}


def why_wrong(key: str, value: object) -> str:
    """Return what is wrong with a value, "" where nothing is."""
    if key not in SCHEMA:
        return "unknown"
    kind, _, low, high = SCHEMA[key]
    if kind == CHOICE:
        return "" if value in low else "none of " + " ".join(low)  # type: ignore[operator, arg-type]
    if kind == INT:
        return _why_wrong_int(value, low, high)
    if kind in {INTS, MAP}:
        return _why_wrong_many(kind, value, low, high)
    return _why_wrong_text(value, low, high, kind == NAME)


def _why_wrong_many(kind: int, value: object, low: object, high: object) -> str:
    wanted = list if kind == INTS else dict
    if not isinstance(value, wanted) or len(value) > 19:  # columns: pq3 has the most
        return "no " + ("list" if kind == INTS else "object") + " of at most 19"
    reasons = [_why_wrong_int(item, low, high) for item in value] if kind == INTS else []
    return max(reasons) if reasons else ""


def _why_wrong_int(value: object, low: object, high: object) -> str:
    if type(value) is not int:
        return "no integer"
    return "" if low <= value <= high else "not in " + str(low) + "…" + str(high)  # type: ignore[operator]


def _why_wrong_text(value: object, low: object, high: object, is_name: bool) -> str:
    if not isinstance(value, str):
        return "no text"
    if not low <= len(value.encode()) <= high:  # type: ignore[operator]
        return "not " + str(low) + "…" + str(high) + " bytes long"
    for index, char in enumerate(value):
        is_plain = "a" <= char <= "z" or "0" <= char <= "9" or (char == "-" and index)
        if (is_name and not is_plain) or ord(char) < 32:
            return "has a character that may not be in it"
    return ""


def apply(
    current: "dict[str, object]", desired: "dict[str, object]"
) -> "tuple[dict[str, object], dict[str, str]]":
    """Return the new configuration, and for each key that was refused the reason."""
    new = dict(current)
    refused = {}
    for key in desired:
        reason = why_wrong(key, desired[key])
        if not reason and key in FIXED and desired[key] != current[key]:
            reason = "fixed"
        if reason:
            refused[key] = reason
        else:
            new[key] = desired[key]
    return new, refused


def load(text: str) -> "dict[str, object]":
    """Return the stored configuration, with defaults for what is missing.

    Raises:
        ValueError: it is no JSON object, or a value is wrong; names the key, never the value.
    """
    document = json.loads(text)
    config = defaults()
    config.update(migrate(document) if isinstance(document, dict) else {"": 0})
    for key in config:
        reason = why_wrong(key, config[key])
        if reason:
            raise ValueError("configuration: " + key + ": " + reason)
    return config


def migrate(document: "dict[str, object]") -> "dict[str, object]":
    """Return a document of another version as one of this version.

    A newer one is what firmware finds that was rolled back: what it does not know is left out,
    what it does not allow falls back to the default. An older one there is not yet.
    """
    version = document.get("version", VERSION)
    if type(version) is not int or version <= VERSION:
        return document
    new = {key: document[key] for key in document if not why_wrong(key, document[key])}
    new["version"] = VERSION
    return new


def reported(config: "dict[str, object]") -> "dict[str, object]":
    """Return the configuration as the node reports it: of a secret only whether it is set."""
    shown: "dict[str, object]" = {}
    for key in config:
        value = config[key]
        shown[key] = bool(value) if SCHEMA[key][0] == SECRET else value
    return shown
