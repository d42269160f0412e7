"""What a node asks the gateway: which of the rows that were sent have arrived (see uplink.py)."""

RESEND_MS = 5000
LONGEST_MS = 300_000
SETTLE_MS = 1000  # a receipt that was under way when we asked does not know of everything
PATIENCE = 4  # questions, with growing pauses: 5 + 10 + 20 + 40 + 80 s
OPEN, AGAIN, SETTLED = 0, 1, 2  # what ``review`` says


class Question:
    """One at a time. Times are uptime in ms.

    Attributes:
        is_open: what was sent is not to be sent again before the answer.
        may_probe: nobody has answered: one block may go all the same.
    """

    def __init__(self) -> None:
        self.is_open = self.may_probe = False
        self._missing: "list[tuple[int, int]]" = []
        self._asked_ms = self._answered_ms = -1
        self._rtt_ms = self._failures = 0
        self._timed: "tuple[int, int] | None" = None  # a row that was sent, and when

    def ask(self, is_needed: bool) -> None:
        """Begin; ``asked`` says when the question is out."""
        self.is_open = is_needed
        self.may_probe = False
        self._missing = []
        self._asked_ms = self._answered_ms = -1

    def asked(self, now_ms: int) -> None:
        """Note that the server has taken the question."""
        self._asked_ms = now_ms

    def forgive(self) -> None:
        """Note progress, or a new connection: wait no longer than at first."""
        self._failures = 0

    def sent(self, after: int, now_ms: int) -> None:
        """Note that the rows below ``after`` are sent, to time a receipt."""
        if self._timed is None:
            self._timed = after, now_ms

    def receipt(self, done: int, missing: object, is_retained: int, now_ms: int) -> None:
        """Take in a receipt for the rows below ``done``; a retained one is no answer."""
        if self._timed and done >= self._timed[0]:
            took_ms = now_ms - self._timed[1]
            self._rtt_ms = (3 * self._rtt_ms + took_ms) // 4 if self._rtt_ms else took_ms
            self._timed = None
        if self.is_open and not is_retained and self._asked_ms >= 0:
            self._missing = _ranges(missing)
            if self._answered_ms < 0:
                self._answered_ms = now_ms

    def wait_ms(self) -> int:
        """Return how long a receipt may take."""
        return min(LONGEST_MS, max(RESEND_MS, 4 * self._rtt_ms) << min(self._failures, 6))

    def fail(self) -> None:
        """Note that a receipt did not come in time."""
        self._failures += 1

    def review(self, now_ms: int, is_new: bool) -> int:
        """Look how the open question stands: OPEN, to be asked AGAIN, or SETTLED just now.

        Of a new log there may be nothing to answer with; of another one a gateway that starts, or
        waits behind a broker, answers as soon as it can: one that lost its data is the exception.
        """
        if self._answered_ms >= 0:
            if now_ms - self._answered_ms < SETTLE_MS:
                return OPEN
            self.is_open = False
            return SETTLED
        if self._asked_ms < 0 or now_ms - self._asked_ms < self.wait_ms():
            return OPEN
        self.fail()
        self._asked_ms = now_ms
        self.may_probe = is_new or self._failures > PATIENCE
        return AGAIN

    def wants(self, first: int, last: int) -> bool:
        """Return whether the answer leaves any of these rows to be sent again."""
        for start, end in self._missing:
            if first <= end and last >= start:
                return True
        return not self._missing


def _ranges(missing: object) -> "list[tuple[int, int]]":
    """Return what a receipt names as missing; nothing, where it is not as it should be."""
    ranges = []
    for item in missing if isinstance(missing, list) else []:
        if not isinstance(item, list) or len(item) != 2:
            return []
        if type(item[0]) is not int or type(item[1]) is not int:
            return []
        ranges.append((item[0], item[1]))
    return ranges
