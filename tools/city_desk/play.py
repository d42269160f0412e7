"""A city from its begin to its end, and what became of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.ports import Alarm, Result
from gateway.store.derived import AlarmQuery
from simulators.city.city import REGISTRY_FILE, TRUTH_FILE, City, Order, Size, parse_ms
from simulators.city.command import DRY_START
from simulators.city.frame import Span
from simulators.city.times import rfc3339
from simulators.score.match import Claim, Fact, score
from simulators.score.source import OF_ALARMS, claim_of_alarm, read_truth
from tools.city_desk.gateway import InProcessGateway
from tools.city_desk.network import PERFECT, Network, Wear

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = parse_ms(DRY_START)  # a Monday, midnight
DOMAIN = "energy"
_AFTERWARDS_MS = (10_000, 80_000, 150_000)  # for pieces and balances of the last minutes
_FOREVER_MS = 1 << 53
_MOST_LINES = 10_000_000


@dataclass(frozen=True)
class Setting:
    """What is played, and how closely the analyst looks.

    ``coarse_ms`` between two steps of the analyst, ``fine_ms`` within the spans of ``fine``.
    """

    size: Size
    span: Span
    orders: Sequence[Order] = ()
    fine: Sequence[Span] = ()
    coarse_ms: int = HOUR_MS
    fine_ms: int = 5_000
    report_ms: int | None = None  # nodes send as often as this, all they have; None = each reading
    wear: Wear = PERFECT


class Played:
    """What the gateway said, beside the truth. The folder must live as long as it is read."""

    def __init__(self, folder: Path, city: City, gateway: InProcessGateway) -> None:
        self._folder, self.city, self.gateway = folder, city, gateway
        self.told = gateway.told

    def facts(self) -> list[Fact]:
        """Return the truth as the judge reads it."""
        return read_truth(self._folder / TRUTH_FILE)[0]

    def alarms(self) -> list[Alarm]:
        """Return the lines that stand in the end, withdrawn ones among them."""
        query = AlarmQuery(0, _FOREVER_MS)
        found = self.gateway.derived.alarms(DOMAIN, query, _MOST_LINES)
        return [one.alarm for one in found]

    def lines(self, series: str) -> list[Result]:
        """Return all lines of a derived series, by time."""
        asked = Result(series, "", 0, _FOREVER_MS, "")
        return list(self.gateway.derived.results(DOMAIN, asked, _MOST_LINES))

    def claims(self, at: str = "found") -> list[Claim]:
        """Return the alarms as the judge reads them."""
        return [claim_of_alarm(as_document(alarm), at) for alarm in self.alarms()]

    def score(self, slack_s: float, at: str = "found") -> Mapping[str, Mapping[str, object]]:
        """Return what ``simulators score`` would say, kind by kind."""
        return score(self.facts(), self.claims(at), OF_ALARMS, round(slack_s * 1000))


def play(folder: Path, setting: Setting) -> Played:
    """Let a city's time pass.

    Args:
        folder: empty; registry, truth, store and findings are in it afterwards.
        setting: what to play.
    """
    city = City(setting.size, setting.span, setting.orders)
    city.write_registry(folder)
    gateway = InProcessGateway(folder, folder / REGISTRY_FILE, city.span.from_ms)
    network = Network(city, setting.wear, setting.report_ms)
    afterwards = (city.span.to_ms + later_ms for later_ms in _AFTERWARDS_MS)
    for now_ms in (*moments(city.span, setting), *afterwards):
        gateway.take(network.until(now_ms))
        gateway.step(now_ms)
    city.write_truth(folder)
    gateway.close()
    return Played(folder, city, gateway)


def moments(span: Span, setting: Setting) -> Iterator[int]:
    """Yield when the analyst looks, up to the end of the span."""
    now_ms = span.from_ms
    while now_ms < span.to_ms:
        is_fine = any(one.from_ms <= now_ms < one.to_ms for one in setting.fine)
        step_ms = setting.fine_ms if is_fine else setting.coarse_ms
        begins = (one.from_ms for one in setting.fine if one.from_ms > now_ms)
        now_ms = min(now_ms - now_ms % step_ms + step_ms, span.to_ms, *begins)
        yield now_ms


def span_of(days: float, start_ms: int = START_MS) -> Span:
    """Return a run of some days from a local midnight."""
    return Span(start_ms, start_ms + round(days * DAY_MS))


def near(city: City, before_ms: int = 10_000, after_ms: int = 300_000) -> list[Span]:
    """Return the times around the begins and ends of all scenarios, for ``Setting.fine``."""
    edges = (edge for one in city.scenarios for edge in (one.from_ms, one.to_ms))
    return [Span(edge - before_ms, edge + after_ms) for edge in sorted(set(edges))]


def as_document(alarm: Alarm) -> dict[str, object]:
    """Return an alarm as the API shows it to the judge."""
    return {
        "kind": alarm.kind,
        "place": alarm.place,
        "raised": rfc3339(alarm.raised_ms),
        "found": rfc3339(alarm.found_ms),
        "evidence": json.loads(alarm.evidence),
    }
