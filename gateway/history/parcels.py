"""A history as the messages that a device would have sent: native rows on the backlog lane."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.history import Found, Row, Series
from gateway.history.against import CORRECTIONS_LOG
from gateway.model import Lane
from gateway.profiles import Profiles
from gateway.topics import topic_of

ROWS = 1000  # of a message: 60 KB, below the 64 KiB from which rows are counted before read


class Parcel(NamedTuple):
    """One message to be journalled."""

    topic: str
    payload: bytes
    received_ms: int  # 0: when it is imported
    readings: int  # rows in it; 1 for a captured message, whose rows nobody has counted


def parcels_of(
    series: Sequence[Series], found: Found, org: str, profiles: Profiles
) -> Iterator[Parcel]:
    """Yield the messages of a file, in the order of its series."""
    for one in series:
        profile = profiles[one.profile]
        topic = topic_of(org, profile.sector, one.device, Lane.BACKLOG)
        for first in range(0, len(one.rows), ROWS):
            rows = one.rows[first : first + ROWS]
            yield Parcel(topic, _payload(one.profile, rows, {}), 0, len(rows))
    for raw in found.raw:
        yield Parcel(raw.topic, raw.payload, raw.received_ms, 1)


def corrections_of(
    one: Series, org: str, profiles: Profiles, number: Callable[[str, int], int]
) -> Iterator[Parcel]:
    """Yield the messages of corrections, numbered so that each is a reading of its own."""
    topic = topic_of(org, profiles[one.profile].sector, one.device, Lane.BACKLOG)
    for first in range(0, len(one.rows), ROWS):
        rows = one.rows[first : first + ROWS]
        numbered = {"log": CORRECTIONS_LOG, "n": number(one.device, len(rows))}
        yield Parcel(topic, _payload(one.profile, rows, numbered), 0, len(rows))


def _payload(profile: str, rows: Sequence[Row], numbered: Mapping[str, int]) -> bytes:
    base_ms = rows[0].time_ms
    document = {
        "p": profile,
        **numbered,
        "t": base_ms,
        "r": [[row.time_ms - base_ms, *row.values, row.status] for row in rows],
    }
    return json.dumps(document, separators=(",", ":")).encode()
