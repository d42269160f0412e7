"""Tooltips of charts are HTML: what a registry calls a thing stands in them as text."""

from types import SimpleNamespace
from typing import Any

from gateway.board.parts.spacetime import SpaceTimeCard
from gateway.board.words import ENGLISH


def test_a_title_in_the_space_time_map_is_text() -> None:
    card: Any = SpaceTimeCard.__new__(SpaceTimeCard)
    card._words, card._when = ENGLISH, "%s"
    stop = SimpleNamespace(title="<img src=x onerror=alert(1)> & co", km=None)
    seen = SimpleNamespace(cells=[(0, 0, 2, 50.0)], begins_ms=[0])
    options = card._options(SimpleNamespace(stops=[stop]), seen)
    tip = options["series"][0]["data"][0][3]
    assert tip.startswith("&lt;img src=x onerror=alert(1)> &amp; co · ")
    assert options["yAxis"]["data"] == [stop.title]  # drawn on a canvas, as it is
