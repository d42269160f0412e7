"""When an event has arrived: a row that was first sent after it is receipted.

A PUBACK says less: a broker that is killed forgets what it has taken. But messages of a connection
keep their order, so a receipt for a later row vouches for every event before it. Until then the
event is repeated on each new connection; the gateway knows it again by its number.
"""


class Vouch:
    """The events of a connection.

    Attributes:
        last: number of the last event that was sent on it.
    """

    def __init__(self) -> None:
        self.seek(-1)

    def seek(self, last: int) -> None:
        """Begin anew: events after ``last`` are to be sent."""
        self.last = last
        self._event = self._row = -1

    def sent(self, number: int, row: int) -> None:
        """Note that an event went out when the rows below ``row`` had been sent at some time."""
        self.last = number
        if self._event < 0 or row == self._row:
            self._event, self._row = number, row

    def receipt(self, done: int, row: int) -> int:
        """Return up to which event all have arrived, -1: nothing new.

        ``done``: the rows below are receipted; ``row``: as for ``sent``, now.
        """
        number = self._event
        if number < 0 or done <= self._row:
            return -1
        self._event = -1
        if self.last > number:
            self._event, self._row = self.last, row
        return number
