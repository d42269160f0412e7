"""How many devices of each sector are alive, lost or were never heard."""

from collections.abc import Mapping

from nicegui import ui

from gateway.board.words import SECTORS, grouped
from gateway.views.fleet import DeviceState, Fleet

STATES = (DeviceState.ALIVE, DeviceState.LOST, DeviceState.SILENT)


class FleetCards:
    """One card for each sector that has devices."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        self._cards: dict[str, _Card] = {}
        with ui.element("section").classes("fleet") as self._section:
            for sector in SECTORS:
                self._cards[sector] = _Card(words, sector)
        self._section.visible = False

    def show(self, fleet: Fleet) -> None:
        """Show the tally of each sector."""
        tally = fleet.tally()
        self._section.visible = bool(tally)
        for sector, card in self._cards.items():
            card.show([tally[sector][state] for state in STATES] if sector in tally else [])


class _Card:
    def __init__(self, words: Mapping[str, str], sector: str) -> None:
        self._words = words
        with ui.element("div").classes("card sector") as self._root:
            ui.label(words[sector]).classes("caption")
            with ui.element("div").classes("share"):
                self._alive = ui.label().classes("number")
                self._total = ui.label().classes("of")
            self._bar = ui.element("div").classes("bar")
            self._others = ui.label().classes("caption")
        self._root.visible = False

    def show(self, counts: list[int]) -> None:
        self._root.visible = bool(counts)
        if not counts:
            return
        alive, lost, silent = counts
        total = sum(counts)
        self._alive.set_text(grouped(alive))
        self._total.set_text(f"/ {grouped(total)} {self._words['alive']}")
        self._bar.style(f"--alive: {100 * alive / total:.1f}%; --lost: {100 * lost / total:.1f}%")
        others = ((lost, self._words["lost"]), (silent, self._words["silent"]))
        parts = [f"{grouped(count)} {word}" for count, word in others if count]
        self._others.set_text(" · ".join(parts) or self._words["all_alive"])
        self._others.classes(replace="caption bad" if lost else "caption")
