"""Who asks: the guard of the API finds out, endpoints and pages of the board go by it."""

from collections.abc import Mapping
from typing import NamedTuple

SIGN_IN = "/sign-in"  # where a browser becomes somebody
SIGN_OUT = "/sign-out"
VISITOR = "infragate.visitor"  # key of an ASGI scope
ASK_AGAIN = "infragate.ask-again"  # and of what finds out anew who has the same cookie or token
ANYBODY = "local"  # the name of whoever reaches a loopback address without any token


class Visitor(NamedTuple):
    """Who asks."""

    name: str  # "" of who may look only
    is_operator: bool  # may acknowledge alarms and open maintenance windows


def visitor_of(scope: Mapping[str, object]) -> Visitor:
    """Return who sent a request, from its ASGI scope."""
    found = scope.get(VISITOR)
    return found if isinstance(found, Visitor) else Visitor("", is_operator=False)


def visitor_now(scope: Mapping[str, object]) -> Visitor | None:
    """Return who that is by now, None once he may not even look.

    A page or a stream lives for days; whom it was opened for may be removed meanwhile.
    """
    ask = scope.get(ASK_AGAIN)
    if not callable(ask):
        return visitor_of(scope)
    found = ask()
    return found if isinstance(found, Visitor) else None


def is_still(scope: Mapping[str, object]) -> bool:
    """Return whether who sent a request is still the same and may do the same."""
    return visitor_now(scope) == visitor_of(scope)
