"""Headings that a screen reader knows as such."""

from nicegui import ui


def heading(text: str = "", level: int = 2) -> ui.label:
    """Draw the heading of a page (1) or of a card on it (2)."""
    return ui.label(text).classes("heading").props(f"role=heading aria-level={level}")
