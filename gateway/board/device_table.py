"""The list of devices: filtered and cut to a page on the server, fifty lines at most."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import islice

from nicegui import ui
from nicegui.events import GenericEventArguments

from gateway.board.words import SECTORS, TONES, age_text
from gateway.model import Quality
from gateway.profiles import Kind, Profile
from gateway.views.engineering import decimals_of, to_number
from gateway.views.fleet import Device, DeviceState, Fleet, values_of

PAGE_ROWS = 50  # what a browser is sent, however large the fleet is
SHOWN_VALUES = 3
STATE_TONES = {
    DeviceState.ALIVE: "good",
    DeviceState.LOST: "bad",
    DeviceState.SILENT: "plain",
}
TONE_CELL = """<q-td :props="props"><span v-if="props.row.{name}"
:class="'tone ' + props.row.{name}_tone">{{{{ props.row.{name} }}}}</span></q-td>"""
EMPTY_COMMAND = "infragate demo"
EMPTY_TOPIC = "tg/1/<org>/<sector>/<device>/t"


def value_text(value: float | None, scale: float, unit: str) -> str:
    """Return an engineering value with its unit, thousands apart, decimals of its scale."""
    if value is None:
        return "–"
    text = f"{value:,.{decimals_of(scale)}f}".replace(",", "\u202f")
    return text if unit == "1" else f"{text}\u00a0{unit}"


def newest_text(device: Device, profiles: Mapping[str, Profile]) -> str:
    """Return the first few values of a device's newest reading; gauges before registers."""
    if not device.latest or device.latest[0].profile not in profiles:
        return ""
    profile = profiles[device.latest[0].profile]
    values = values_of(device.latest[0]).tolist()
    pairs = sorted(
        zip(profile.columns, values, strict=False), key=lambda pair: pair[0].kind is Kind.REGISTER
    )
    return "\u2003".join(
        f"{column.name}\u00a0{value_text(to_number(column, value), column.scale, column.unit)}"
        for column, value in pairs[:SHOWN_VALUES]
    )


class DeviceTable:
    """Search, filters, one page of devices."""

    def __init__(
        self,
        words: Mapping[str, str],
        profiles: Mapping[str, Profile],
        choose: Callable[[str], Awaitable[None]],
    ) -> None:
        self._words = words
        self._profiles = profiles
        self._choose = choose
        self._first = 0
        self._fleet: Fleet | None = None
        with ui.element("section").classes("card devices"):
            self._draw_filters()
            self._draw_table()
            self._draw_pager()
            self._draw_empty()

    def show(self, fleet: Fleet) -> None:
        """Show the page that the filters select."""
        self._fleet = fleet
        found = list(
            fleet.select(
                q=self._search.value or "",
                sector=self._sector.value or "",
                state=self._state.value or "",
            )
        )
        if self._first >= len(found):
            self._first = 0
        page = list(islice(found, self._first, self._first + PAGE_ROWS))
        rows = [self._to_row(device, fleet.now_ms) for device in page]
        if rows != self._table.rows:
            self._table.rows = rows
        is_empty = not fleet.devices
        self._empty.visible = is_empty
        self._filters.visible = self._table.visible = self._pager.visible = not is_empty
        self._none_found.visible = not is_empty and not found
        words = {"first": self._first + 1, "last": self._first + len(page), "total": len(found)}
        self._place.set_text(self._words["page"].format(**words) if found else "")
        self._previous.set_enabled(self._first > 0)
        self._next.set_enabled(self._first + PAGE_ROWS < len(found))

    def _to_row(self, device: Device, now_ms: int) -> dict[str, str]:
        words = self._words
        newest = device.latest[0] if device.latest else None
        tone = TONES[Quality(newest.quality)] if newest else None
        age = age_text(now_ms - device.last_seen_ms, words) if device.last_seen_ms else ""
        return {
            "device": device.name,
            "sector": words[device.row.sector],
            "state": words[device.state],
            "state_tone": STATE_TONES[device.state],
            "value": newest_text(device, self._profiles),
            "age": age or words["never"],
            "grade": words[tone.word] if tone else "",
            "grade_tone": tone.colour if tone else "plain",
        }

    def _draw_filters(self) -> None:
        words = self._words
        sectors = {"": words["all"], **{sector: words[sector] for sector in SECTORS}}
        states = {"": words["any"], **{str(state): words[state] for state in DeviceState}}
        with ui.element("div").classes("filters") as self._filters:
            ui.label(words["devices"]).classes("heading")
            self._search = ui.input(placeholder=words["search"], on_change=self._begin)
            self._search.props(
                f'outlined dense clearable debounce=250 maxlength=64 aria-label="{words["search"]}"'
            )
            self._sector = ui.select(sectors, value="", on_change=self._begin)
            self._sector.props(f'outlined dense aria-label="{words["sector"]}"')
            self._state = ui.select(states, value="", on_change=self._begin)
            self._state.props(f'outlined dense aria-label="{words["state"]}"')

    def _draw_table(self) -> None:
        columns = [
            {"name": name, "field": name, "label": self._words[name], "align": "left"}
            for name in ("device", "sector", "state", "value", "age", "grade")
        ]
        self._table = ui.table(columns=columns, rows=[], row_key="device", pagination=0)
        self._table.props("flat dense hide-bottom wrap-cells")
        for name in ("state", "grade"):
            self._table.add_slot(f"body-cell-{name}", TONE_CELL.format(name=name))
        self._table.on("rowClick", self._on_click, [[], ["device"], None])
        self._none_found = ui.label(self._words["none_found"]).classes("hint")

    def _draw_pager(self) -> None:
        with ui.element("div").classes("pager") as self._pager:
            self._place = ui.label().classes("caption")
            self._previous = ui.button(self._words["previous"], on_click=lambda: self._turn(-1))
            self._next = ui.button(self._words["next"], on_click=lambda: self._turn(1))
            for button in (self._previous, self._next):
                button.props("flat dense no-caps")

    def _draw_empty(self) -> None:
        with ui.element("div").classes("empty") as self._empty:
            ui.label(self._words["empty"]).classes("heading")
            ui.label(self._words["empty_how"])
            ui.label(EMPTY_COMMAND).classes("code")
            ui.label(self._words["empty_or"])
            ui.label(EMPTY_TOPIC).classes("code")
        self._empty.visible = False

    async def _on_click(self, event: GenericEventArguments) -> None:
        await self._choose(str(event.args[1]["device"]))

    def _begin(self) -> None:
        self._first = 0
        self._turn(0)

    def _turn(self, pages: int) -> None:
        self._first = max(0, self._first + pages * PAGE_ROWS)
        if self._fleet is not None:
            self.show(self._fleet)
