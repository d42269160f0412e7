"""The gateway itself: does every reading have its fate, what is behind, what is away."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nicegui import ui

from gateway import __version__
from gateway.board import seen
from gateway.board.account import AccountLine
from gateway.board.frame import Frame
from gateway.board.gateway_cards import PathsCard
from gateway.board.numbers import grouped, size_text, soon_text
from gateway.board.parts.cells import number_text
from gateway.board.parts.figures import Figures
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import Series, chart, lines, put
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.stats import Sample
from gateway.views.health import PROCESSES, Health, SinkHealth

DISK_S = 10.0
HOUR_MS = 3_600_000


class Process(NamedTuple):
    """One process of the gateway."""

    name: str
    is_quiet: bool


class Disk(NamedTuple):
    """The disk that the data is on."""

    free: int
    total: int


class GatewayPage:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        self._account = AccountLine(words, frame.url("/quarantine"))
        keys = dict.fromkeys(("rate_now", "readable_within", "journal_size", "disk_free"), "")
        self._figures = Figures(words, keys)
        with ui.element("div").classes("columns even"):
            with ui.element("section").classes("card"):
                heading(words["flow_hour"])
                self._chart = chart({}, words["flow_hour"])
            with ui.element("div").classes("stack"):
                self._paths = PathsCard(words, frame.hold.sight.settings)
                self._processes = Table(words, self._process_columns(), Looks("processes", "well"))
        self._sinks = Table(words, self._sink_columns(), Looks("sinks", "sinks_none"))
        self._version = ui.label(f"infragate {__version__}").classes("caption")
        ui.link(words["metrics"], "/metrics").classes("export")
        frame.follow(self._refresh)

    async def _refresh(self) -> None:
        frame, sight = self._frame, self._frame.hold.sight
        fleet = await seen.fleet(frame)
        health = await frame.see("health", sight.health)
        samples = await frame.see("samples", sight.samples)
        disk = await frame.see("disk", lambda: disk_of(sight.data_dir), DISK_S)
        self._account.show(fleet.totals)
        self._paths.show(health, sight.flow.soon_s())
        self._show_figures(samples, disk)
        self._show_flow()
        self._sinks.show(health.sinks)
        self._processes.show(processes_of(health))

    def _show_figures(self, samples: Sequence[Sample], disk: Disk) -> None:
        words, sight = self._frame.words, self._frame.hold.sight
        rates, soon_s = sight.flow.rates(), sight.flow.soon_s()
        rate = rates[-1][1] if rates else None
        self._figures["rate_now"].show(number_text(rate, "/s"), "", words["rate"])
        text = "–" if soon_s is None else soon_text(soon_s)
        self._figures["readable_within"].show(text, "", words["readable_what"])
        journal = gauge(samples, "infragate_journal_bytes")
        size = "–" if journal is None else size_text(int(journal))
        self._figures["journal_size"].show(size, "", words["now"])
        is_full = disk.free < (1 - self._frame.policy.full_disk) * disk.total
        self._figures["disk_free"].show(
            size_text(disk.free), f"/ {size_text(disk.total)}", words["now"], "tone-bad" * is_full
        )

    def _show_flow(self) -> None:
        sight = self._frame.hold.sight
        now = sight.clock()
        points = [[at, round(rate, 2)] for at, rate in sight.flow.rates()]
        drawn = [Series(self._frame.words["rate"], points)]
        # the axis moves with the samples, not with the second
        end_ms = points[-1][0] if points else now
        put(
            self._chart, lines(drawn, "1/s", (int(end_ms) - HOUR_MS, int(end_ms)), self._frame.zone)
        )

    def _process_columns(self) -> list[Column[Process]]:
        words = self._frame.words

        def state(one: Process) -> Cell:
            return Cell(
                words["process_quiet" if one.is_quiet else "process_runs"], "bad" * one.is_quiet
            )

        return [
            Column("process", lambda one: Cell(one.name)),
            Column("process_does", lambda one: Cell(words[f"does_{one.name}"])),
            Column("state", state),
        ]

    def _sink_columns(self) -> list[Column[SinkHealth]]:
        words = self._frame.words

        def state(one: SinkHealth) -> Cell:
            return Cell(words["sink_up" if one.is_up else "sink_down"], "" if one.is_up else "bad")

        return [
            Column("sink", lambda one: Cell(one.name), lambda one: one.name),
            Column("state", state, lambda one: one.is_up),
            Column("lag", lambda one: Cell(number_text(one.lag_s, "s", 1)), lambda one: one.lag_s),
            Column("pages_wait", lambda one: Cell(grouped(one.pending)), lambda one: one.pending),
        ]


def gauge(samples: Sequence[Sample], name: str) -> float | None:
    """Return the value of a gauge without labels."""
    return next((one.value for one in samples if one.name == name), None)


def disk_of(folder: Path) -> Disk:
    """Return how full the disk of a folder is."""
    usage = shutil.disk_usage(folder)
    return Disk(usage.free, usage.total)


def processes_of(health: Health) -> Sequence[Process]:
    """Return the processes and whether each was heard of."""
    return [Process(name, name in health.silent) for name in PROCESSES]


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    GatewayPage(frame, query)
