"""The gateway itself: how much flows, how soon it can be read, who is connected, what is behind."""

from collections.abc import Iterator, Mapping

from nicegui import ui

from gateway.board.chart import sparkline_options
from gateway.board.numbers import duration_text, grouped, soon_text
from gateway.config import Settings
from gateway.views.flow import Flow
from gateway.views.health import Health, SinkHealth

BEHIND_S = 10.0  # a sink that writes pages every second is never further behind when all is well
SOON_S = 2.5  # five times what is promised at 10,000 messages a second
ORDER = ("bad", "warn", "good")


class FlowCard:
    """Readings a second over the last hour."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        with ui.element("div").classes("card flow"):
            ui.label(words["gateway"]).classes("caption")
            with ui.element("div").classes("share"):
                self._rate = ui.label("–").classes("number")
                ui.label(words["rate"]).classes("of")
            self._chart = ui.echart(sparkline_options(), renderer="svg").classes("spark")

    def show(self, flow: Flow) -> None:
        """Show the rate now and of the last hour."""
        rates = flow.rates()
        if not rates:
            return
        rate = rates[-1][1]
        is_whole = rate >= 10 or rate == 0  # noqa: PLR2004
        self._rate.set_text(grouped(round(rate)) if is_whole else f"{rate:.1f}")
        points = [[time_ms, round(value, 1)] for time_ms, value in rates]
        series = self._chart.options["series"][0]
        if series["data"] != points:
            series["data"] = points
            self._chart.update()


class PathsCard:
    """One line for each way in and out; what is not well comes first."""

    def __init__(self, words: Mapping[str, str], settings: Settings) -> None:
        self._words = words
        self._brokers = {
            str(index): getattr(section, "url", "").partition("://")[2]
            for index, section in enumerate(settings.source)
        }
        self._lines: list[ui.label] = []
        with ui.element("div").classes("card paths"):
            ui.label(words["paths"]).classes("caption")
            self._root = ui.element("div").classes("lines")

    def show(self, health: Health, soon_s: float | None) -> None:
        """Show what the processes said last."""
        lines = sorted(self._say(health, soon_s), key=lambda line: ORDER.index(line[0]))
        while len(self._lines) < len(lines):
            with self._root:
                self._lines.append(ui.label())
        for index, label in enumerate(self._lines):
            label.visible = index < len(lines)
            if label.visible:
                label.classes(replace=f"line {lines[index][0]}")
                label.set_text(lines[index][1])

    def _say(self, health: Health, soon_s: float | None) -> Iterator[tuple[str, str]]:
        words = self._words
        for name in health.silent:
            yield "bad", words["quiet"].format(name=name)
        if health.is_congested:
            yield "bad", words["congested"]
        if health.connected is not None:
            yield "good", words["connected"].format(count=grouped(health.connected))
        for source, is_up in health.brokers.items():
            word = "broker_up" if is_up else "broker_away"
            name = self._brokers.get(source, source)
            yield "good" if is_up else "bad", words[word].format(name=name)
        if soon_s is not None and soon_s <= SOON_S:
            yield "good", words["soon"].format(duration=soon_text(soon_s))
        elif soon_s is not None:
            yield "warn", words["slow"].format(duration=soon_text(SOON_S))
        for sink in health.sinks:
            yield self._say_of(sink)

    def _say_of(self, sink: SinkHealth) -> tuple[str, str]:
        duration = duration_text(1000 * sink.lag_s)
        facts = {"name": sink.name, "duration": duration, "count": grouped(sink.pending)}
        if not sink.is_up:
            return "bad", self._words["sink_away"].format(**facts)
        if sink.lag_s > BEHIND_S:
            return "warn", self._words["sink_behind"].format(**facts)
        return "good", self._words["sink_good"].format(**facts)
