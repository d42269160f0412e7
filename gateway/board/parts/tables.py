"""Tables that are sorted, searched and cut to pages on the server, however many lines there are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from nicegui import ui
from nicegui.events import GenericEventArguments

from gateway.board.parts.headings import heading

T = TypeVar("T")

PAGE_ROWS = 25
# Plain text, a word with a colour, a link, a share as a bar, a button: whatever a cell has.
CELL = """<q-td :props="props" :class="props.row.{name}?.c">
<a v-if="props.row.{name}?.h" :href="props.row.{name}.h">{{{{ props.row.{name}.t }}}}</a>
<span v-else-if="props.row.{name}?.k" :class="'tone ' + props.row.{name}.k"
>{{{{ props.row.{name}.t }}}}</span>
<span v-else>{{{{ props.row.{name}?.t }}}}</span>
<span v-if="props.row.{name}?.b != null" class="meter"
><i :style="'width:' + props.row.{name}.b + '%'" :class="props.row.{name}.k"></i></span>
<button v-if="props.row.{name}?.a" type="button" class="act" :aria-label="props.row.{name}.l"
@click.stop="$parent.$emit('act', props.row.{name}.a)"
>{{{{ props.row.{name}.w }}}}</button></q-td>"""


class Act(NamedTuple):
    """A button in a cell."""

    name: str  # what is told when it is pressed
    text: str
    label: str  # for who hears the page: the text, and of what


class Cell(NamedTuple):
    """What a cell shows."""

    text: str
    tone: str = ""  # CSS class; "": plain
    href: str = ""
    bar: float | None = None  # 0 to 1
    act: Act | None = None


class Column(NamedTuple, Generic[T]):
    """One column: its word, what it shows of a line, and by what it is sorted."""

    word: str
    cell: Callable[[T], Cell]
    key: Callable[[T], Any] | None = None  # None: not sorted by; what is None comes last
    is_number: bool = False


class Looks(NamedTuple):
    """What a table is beside its columns."""

    title: str  # key of words
    empty: str  # key of words: what to do where there is nothing
    sort: str = ""  # word of the column; "": as the lines come
    is_descending: bool = True
    searches: bool = False
    page_rows: int = PAGE_ROWS
    is_in_words: bool = False  # few words a line: a phone shows them one below the other


class Table(Generic[T]):
    """A card with a table.

    Args:
        words: of the language.
        columns: from left to right.
        looks: title and the like.
        found_by: what the search looks into.
        on_act: called with the name of a button that was pressed.
    """

    def __init__(
        self,
        words: Mapping[str, str],
        columns: Sequence[Column[T]],
        looks: Looks,
        found_by: Callable[[T], str] = str,
        on_act: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._words, self._columns, self._looks = words, columns, looks
        self._found_by, self._on_act = found_by, on_act
        self._items: Sequence[T] = ()
        self._page: dict[str, Any] = {
            "page": 1,
            "rowsPerPage": looks.page_rows,
            "rowsNumber": 0,
            "sortBy": looks.sort or None,
            "descending": looks.is_descending,
        }
        kind = "card listing in-words" if looks.is_in_words else "card listing"
        with ui.element("section").classes(kind) as self.root:
            with ui.element("div").classes("filters"):
                heading(words[looks.title])
                self._note = ui.label().classes("caption")
                self._search = self._draw_search() if looks.searches else None
            self._empty = ui.label(words[looks.empty]).classes("hint")
            self._empty.visible = False
            self._table = self._draw_table()

    @property
    def items(self) -> Sequence[T]:
        """What is shown, on all its pages."""
        return self._items

    def show(self, items: Sequence[T], note: str = "") -> None:
        """Show lines; the same object again costs nothing. A note is about all of them."""
        self._note.set_text(note)
        if items is self._items and items:
            return
        self._items = items
        self._refresh()

    def explain(self, word: str) -> None:
        """Say something else where there is nothing: why, or what to do."""
        self._empty.set_text(self._words[word])

    def _draw_search(self) -> ui.input:
        word = self._words["find"]
        box = ui.input(placeholder=word, on_change=self._first_page)
        box.props(f'outlined dense clearable debounce=250 maxlength=64 aria-label="{word}"')
        return box

    def _draw_table(self) -> ui.table:
        columns = [
            {
                "name": one.word,
                "field": one.word,
                "label": self._words[one.word],
                "align": "right" if one.is_number else "left",
                "sortable": one.key is not None,
            }
            for one in self._columns
        ]
        table = ui.table(columns=columns, rows=[], row_key="row", pagination=self._page)
        pages = ':pagination-label="(a, b, n) => `${a}–${b} / ${n}`"'
        table.props(f'flat dense wrap-cells binary-state-sort :rows-per-page-options="[0]" {pages}')
        for one in self._columns:
            table.add_slot(f"body-cell-{one.word}", CELL.format(name=one.word))
        table.on("request", self._turn, [["pagination"]])
        if self._on_act is not None:
            table.on("act", self._act)
        return table

    def _turn(self, event: GenericEventArguments) -> None:
        asked = event.args["pagination"]
        self._page["page"] = max(1, int(asked.get("page") or 1))
        known = {one.word for one in self._columns if one.key is not None}
        sort = asked.get("sortBy")
        self._page["sortBy"] = sort if sort in known else None
        self._page["descending"] = bool(asked.get("descending"))
        self._refresh()

    async def _act(self, event: GenericEventArguments) -> None:
        if self._on_act is not None:
            await self._on_act(str(event.args))

    def _first_page(self) -> None:
        self._page["page"] = 1
        self._refresh()

    def _refresh(self) -> None:
        found = self._sorted(self._found())
        size, page = self._looks.page_rows, self._page["page"]
        if (page - 1) * size >= len(found):
            page = 1
        self._page |= {"page": page, "rowsNumber": len(found)}
        rows = [
            {"row": number, **{one.word: _sent(one.cell(item)) for one in self._columns}}
            for number, item in enumerate(found[(page - 1) * size : page * size])
        ]
        self._empty.visible = not self._items
        self._table.visible = bool(self._items)
        hides = "add" if len(found) <= size else "remove"
        self._table.props(**{hides: "hide-bottom"})
        if rows != self._table.rows or self._table.pagination != self._page:
            self._table.rows = rows
            self._table.pagination = dict(self._page)

    def _found(self) -> Sequence[T]:
        wanted = (self._search.value or "").casefold() if self._search is not None else ""
        if not wanted:
            return self._items
        return [one for one in self._items if wanted in self._found_by(one).casefold()]

    def _sorted(self, items: Sequence[T]) -> Sequence[T]:
        by = next((one.key for one in self._columns if one.word == self._page["sortBy"]), None)
        if by is None:
            return items
        known = [one for one in items if by(one) is not None]
        unknown = [one for one in items if by(one) is None]
        known.sort(key=by, reverse=self._page["descending"])
        return known + unknown


def _sent(cell: Cell) -> dict[str, object]:
    """Return a cell as the browser gets it; names of one letter, since there are hundreds."""
    sent: dict[str, object] = {"t": cell.text}
    if cell.href:
        sent["h"] = cell.href
    if cell.tone:
        sent["k"] = cell.tone
    if cell.bar is not None:
        sent["b"] = round(100 * min(1.0, max(0.0, cell.bar)))
    if cell.act is not None:
        sent |= dict(zip("awl", cell.act, strict=True))
    return sent
