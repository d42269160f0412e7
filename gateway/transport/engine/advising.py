"""Speeds that drivers before a queue should be told, as events from first to last interval.

A variable message sign shows what lasts; what has changed is the next version of the same event.
"""

from collections.abc import Iterable

from gateway.ports import Alarm
from gateway.transport.engine.live import Live
from gateway.transport.engine.telling import ADVICE, encode, rounded
from gateway.transport.incidents.advice import Advice, advise

_NOTE, _SURE = 1, 0.95


def advice_alarms(live: Live, standing: Iterable[Alarm], end_ms: int) -> list[Alarm]:
    """Return the advice of an interval that ends then, and of what stood the end.

    Args:
        live: after the interval.
        standing: alarms that last; those of other kinds are left alone.
        end_ms: of the interval.
    """
    lasting = {one.place: one for one in standing if one.kind == ADVICE}
    found = []
    for one in _lowest(_advice(live)):
        place = f"station:{live.road.stations[one.station]}"
        before = lasting.pop(place, None)
        raised_ms = end_ms if before is None else before.raised_ms
        body: dict[str, object] = {
            "speed_kmh": rounded(one.speed_kmh, 0),
            "queue_ahead_km": rounded(one.ahead_km, 1),
        }
        found.append(Alarm(ADVICE, place, raised_ms, raised_ms, 0, _NOTE, _SURE, encode(body)))
    return [*found, *(one._replace(cleared_ms=end_ms) for one in lasting.values())]


def _advice(live: Live) -> list[Advice]:
    window, state = live.stations(1), live.state
    if window is None or state is None or not state.incidents.incidents:
        return []
    rule = live.rules_at(window.start_ms).incidents.advice
    seen = list(state.incidents.incidents)
    return advise(seen, window.speed_kmh[:, -1], state.incidents.flow.usual_kmh, live.road, rule)


def _lowest(found: Iterable[Advice]) -> list[Advice]:
    """Return one piece of advice for each station: before two queues the slower one."""
    best: dict[int, Advice] = {}
    for one in found:
        here = best.get(one.station)
        if here is None or one.speed_kmh < here.speed_kmh:
            best[one.station] = one
    return [best[station] for station in sorted(best)]
