"""Panels drawn by Grafana's own components (npm) in headless Chromium.

``python -m tests.support.boards.drawing`` installs and builds the page into ``build/panes``: half
a gigabyte that nobody commits. Without it the tests that draw are skipped and say so.
"""

import asyncio
import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.support.boards.asking import Influx
from tests.support.boards.panes import Choice, Range, filled, panels, query_of
from tests.support.browser import browser
from tests.support.running import ROOT

SOURCE, BUILT = Path(__file__).parents[2] / "boards" / "panes", ROOT / "build" / "panes"
_WIDTH_PX, _ROW_PX = 24 * 57 + 16, 38
_ICONS = "/public/build/img/"
DRAWN = frozenset({"stat", "bargauge", "table", "timeseries"})


def missing() -> str | None:
    """Return why nothing can be drawn, None if it can."""
    if not (BUILT / "dist" / "index.html").exists():
        return "Grafana's components are not built: make test-boards (needs npm)"
    return None


def build() -> int:
    """Install and build where that has not been done for these sources."""
    if shutil.which("npm") is None:
        print("no npm on this machine: panels will not be drawn", file=sys.stderr)  # noqa: T201
        return 0
    BUILT.mkdir(parents=True, exist_ok=True)
    is_stale = missing() is not None
    for source in SOURCE.iterdir():
        target = BUILT / source.name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copy(source, target)
            is_stale = True
    if not is_stale:
        return 0
    # the components ask for each other's newest patch, of which some were never published
    install = [
        "npm",
        "install",
        "--legacy-peer-deps",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]
    for command in (install, ["npx", "vite", "build", "--logLevel", "error"]):
        done = subprocess.run(command, cwd=BUILT, check=False)
        if done.returncode:
            return done.returncode
    return 0


def frames_of(influx: Influx, board: Mapping[str, Any], span: Range, choice: Choice) -> Any:
    """Return the answers to all panels of a board as Grafana's data source makes frames of them."""
    found: dict[int, list[dict[str, Any]]] = {}
    for panel in panels(board):
        for target in panel.get("targets", []):
            text = filled(query_of(target), span, panel["interval"], choice)
            series = influx.raw(text)
            make = _table if target["resultFormat"] == "table" else _courses
            found.setdefault(panel["id"], []).extend(make(target, series))
    return found


def _courses(target: Mapping[str, Any], series: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in series:
        tags = one.get("tags", {})
        name = target.get("alias", "value")
        for tag, value in tags.items():
            name = name.replace(f"$tag_{tag}", value)
        times, numbers = zip(*((row[0], row[1]) for row in one["values"]), strict=True)
        yield {
            "refId": target["refId"],
            "name": name,
            "fields": [
                {"name": "Time", "type": "time", "config": {}, "values": times},
                {
                    "name": "Value",
                    "type": "number",
                    "config": {"displayNameFromDS": name},
                    "labels": tags,
                    "values": numbers,
                },
            ],
        }


def _table(target: Mapping[str, Any], series: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one frame: tags are columns too."""
    if not series:
        return
    tags = list(series[0].get("tags", {}))
    rows = [
        [row[0], *(one["tags"][tag] for tag in tags), *row[1:]]
        for one in series
        for row in one["values"]
    ]
    names = ["Time", *tags, *series[0]["columns"][1:]]
    columns = list(zip(*rows, strict=True))
    yield {
        "refId": target["refId"],
        "fields": [
            {"name": name, "type": _type(name, column), "config": {}, "values": column}
            for name, column in zip(names, columns, strict=True)
        ],
    }


def _type(name: str, column: tuple[object, ...]) -> str:
    if name == "Time":
        return "time"
    return "string" if any(isinstance(cell, str) for cell in column) else "number"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    @override
    def translate_path(self, path: str) -> str:
        """Give the components' icons from where their package has them."""
        if path.startswith(_ICONS):
            return str(BUILT / "node_modules/@grafana/ui/dist/public/img" / path[len(_ICONS) :])
        return super().translate_path(path)

    @override
    def do_GET(self) -> None:
        """Answer; there is no icon of the page."""
        if self.path == "/favicon.ico":
            self.send_response(http.HTTPStatus.NO_CONTENT)
            self.end_headers()
        else:
            super().do_GET()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.html"
        finally:
            server.shutdown()
            thread.join()


def draw(
    folder: Path, board: Mapping[str, Any], answers: object, span: Range, picture: Path | None
) -> dict[str, Any]:
    """Draw a board; return what stands in its panels, by their titles.

    Raises:
        AssertionError: a component failed, or the browser's console has an error.
    """
    page_folder = folder / "page"
    shutil.copytree(BUILT / "dist", page_folder, dirs_exist_ok=True)
    body = {"board": board, "answers": answers, "from_ms": span.from_ms, "to_ms": span.to_ms}
    (page_folder / "board.json").write_text(json.dumps(body), "utf-8")
    with _served(page_folder) as url:
        return asyncio.run(_shown(folder, url, board, picture))


async def _shown(
    folder: Path, url: str, board: Mapping[str, Any], picture: Path | None
) -> dict[str, Any]:
    ends = (one["gridPos"] for one in board["panels"] if one["type"] in DRAWN)
    height_px = max(end["y"] + end["h"] for end in ends) * _ROW_PX + 16
    async with browser(folder / "profile") as page:
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=_WIDTH_PX, height=min(height_px, 1200), deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        await page.open(url)
        await page.wait_for("window.__ready === true", 60)
        faults = await page.evaluate("window.__faults")
        assert not faults, faults
        assert not page.faults, page.faults
        if picture is not None:
            await page.screenshot(picture)
        summary: dict[str, Any] = await page.evaluate("window.__summary")
        return summary


if __name__ == "__main__":
    sys.exit(build())
