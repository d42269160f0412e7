"""How a node without a secret gets one: it trades a one-time claim for a password it has drawn.

The claim comes over the cable (firmware/tools/provision.py). The node draws a password, stores
it, and shows both in its first CONNECT; from then on the password alone opens the door. When the
power goes in between, nobody knows whether the gateway has taken it, so both are tried in turn.
"""

if False:  # for the type checker
    from collections.abc import Callable
    from typing import Any

    Config = dict[str, Any]

SECRET_BYTES = 32


def draw_secret(random_u32: "Callable[[], int]") -> str:
    """Return 256 random bits in hex."""
    words = [random_u32() for _ in range(SECRET_BYTES // 4)]
    return "".join(["%08x" % word for word in words])


class Login:
    """What to show in a CONNECT.

    Args:
        config: core/config.py; ``password`` and ``claim`` are changed in place.
        save: stores the configuration, and returns only when it is stored.
        random_u32: the board's.
    """

    def __init__(
        self,
        config: "Config",
        save: "Callable[[Config], None]",
        random_u32: "Callable[[], int]",
    ) -> None:
        self._config = config
        self._save = save
        self._shows_claim = True
        if config["claim"] and not config["password"]:
            config["password"] = draw_secret(random_u32)
            save(config)

    def password(self) -> "str | None":
        """Return the password of the next CONNECT; None where there is none."""
        password: str = self._config["password"]
        claim: str = self._config["claim"]
        if claim and self._shows_claim:
            return "claim:" + claim + ":" + password
        return password or None

    def accepted(self) -> None:
        """Note that the server let us in: the claim has done its work."""
        if self._config["claim"]:
            self._config["claim"] = ""
            self._save(self._config)

    def refused(self) -> None:
        """Note that the server did not know us: next time the other way."""
        self._shows_claim = not self._shows_claim
