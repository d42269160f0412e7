"""One column of one device over a span of the past, with the time of an alarm marked."""

from collections.abc import Sequence

import numpy as np
from nicegui import ui

from gateway.board.chart import broken, on_clock, thinned
from gateway.board.frame import Frame
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import TONE_COLOURS, Series, chart, lines, put
from gateway.board.words import named
from gateway.model import FloatArray, IntArray
from gateway.profiles import Kind, Profile
from gateway.views.engineering import engineer

MOST_ROWS = 100_000


class ReadingChart:
    """A card.

    Args:
        frame: of the page.
        device: whose readings.
        wanted: names of columns, the first that the profile has is shown.
    """

    def __init__(self, frame: Frame, device: str, wanted: Sequence[str]) -> None:
        self._frame, self._device, self._wanted = frame, device, wanted
        with ui.element("section").classes("card"):
            with ui.element("div").classes("filters"):
                heading(frame.words["readings_of"].format(device=device))
                self._title = ui.label().classes("caption")
                ui.link(frame.words["to_device"], frame.url("/devices", device=device)).classes(
                    "export"
                )
            self._none = ui.label(frame.words["readings_none"]).classes("hint")
            self._chart = chart({}, frame.words["readings_of"].format(device=device))

    async def show(self, from_ms: int, to_ms: int, raised_ms: int, cleared_ms: int) -> None:
        """Draw a span; what lies between the two moments is shaded."""
        profile = self._profile()
        self._none.visible = profile is None
        self._chart.visible = profile is not None
        if profile is None:
            return
        place = self._column(profile)
        column = profile.columns[place]
        name = ("readings", self._device, column.name, from_ms, to_ms // 10_000)
        times, values = await self._frame.see(
            name, lambda: self._read(profile, place, from_ms, to_ms), 10.0
        )
        self._none.visible = not len(times)
        title = named(self._frame.words, column.title)
        self._title.set_text(title)
        times, values = thinned(*broken(times, values))
        points = [
            [at, None if np.isnan(value) else value]
            for at, value in zip(times.tolist(), values.tolist(), strict=True)
        ]
        unit, zone = "" if column.unit == "1" else column.unit, self._frame.zone
        options = lines([Series(title, points)], unit, (from_ms, to_ms), zone)
        options["series"][0]["markArea"] = {
            "silent": True,
            "itemStyle": {"color": TONE_COLOURS["warn"], "opacity": 0.14},
            "data": [
                [
                    {"xAxis": on_clock(raised_ms, zone)},
                    {"xAxis": on_clock(cleared_ms or to_ms, zone)},
                ]
            ],
        }
        put(self._chart, options)

    def _profile(self) -> Profile | None:
        sight = self._frame.hold.sight
        row = sight.device(self._device)
        found = sight.store.latest(device_index=row.device_index) if row is not None else ()
        return next(
            (sight.profiles[one.profile] for one in found if one.profile in sight.profiles), None
        )

    def _column(self, profile: Profile) -> int:
        for name in self._wanted:
            if (place := profile.column_index(name)) is not None:
                return place
        kinds = [one.kind is not Kind.REGISTER for one in profile.columns]
        return kinds.index(True) if any(kinds) else 0

    def _read(
        self, profile: Profile, place: int, from_ms: int, to_ms: int
    ) -> tuple[IntArray, FloatArray]:
        sight = self._frame.hold.sight
        row = sight.device(self._device)
        if row is None:
            return np.zeros(0, np.int64), np.zeros(0)
        batch, _ = sight.store.readings(
            profile.name, row.device_index, from_ms, to_ms + 1, MOST_ROWS
        )
        return batch.time_ms, engineer(profile.columns[place], batch.values[:, place])
