"""What the board costs on a large site: first views in Chromium, and the intake beside open boards.

python -m tools.bench_board [views] [intake] [--meters 10000] [--lanes 5000] [--boards 20]

A whole gateway, started anew over a full store; its devices go on sending, each at its own pace.
Views are timed by the page itself, from the click until numbers, map and lists are drawn.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from gateway.cli import procfs
from tests.support.board_site import Site, large_site
from tests.support.board_sockets import FIRST_S, OPEN
from tests.support.board_town import Town
from tests.support.browser import Page, browser

PATHS = (
    "/", "/alarms", "/devices", "/energy/load", "/energy/billing", "/energy/losses",
    "/transport/corridors", "/transport/service", "/transport/detectors", "/quality", "/gateway",
)  # fmt: skip
BEAT = "Number(document.querySelector('.clock')?.dataset.beat) >= 1"
DRAWN = {
    "/": f"{BEAT} && document.querySelector('.map canvas') && "
    "document.querySelector('.listing tbody tr')",
}
# Looks at every frame that the browser draws, so the answer is true to 1/60 s.
WATCH = """(() => {{ const look = () => {{
if ({drawn}) {{ window.drawnMs = performance.now(); }} else {{ requestAnimationFrame(look); }} }};
look(); }})()"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
SETTLES_S = 4.0  # after a start, until processes have looked at what there is
RATE = 10_000


class View(NamedTuple):
    """One page that was opened."""

    drawn_s: float  # from the click until it said something
    framed_s: float  # until its frame was painted
    web_s: float  # CPU of the web process, of one core
    browser_s: float  # CPU of all processes of the browser


async def view(site: Site, page: Page, path: str) -> View:
    """Open a page and wait until it is drawn.

    Raises:
        RuntimeError: the browser's console has an error.
    """
    web, own = [site.gateway.roles()["web"]], procfs.tree(page.pid)
    before_s = procfs.cpu_s(web), procfs.cpu_s(own)
    script = WATCH.format(drawn=DRAWN.get(path, BEAT))
    await page.call("Page.enable")
    added = await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
    await page.open(f"{site.url}{path}")
    await page.wait_for("window.drawnMs > 0", FIRST_S)
    after_s = procfs.cpu_s(web), procfs.cpu_s(procfs.tree(page.pid))
    await page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
    drawn_ms, framed_ms = [await page.evaluate(one) for one in ("window.drawnMs", PAINTED)]
    if page.faults:
        raise RuntimeError(f"{path}: {page.faults}")
    spent = [after - before for after, before in zip(after_s, before_s, strict=True)]
    return View(drawn_ms / 1000, framed_ms / 1000, *spent)


async def views(site: Site, folder: Path) -> None:
    """Print how long first views take after a start, with and without scripts at hand."""
    print(f"{'page':<24}{'':>9}{'drawn':>9}{'frame':>9}{'CPU web':>9}{'browser':>9}")
    for path in PATHS:
        await asyncio.to_thread(site.stop)
        await asyncio.to_thread(site.start)
        await asyncio.sleep(SETTLES_S)
        async with browser(folder / f"browser{path.replace('/', '-')}") as page:
            for when in ("first", "again", "again"):
                seen = await view(site, page, path)
                numbers = "".join(f"{one:>8.2f}s" for one in seen)
                print(f"{path:<24}{when:>9}{numbers}", flush=True)


def load(site: Site, seconds: int, rate: int) -> Mapping[str, Any]:
    """Publish and return the generator's report."""
    where = ["--mqtt", f"mqtt://127.0.0.1:{site.mqtt_port}", "--org", "evn", "--devices", "1000"]
    command = [sys.executable, "-m", "simulators", "load", "--rate", str(rate), *where]
    command += ["--seconds", str(seconds), "--receipts", "0", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + 90)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@contextmanager
def opened(url: str, count: int) -> Iterator[None]:
    """Keep boards open, from a process that stands back: operators have their own machines."""
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.support.board_sockets"]
    with subprocess.Popen(
        [*command, url, str(count)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdout.readline().strip() != OPEN:
            raise RuntimeError("the boards do not open")
        try:
            yield
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(30)


def beside(site: Site, boards: int, rounds: int, seconds: int, rate: int = RATE) -> float:
    """Print PUBACK times without and with boards, in turn; return the ratio of the medians."""
    load(site, 3, rate)  # devices are known, files are there
    p99_ms: dict[int, list[float]] = {0: [], boards: []}
    for number in range(2 * rounds):
        # each goes first as often as second: what the machine does meanwhile hits both
        count = boards if number % 4 in {1, 2} else 0
        with opened(f"{site.url}/", count) if count else nullcontext():
            p99_ms[count].append(_round(site, count, seconds, rate))
    alone, busy = statistics.median(p99_ms[0]), statistics.median(p99_ms[boards])
    print(
        f"p99, medians of {rounds}: alone {alone:.1f} ms, beside {boards} boards {busy:.1f} ms, "
        f"ratio {busy / alone:.2f}"
    )
    return busy / alone


def _round(site: Site, count: int, seconds: int, rate: int) -> float:
    before = _cpu_s(site)
    report = load(site, seconds, rate)
    spent = {name: now_s - before.get(name, 0.0) for name, now_s in _cpu_s(site).items()}
    print(
        f"{count:>3} boards: {report['messages_per_s']:>6}/s, PUBACK p50 "
        f"{report['puback_p50_ms']:.1f} p99 {report['puback_p99_ms']:.1f} ms; CPU s: "
        + "  ".join(f"{name} {one_s:.1f}" for name, one_s in spent.items()),
        flush=True,
    )
    return float(report["puback_p99_ms"])


def _cpu_s(site: Site) -> dict[str, float]:
    return {name: procfs.cpu_s([pid]) for name, pid in site.gateway.roles().items() if name}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["views", "intake"])
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--lanes", type=int, default=5_000)
    parser.add_argument("--boards", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    asked = parser.parse_args(arguments)
    town = Town(asked.meters, asked.lanes)
    with TemporaryDirectory() as name, large_site(Path(name), town) as site:
        if "views" in asked.parts:
            asyncio.run(views(site, Path(name)))
        if "intake" in asked.parts:
            beside(site, asked.boards, asked.rounds, asked.seconds)


if __name__ == "__main__":
    main()
