"""Numbers in cards: each with its unit, and how old it is or what it is of."""

from collections.abc import Mapping

from nicegui import ui


class Figure:
    """One card; a link where a number leads on.

    Args:
        title: what it is.
        href: where a click leads, "" nowhere.
    """

    def __init__(self, title: str, href: str = "") -> None:
        kind = "a" if href else "div"
        with ui.element(kind).classes("card figure") as root:
            if href:
                root.props(f'href="{href}"')
            ui.label(title).classes("caption")
            with ui.element("div").classes("share"):
                self._number = ui.label("–").classes("number")
                self._of = ui.label().classes("of")
            self._note = ui.label().classes("caption note")

    def show(self, number: str, of: str = "", note: str = "", tone: str = "") -> None:
        """Show a number; a colour only repeats what the words say."""
        self._number.set_text(number)
        self._number.classes(replace=f"number {tone}".strip())
        self._of.set_text(of)
        self._note.set_text(note)


class Figures:
    """A row of cards, by the keys of their words."""

    def __init__(self, words: Mapping[str, str], titles: Mapping[str, str]) -> None:
        with ui.element("section").classes("figures"):
            self._cards = {key: Figure(words[key], href) for key, href in titles.items()}

    def __getitem__(self, key: str) -> Figure:
        return self._cards[key]


def hint(text: str) -> ui.label:
    """Return a line that says what to do where there is nothing to see; hidden at first."""
    label = ui.label(text).classes("hint")
    label.visible = False
    return label
