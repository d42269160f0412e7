"""Commands to devices that follow from advice or an alarm, given in two steps.

Somebody proposes one, with the reason that the gateway itself has; it is shown, and only a
confirmation within minutes sends it. Every step is a line of ``orders.jsonl``, written before the
step is done: a command that may have been sent is never without its line.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from gateway.errors import GatewayError
from gateway.store.audit import append

FILE_NAME = "orders.jsonl"
Step = Literal["proposed", "confirmed", "replied", "unanswered"]


class OrderLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of one order."""

    id: str
    step: Step
    who: str
    when_ms: int
    device: str
    request: dict[str, object]
    place: str  # whose advice or alarm it follows
    because: str  # that advice or alarm, in its own words
    why: str  # in the words of who proposed it
    reply: dict[str, object] | None = None


class Orders:
    """The file of a data directory.

    Args:
        data_dir: where it is.
        confirm_within_ms: how long a proposal waits.
    """

    def __init__(self, data_dir: Path, confirm_within_ms: int) -> None:
        self._file, self._within_ms = data_dir / FILE_NAME, confirm_within_ms

    def lines(self) -> list[OrderLine]:
        """Return all steps in the order they were done; what cannot be read is passed over."""
        if not self._file.exists():
            return []
        found = []
        for raw in self._file.read_bytes().splitlines():
            try:
                found.append(msgspec.json.decode(raw, type=OrderLine))
            except msgspec.DecodeError:
                continue  # torn: the step that it tells of was never begun
        return found

    def note(self, line: OrderLine) -> None:
        """Write a step down.

        Raises:
            OSError: it is not on disk.
            ValueError: it is too long.
        """
        append(self._file, line)

    def confirm(self, order: str, who: str, now_ms: int) -> OrderLine:
        """Write down that a proposal is confirmed, and return it; then it may be sent, once.

        Raises:
            GatewayError: there is none, it was too long ago, or it is confirmed already.
        """
        steps = [line for line in self.lines() if line.id == order]
        if not steps:
            raise GatewayError(f"nobody proposed {order!r}")
        proposed = steps[0]
        if len(steps) > 1:
            raise GatewayError(f"{order} is {steps[-1].step} already")
        if now_ms - proposed.when_ms > self._within_ms:
            raise GatewayError(f"{order} was proposed too long ago: propose it again")
        confirmed = msgspec.structs.replace(proposed, step="confirmed", who=who, when_ms=now_ms)
        self.note(confirmed)
        return confirmed


def reason_of(advice: Sequence[str], alarms: Sequence[str]) -> str | None:
    """Return what speaks for an order at a place: the newest advice, else an alarm that lasts."""
    for body in reversed(advice):
        told = json.loads(body).get("advice") or []
        if told:
            return msgspec.json.encode(told[0]).decode()
    return alarms[-1] if alarms else None
