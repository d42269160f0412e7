"""Who asks: the guard of the API finds out, endpoints and pages of the board go by it."""

from collections.abc import Mapping
from typing import NamedTuple

SIGN_IN = "/sign-in"  # where a browser becomes somebody
SIGN_OUT = "/sign-out"
VISITOR = "infragate.visitor"  # key of an ASGI scope
ANYBODY = "local"  # the name of whoever reaches a loopback address without any token


class Visitor(NamedTuple):
    """Who asks."""

    name: str  # "" of who may look only
    is_operator: bool  # may acknowledge alarms and open maintenance windows


def visitor_of(scope: Mapping[str, object]) -> Visitor:
    """Return who sent a request, from its ASGI scope."""
    found = scope.get(VISITOR)
    return found if isinstance(found, Visitor) else Visitor("", is_operator=False)
