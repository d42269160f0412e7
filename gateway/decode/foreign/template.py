"""Templates of names: ``{device}``, ``{part}``, ``{key}``, ``{*}``, ``{path:…}`` filled in."""

import re

from gateway.decode.foreign.topics import Named
from gateway.decode.paths import find, parse_path
from gateway.decode.wire import reject
from gateway.model import QuarantineReason

_SLOT = re.compile(r"\{(device|part|key|\*|path:[^{}]*)\}")


def fill(template: str, named: Named, of: object) -> str:
    """Return a template filled in; ``of`` is the payload, or what stands for ``*``.

    Raises:
        RejectedError: the payload does not name the device.
    """

    def value(slot: re.Match[str]) -> str:
        name = slot[1]
        if name == "*":
            return str(of)
        if not name.startswith("path:"):
            return str(getattr(named, name))
        found = find(of, parse_path(name.removeprefix("path:")))
        if type(found) is not str and type(found) is not int:
            reject(QuarantineReason.IDENTITY, f"no name of the device at {name[5:]}")
        return str(found)

    return _SLOT.sub(value, template)
