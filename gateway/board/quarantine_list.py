"""The newest messages that could not be read, each with a link to its bytes."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from gateway.board.numbers import grouped, size_text
from gateway.quarantine import Entry
from gateway.views.text import readable

PAYLOAD_CELL = """<q-td :props="props"><a :href="'/api/v1/quarantine/' + props.row.id + '/payload'"
download>{{ props.row.payload }}</a></q-td>"""
# in the zone of whoever looks; sv-SE writes 2026-11-21 22:30:00
TIME_CELL = """<q-td :props="props">{{
new Date(props.row.time).toLocaleString('sv-SE') }}</q-td>"""


class QuarantineList:
    """What waits for a person."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        columns = [
            {"name": name, "field": name, "label": words[name], "align": "left"}
            for name in ("time", "reason", "topic", "detail", "size", "payload")
        ]
        with ui.element("section").classes("card quarantine").props("id=quarantine"):
            with ui.element("div").classes("filters"):
                ui.label(words["quarantine"]).classes("heading")
                self._count = ui.label().classes("caption")
                ui.label(words["quarantine_what"]).classes("caption")
            self._clean = ui.label(words["clean"]).classes("hint")
            self._clean.visible = False  # before the first look nobody knows
            self._table = ui.table(columns=columns, rows=[], row_key="id", pagination=0)
            self._table.props("flat dense hide-bottom wrap-cells")
            self._table.add_slot("body-cell-payload", PAYLOAD_CELL)
            self._table.add_slot("body-cell-time", TIME_CELL)

    def show(self, total: int, found: Sequence[Entry]) -> None:
        """Show how many there are, and the newest first."""
        shown = self._words["shown"].format(count=len(found)) if total > len(found) else ""
        self._count.set_text(" · ".join(filter(None, (grouped(total) if total else "", shown))))
        rows = [
            {
                "id": one.record,
                "time": one.received_ms,
                "reason": one.reason,
                "topic": readable(one.topic),
                "detail": one.detail,
                "size": size_text(one.size),
                "payload": self._words["download"],
            }
            for one in found
        ]
        self._clean.visible = not rows
        self._table.visible = bool(rows)
        if rows != self._table.rows:
            self._table.rows = rows
