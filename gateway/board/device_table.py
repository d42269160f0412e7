"""The list of devices: filtered and cut to a page on the server, fifty lines at most."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from nicegui import ui
from nicegui.events import GenericEventArguments

from gateway.board.numbers import age_text, value_text
from gateway.board.words import SECTORS, TONES, named
from gateway.model import Quality
from gateway.profiles import Kind, Profile
from gateway.views.engineering import to_number
from gateway.views.fleet import Device, DeviceState, Fleet, values_of

PAGE_ROWS = 50  # what a browser is sent, however large the fleet is
SHOWN_VALUES = 3
STATE_TONES = {
    DeviceState.ALIVE: "good",
    DeviceState.LOST: "bad",
    DeviceState.SILENT: "plain",
}
# What is well is plain text; only what is not has a colour, so that it is seen among fifty.
TONE_CELL = """<q-td :props="props"><span v-if="props.row.{name}"
:class="'tone ' + props.row.{name}_tone">{{{{ props.row.{name} }}}}</span></q-td>"""
# for the keyboard: what a click on the row does, a Return on the name does too
NAME_CELL = """<q-td :props="props"><a class="name" :href="props.row.href" @click.prevent
>{{ props.row.device }}</a></q-td>"""
VALUE_CELL = """<q-td :props="props"><span class="values"><span v-for="one in props.row.value"
:key="one[0]"><i>{{ one[0] }}</i>{{ one[1] }}</span></span></q-td>"""
CHOSEN_ROW = ':table-row-class-fn="row => row.is_chosen ? `chosen` : ``"'
SHOW_CHOSEN = """setTimeout(() => {
  const list = document.querySelector(".devices .q-table__middle");
  const row = list?.querySelector("tr.chosen");
  if (row) list.scrollTop = row.offsetTop - 120;
}, 300)"""
EMPTY_COMMAND = "infragate demo"
EMPTY_TOPIC = "tg/1/<org>/<sector>/<device>/t"


def newest_values(
    device: Device, profiles: Mapping[str, Profile], words: Mapping[str, str]
) -> list[list[str]]:
    """Return name and value of a few columns of the newest reading; registers come last."""
    if not device.latest or device.latest[0].profile not in profiles:
        return []
    profile = profiles[device.latest[0].profile]
    values = values_of(device.latest[0]).tolist()
    pairs = sorted(
        zip(profile.columns, values, strict=False), key=lambda pair: pair[0].kind is Kind.REGISTER
    )
    return [
        [column.name.replace("_", " "), named(words, value_text(column, to_number(column, value)))]
        for column, value in pairs[:SHOWN_VALUES]
    ]


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
        self._chosen = ""
        self._turns_to_chosen = True  # at the first sight only: a link may name any device
        with ui.element("section").classes("card devices"):
            self._draw_filters()
            self._draw_table()
            self._draw_pager()
            self._draw_empty()

    def show(self, fleet: Fleet, chosen: str) -> None:
        """Show the page that the filters select, and which device is chosen."""
        self._fleet, self._chosen = fleet, chosen
        found = fleet.listed(
            q=self._search.value or "",
            sector=self._sector.value or "",
            state=self._state.value or "",
        )
        if self._turns_to_chosen and found:
            self._turn_to(found, chosen)
        if self._first >= len(found):
            self._first = 0
        page = found[self._first : self._first + PAGE_ROWS]
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

    def _turn_to(self, found: Sequence[Device], chosen: str) -> None:
        self._turns_to_chosen = False
        place = next((index for index, one in enumerate(found) if one.name == chosen), 0)
        self._first = place - place % PAGE_ROWS
        if place % PAGE_ROWS:
            _ = ui.run_javascript(SHOW_CHOSEN)  # nobody waits for it

    def narrow(self, sector: str, state: str) -> None:
        """Set the filters, as a click on a count elsewhere asks."""
        self._search.value = ""
        self._sector.value = sector
        self._state.value = state

    def _to_row(self, device: Device, now_ms: int) -> dict[str, object]:
        words = self._words
        newest = device.latest[0] if device.latest else None
        tone = TONES[Quality(newest.quality)] if newest else None
        age = age_text(now_ms - device.last_seen_ms, words) if device.last_seen_ms else ""
        return {
            "device": device.name,
            "href": f"?device={device.name}",
            "sector": words[device.row.sector],
            "state": words[device.state],
            "state_tone": STATE_TONES[device.state],
            "value": newest_values(device, self._profiles, words),
            "age": age or words["never"],
            "grade": words[tone.word] if tone else "",
            "grade_tone": tone.colour if tone else "plain",
            "is_chosen": device.name == self._chosen,
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
        self._table.props(f"flat dense hide-bottom wrap-cells {CHOSEN_ROW}")
        self._table.add_slot("body-cell-device", NAME_CELL)
        self._table.add_slot("body-cell-value", VALUE_CELL)
        for name in ("state", "grade"):
            self._table.add_slot(f"body-cell-{name}", TONE_CELL.format(name=name))
        self._table.on("rowClick", self._on_click, [[], ["device"], None])
        self._none_found = ui.label(self._words["none_found"]).classes("hint")
        self._none_found.visible = False  # before the first look nobody knows

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
            self.show(self._fleet, self._chosen)
