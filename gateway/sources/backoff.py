"""How long to wait before the next attempt, so that a thousand clients do not come at once."""

import random

FIRST_S, LAST_S = 0.1, 30.0
# A broker that takes us and drops us again at once is not a success that resets the wait.
STABLE_S = 10.0
# … but a broker that restarts again and again is there, so it is asked again soon.
UP_LAST_S = 5.0
# Credentials and permissions are mended by people: asking more often only fills logs and
# trips the broker's own defence against guessing.
REFUSED_FIRST_S, REFUSED_LAST_S = 15.0, 30.0


class Backoff:
    """Full jitter: anywhere between nothing and a bound that doubles (AWS, 2015)."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._bound_s = FIRST_S

    def wait_s(self, lasted_s: float) -> float:
        """Return the wait after a connection that lasted so long, 0 where it never came up."""
        if lasted_s >= STABLE_S:
            self._bound_s = FIRST_S
        elif lasted_s > 0:
            self._bound_s = min(self._bound_s, UP_LAST_S)
        wait_s = self._rng.uniform(0, self._bound_s)
        self._bound_s = min(2 * self._bound_s, LAST_S)
        return wait_s

    def refused_s(self) -> float:
        """Return the wait after the peer said no to who we are."""
        return self._rng.uniform(REFUSED_FIRST_S, REFUSED_LAST_S)
