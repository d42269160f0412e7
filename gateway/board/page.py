"""The pages by their addresses, and what the browser gets besides."""

import gc
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from copy import copy
from http import HTTPStatus
from pathlib import Path

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from nicegui import Client, ui
from nicegui import app as nicegui_app
from nicegui.language import Language

from gateway.board.ahead import links
from gateway.board.frame import MAIN, MARK, Frame, Hold
from gateway.board.looks.alarms import DerivedAlarms, KeptAlarms
from gateway.board.looks.sites import sites_of
from gateway.board.packed import PackedFiles
from gateway.board.pages import PAGES
from gateway.board.place import MOST_LETTERS, THEMES, Place
from gateway.board.policy import load_board_policies
from gateway.board.seen import SITES_S
from gateway.board.shared import Shared
from gateway.board.words import words_of
from gateway.views.flow import STEP_S
from gateway.views.sight import Sight

logger = logging.getLogger(__name__)

# Each open page costs the server some 0.5 MB; a page that is fetched and never connects keeps
# it for a minute, so this also bounds what fetching it in a loop can do.
MAX_PAGES = 200
WARM_AFTER_S = 2.0
LANGUAGE_PACKS: Mapping[str, Language] = {"en": "en-US", "vi": "vi"}
# two pop-ups of two lines, which NiceGUI has in few languages
POPUPS = """<script>addEventListener("DOMContentLoaded", () => {
  const said = %s;
  document.querySelectorAll(".nicegui-error-popup span").forEach((line, number) => {
    line.textContent = said[number];
  });
});</script>"""
ACCENT = "#2f8f88"  # Quasar wants a colour where the style sheet has a variable

Draw = Callable[[Frame, dict[str, str]], None]


def mount(app: FastAPI) -> None:
    """Serve the board at ``/`` of an application that has a ``state.sight``.

    NiceGUI keeps its pages in the process, not in ``app``: one board per process.
    """
    sight: Sight = app.state.sight
    alarms = KeptAlarms(sight.alarms, DerivedAlarms(sight.derived))
    hold = Hold(sight, Shared(), alarms, load_board_policies())
    folder = Path(__file__).parent / "assets"
    css = "".join(file.read_text("utf-8") for file in sorted(folder.glob("*.css")))
    scripts = (file.read_text("utf-8") for file in sorted(folder.glob("*.js")))
    script = "".join(f"<script>{text}</script>" for text in scripts)
    ahead = links()

    def serve(path: str, draw: Draw, *, has_span: bool) -> None:
        @ui.page(path, title="infragate")
        def page(request: Request) -> Response | None:
            if len(Client.instances) > MAX_PAGES:
                text = "Too many boards are open. Close some and load this page again."
                return Response(text, HTTPStatus.SERVICE_UNAVAILABLE, media_type="text/plain")
            query = {key: value[:MOST_LETTERS] for key, value in request.query_params.items()}
            place = Place.of(query)
            ui.add_css(css)
            ui.add_head_html(ahead)
            ui.add_body_html(script)
            _speak(place.lang)
            ui.dark_mode(THEMES.get(place.theme))
            ui.colors(primary=ACCENT)
            own = {key: query[key] for key in query.keys() - {"lang", "theme", "range", "wall"}}
            frame = Frame(hold, place, path, own, has_span=has_span)
            with frame.main:
                draw(frame, own)
            return None

    for path, (draw, has_span) in PAGES.items():
        serve(path, draw, has_span=has_span)
    for path in MAIN.values():
        if sector := path.rpartition("/")[0]:
            _lead(app, sector, path)

    _keep_warm(hold)
    ui.run_with(
        app,
        title="infragate",
        favicon=MARK,
        dark=None,
        tailwind=False,  # 300 kB of script that the board's own style sheet does without
        reconnect_timeout=10.0,
        message_history_length=50,  # a page that was away this long is drawn anew
        show_welcome_message=False,
        gzip_middleware_factory=PackedFiles,
    )


def _lead(app: FastAPI, sector: str, path: str) -> None:
    """Lead from the address of a sector, which people type, to its first page."""

    @app.get(sector, include_in_schema=False)
    def lead(request: Request) -> RedirectResponse:
        return RedirectResponse(str(request.url.replace(path=path, scheme="", netloc="")))


def _speak(lang: str) -> None:
    """Have what NiceGUI and Quasar say themselves said in the page's language."""
    client = ui.context.client
    client.page = copy(client.page)  # one object for all who open the page
    client.page.language = LANGUAGE_PACKS[lang]
    said = [words_of(lang)[f"popup_{name}"] for name in ("lost", "again", "long", "large")]
    ui.add_body_html(POPUPS % json.dumps(said, ensure_ascii=False))


def _keep_warm(hold: Hold) -> None:
    """Look now and then while nobody looks, for whoever looks next."""
    sight = hold.sight

    async def sample_flow() -> None:
        try:
            await run_sync(sight.sample_flow)
        except (sqlite3.Error, OSError) as error:
            logger.warning("flow cannot be sampled error=%s", error)

    async def warm() -> None:
        try:
            await hold.shared.see("sites", lambda: sites_of(sight.registry, sight.clock()), SITES_S)
            await hold.shared.see("fleet", sight.fleet)
            await run_sync(_settle)
        except (sqlite3.Error, OSError) as error:
            logger.warning("board cannot look yet error=%s", error)

    nicegui_app.timer(STEP_S, sample_flow)
    # of 10,000 meters the first to look would wait half a second more; a start has other work
    nicegui_app.timer(WARM_AFTER_S, warm, once=True)


def _settle() -> None:
    """Take what stays as long as the process does out of the collector's rounds.

    Registry and fleet of 15,000 devices are a million objects: each full round of the collector
    took 0.15 s, in the middle of a look.
    """
    gc.collect()
    gc.freeze()
