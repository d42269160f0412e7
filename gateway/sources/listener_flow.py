"""How fast one connection may send."""


class Bucket:
    """A token bucket that may be overdrawn by what one read brought, and is then waited for."""

    __slots__ = ("_at_s", "_tokens")

    def __init__(self) -> None:
        self._tokens = 0.0
        self._at_s = 0.0

    def spend(self, count: int, now_s: float, rate: float) -> float:
        """Take ``count`` tokens of ``rate`` a second; return how long to stop reading, 0 mostly.

        A second's worth may be saved up, so a device can empty its backlog after a reconnect.
        """
        tokens = min(rate, self._tokens + (now_s - self._at_s) * rate) - count
        self._tokens = tokens
        self._at_s = now_s
        return -tokens / rate if tokens < 0 else 0.0
