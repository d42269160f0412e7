"""Topic patterns of mapping files: ``tele/{device}/SENSOR``, ``{device}/status/switch:{part}``."""

import re
from collections.abc import Callable
from typing import NamedTuple

_TOKEN = re.compile(r"\{(device|part|key)(#?)(?:=([^{}]+))?\}|(\*)|(#)\Z")


class Named(NamedTuple):
    """What a topic says."""

    device: str
    part: str
    key: str


def compile_topic(pattern: str) -> Callable[[str], Named | None]:
    """Return the function that finds the names in a topic, None where it does not match.

    Raises:
        ValueError: the pattern cannot be used.
    """
    pieces = []
    at = 0
    for token in _TOKEN.finditer(pattern):
        pieces.append(re.escape(pattern[at : token.start()]))
        at = token.end()
        name, is_rest, choice, _, is_tail = token.groups()
        if name is not None and choice:
            words = "|".join(re.escape(word).replace(r"\*", "[^/]*") for word in choice.split("|"))
            pieces.append(f"(?P<{name}>{words})")
        elif name is not None:
            pieces.append(f"(?P<{name}>.+?)" if is_rest else f"(?P<{name}>[^/]+?)")
        else:
            pieces.append(".*" if is_tail else "[^/]*")
    pieces.append(re.escape(pattern[at:]))
    if "{" in pattern[at:]:
        raise ValueError(f"{pattern!r} has a brace that is not {{device}}, {{part}} or {{key}}")
    try:
        match = re.compile("".join(pieces) + r"\Z", re.DOTALL).match
    except re.error as error:
        raise ValueError(f"{pattern!r}: {error}") from error

    def names(topic: str) -> Named | None:
        found = match(topic)
        if found is None:
            return None
        groups = found.groupdict(default="")
        return Named(groups.get("device", ""), groups.get("part", ""), groups.get("key", ""))

    return names
