"""``backfill``: what is stored to one database, for a sink that was added late or away too long.

Goes beside a running gateway, since a line written twice is one point. Device by device, so that
a run that was stopped goes on with ``--after`` the last device it named; what was found comes
after the last of them.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from gateway.cli.common import Commands, add_command, add_config, settings_of, time_ms
from gateway.config import Settings
from gateway.config.sections import SinkSection
from gateway.errors import ConfigError, SinkDeniedError, SinkRefusedError, SinkUnavailableError
from gateway.model import ReadingBatch
from gateway.ports import DeviceRow, Sink
from gateway.roles import files, now_ms, telling
from gateway.sinks import open_sink
from gateway.sinks.derived import Writer
from gateway.sinks.derived.stored import stored_points
from gateway.sinks.readings import ReadingEncoder, canary_line
from gateway.sinks.salvage import RefusedLine, keep_refused, write_around
from gateway.sinks.status import SinkTooLargeError
from gateway.store import StoreReader
from gateway.store.rolled import SPANS_MS, shown_profiles

PAGE = 20_000  # readings at once: 3 MB of lines
TRIES = 7  # with pauses of 1, 2, 4 … s between them: a minute, then a person should look
DAY_MS = 86_400_000

Page = tuple[ReadingBatch, str | None]


class Span(NamedTuple):
    """Which readings."""

    first_ms: int
    last_ms: int  # not included
    after: str  # devices in the order of their names, those behind this one


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = add_command(
        commands, "backfill", _backfill, "Send stored readings to a sink that does not have them."
    )
    parser.add_argument("sink", help="its name in the configuration")
    parser.add_argument("--from", dest="first", metavar="TIME", help="default: the oldest")
    parser.add_argument("--to", dest="last", metavar="TIME", help="default: the newest")
    parser.add_argument("--after", default="", metavar="DEVICE", help="go on behind this device")
    add_config(parser)


def _backfill(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    section = next((one for one in settings.sink if one.name == options.sink), None)
    if section is None:
        raise ConfigError(f"{options.config}: there is no sink {options.sink!r}")
    first_ms = time_ms(options.first) if options.first else 0
    last_ms = time_ms(options.last) if options.last else now_ms() + DAY_MS
    work = Backfill(settings, section)
    asyncio.run(work.run(Span(first_ms, last_ms, options.after)))
    print(f"{section.name}: {work.sent} lines sent, {work.refused} refused")
    return 0 if work.refused == 0 else 1


class Backfill:
    """One run over the store."""

    def __init__(self, settings: Settings, section: SinkSection) -> None:
        self.sent = self.refused = 0
        self._section = section
        self._refused_folder = settings.gateway.data_dir / "quarantine"
        self._profiles = files.load_all_profiles(settings)
        self._store = StoreReader(settings.gateway.data_dir, self._profiles)
        self._devices = {row.device_index: row for row in self._store.devices()}
        profiles = {**self._profiles, **shown_profiles(self._profiles)}
        self._encoder = ReadingEncoder(profiles, self._name_of)
        self._writer = Writer()
        self._asked = telling.ask(settings, self._profiles, now_ms)
        self._sink: Sink = open_sink(section, now_ms)

    async def run(self, span: Span) -> None:
        """Send everything in the span.

        Raises:
            SinkUnavailableError, SinkDeniedError: the database will not have it.
        """
        try:
            await self._sink.connect()
            names = sorted(self._devices.values(), key=lambda row: row.device)
            for row in names:
                if row.device > span.after:
                    await self._send_device(row, span)
                    print(f"\r{row.device}: {self.sent} lines ", end="", file=sys.stderr)
            await self._send_derived(span)
        finally:
            print(file=sys.stderr)
            await self._sink.close()

    async def _send_device(self, row: DeviceRow, span: Span) -> None:
        store, place = self._store, (row.device_index, span.first_ms, span.last_ms, PAGE)
        for profile in self._profiles.values():
            if profile.sector == row.sector:
                asks = [partial(store.readings, profile.name, *place)]
                asks += [partial(store.rollups, profile.name, each, *place) for each in SPANS_MS]
                for ask in asks:
                    await self._send_pages(ask)

    async def _send_derived(self, span: Span) -> None:
        asked, pending = self._asked, list[bytes]()
        stored = asked.stored()
        last_ms = min(span.last_ms, now_ms())
        for points in stored_points(stored, asked.halves, span.first_ms, last_ms):
            pending += self._writer.lines(points)
            if len(pending) >= PAGE:
                await self._send(pending)
                pending = []
                print(f"\rfindings: {self.sent} lines ", end="", file=sys.stderr)
        await self._send(pending)

    async def _send_pages(self, ask: Callable[[str | None], Page]) -> None:
        batch, after = ask(None)
        await self._send(self._encoder.encode(batch).lines)
        while after is not None:
            batch, after = ask(after)
            await self._send(self._encoder.encode(batch).lines)

    async def _send(self, lines: Sequence[bytes]) -> None:
        size = self._section.batch
        for first in range(0, len(lines), size):
            await self._send_batch(lines[first : first + size])

    async def _send_batch(self, lines: Sequence[bytes]) -> None:
        for attempt in range(TRIES):
            try:
                refused = await write_around(self._sink.write, lines, self._probe)
            except SinkUnavailableError as error:
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(max(2.0**attempt, error.retry_after_s or 0.0))
            except SinkTooLargeError:
                for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
                    await self._send_batch(half)
                return
            else:
                self._count(len(lines), refused)
                return

    def _count(self, lines: int, refused: Sequence[RefusedLine]) -> None:
        if refused:
            keep_refused(self._refused_folder, self._section.name, refused)
        self.refused += len(refused)
        self.sent += lines - len(refused)

    async def _probe(self) -> None:
        try:
            await self._sink.write([canary_line(self._section.name, 1, now_ms())])
        except SinkRefusedError as error:
            raise SinkDeniedError(f"refuses even a known good point: {error}") from error

    def _name_of(self, device_index: int) -> tuple[str, str, str]:
        row = self._devices[device_index]
        return row.org, row.sector, row.device
