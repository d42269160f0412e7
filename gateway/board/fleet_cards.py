"""How many devices of each sector are alive, lost or were never heard."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from nicegui import ui

from gateway.board.numbers import grouped
from gateway.board.words import SECTORS
from gateway.views.fleet import DeviceState

STATES = (DeviceState.ALIVE, DeviceState.LOST, DeviceState.SILENT)

Narrow = Callable[[str, str], None]  # the list, to a sector and a state


class FleetCards:
    """One card for each sector that has devices; a click narrows the list to it."""

    def __init__(self, words: Mapping[str, str], narrow: Narrow) -> None:
        self._cards = {sector: _Card(words, sector, narrow) for sector in SECTORS}

    def show(self, tally: Mapping[str, Counter[DeviceState]]) -> None:
        """Show the tally of each sector."""
        for sector, card in self._cards.items():
            card.show([tally[sector][state] for state in STATES] if sector in tally else [])


class _Card:
    def __init__(self, words: Mapping[str, str], sector: str, narrow: Narrow) -> None:
        self._words = words
        with ui.element("div").classes("card sector") as self._root:
            with ui.element("button").classes("plain") as button:
                ui.label(words[sector]).classes("caption")
                with ui.element("div").classes("share"):
                    self._alive = ui.label().classes("number")
                    self._total = ui.label().classes("of")
            button.on("click", partial(narrow, sector, ""))
            self._bar = ui.element("div").classes("bar")
            with ui.element("div").classes("others"):
                self._whole = ui.label(words["all_alive"]).classes("caption")
                self._lost = self._draw_count("lost", partial(narrow, sector, "lost"))
                self._silent = self._draw_count("silent", partial(narrow, sector, "silent"))
        self._root.visible = False

    def _draw_count(self, word: str, on_click: Callable[[], None]) -> tuple[ui.element, ui.label]:
        with ui.element("button").classes(f"plain count {word}") as button:
            label = ui.label()
        button.on("click", on_click)
        return button, label

    def show(self, counts: list[int]) -> None:
        self._root.visible = bool(counts)
        if not counts:
            return
        alive, lost, silent = counts
        total = sum(counts)
        self._alive.set_text(grouped(alive))
        self._total.set_text(f"/ {grouped(total)} {self._words['alive']}")
        self._bar.style(f"--alive: {100 * alive / total:.1f}%; --lost: {100 * lost / total:.1f}%")
        for (button, label), count, word in (
            (self._lost, lost, "lost"),
            (self._silent, silent, "silent"),
        ):
            button.visible = count > 0
            label.set_text(f"{grouped(count)} {self._words[word]}")
        self._whole.visible = alive == total
