"""Forged readings of a meter, right in form."""

import json
from collections.abc import Sequence

from simulators.attacks.frame import LOG


def forged(
    seq: int, time_ms: int, values: Sequence[int | float | None], *, log: int = LOG
) -> bytes:
    """Return a message of one ``em1`` row."""
    body = {"p": "em1", "log": log, "b": 1, "n": seq, "t": time_ms, "r": [[0, *values, 0]]}
    return json.dumps(body, separators=(",", ":")).encode()


def believable(seq: int) -> list[int | float | None]:
    """Return values that a meter might well have."""
    return [2_000_000 + seq, 0, 400 + seq % 50, 2300, 183, 950]
