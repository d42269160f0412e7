"""The device id of a foreign device: what its topic or payload calls it, made a valid id.

``tele/sonoff_4ch/SENSOR`` is sent by ``sonoff-4ch``. A part of a device that has readings of its
own (a circuit, a probe) is a device of its own, too: ``sonoff-4ch-ds18b20-1``. What an id cannot
carry (letters of other scripts, more than its length) is told apart by six digits of a hash, so
that ``küche`` and ``kuche`` stay two devices. A registry entry that lists topics gives its devices
another name (``Directory.foreign``).
"""

import hashlib
import re

_PLAIN = re.compile(r"[ -~]*\Z")
_NOT_IN_ID = re.compile(r"[^a-z0-9]")
_MAX_CHARS = 40  # leaves room for the name of a part within the 64 of an id
_MIN_CHARS = 2
_MARK_CHARS = 6
MAX_ID_CHARS = 64  # of a device id, parts and all


def slug(*parts: str) -> str:
    """Return names joined to a valid device id.

    Character by character, so that ``a_b`` and ``a__b`` stay two devices.
    """
    return _made("-".join(parts), _MIN_CHARS)


def part_slug(name: str, room: int = MAX_ID_CHARS) -> str:
    """Return the name of a part, to follow the id of its device, in ``room`` or six characters."""
    made = _made(name, 1)
    return made if len(made) <= room else _marked(made, name, max(room - 1 - _MARK_CHARS, 0))


def _made(text: str, min_chars: int) -> str:
    made = _NOT_IN_ID.sub("-", text.lower()).lstrip("-")
    if _PLAIN.match(text) and min_chars <= len(made) <= _MAX_CHARS:
        return made
    return _marked(made, text, _MAX_CHARS)


def _marked(made: str, text: str, chars: int) -> str:
    mark = hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=_MARK_CHARS // 2)
    return f"{made[:chars]}-{mark.hexdigest()}".lstrip("-")
