"""Telling Home Assistant of our devices (``[foreign] announce``): a task of the intake."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence

from gateway.ports import DeviceRow, LatestRow, Publisher
from gateway.profiles import Profiles
from gateway.store import StoreReader
from gateway.views.homeassistant import announcements, state

logger = logging.getLogger(__name__)

EVERY_S = 10.0
AGAIN_S = 3600.0  # a broker may have lost what it retained
AT_ONCE = 500  # messages in one turn: a fleet of 10,000 must not crowd out the receipts

Message = tuple[str, bytes]
Ask = Callable[[int], tuple[Sequence[LatestRow], int]]


class Announcer:
    """Knows what was said; ``due`` is what is to be said now."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._known: set[tuple[int, str]] = set()  # bounded by the registry's max_devices

    def forget(self) -> None:
        """Say everything again."""
        self._known.clear()

    def due(self, rows: Sequence[LatestRow], devices: dict[int, DeviceRow]) -> Iterator[Message]:
        """Yield what to retain: the new among the devices, and the newest of all that changed."""
        for latest in rows:
            device, profile = devices.get(latest.device_index), self._profiles.get(latest.profile)
            if device is None or profile is None:
                continue
            if (latest.device_index, latest.profile) not in self._known:
                self._known.add((latest.device_index, latest.profile))
                yield from announcements(device, profile)
            yield state(device, profile, latest)


async def announce(
    reader: StoreReader, profiles: Profiles, publishers: Sequence[Publisher]
) -> None:
    """Announce until cancelled."""
    announcer, token, left_s = Announcer(profiles), 0, AGAIN_S
    while True:
        await asyncio.sleep(EVERY_S)
        left_s -= EVERY_S
        if left_s <= 0:
            announcer.forget()
            token, left_s = 0, AGAIN_S
        try:
            rows, token = reader.changed_since(token)
            devices = {row.device_index: row for row in reader.devices()} if rows else {}
        except sqlite3.Error as error:  # the processor is just making the file
            logger.info("not announced: %s", error)
            continue
        for number, (topic, payload) in enumerate(announcer.due(rows, devices), 1):
            for publisher in publishers:
                publisher.publish(topic, payload, retain=True)
            if number % AT_ONCE == 0:
                await asyncio.sleep(1)
