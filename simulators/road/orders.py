"""The scenarios that the road can play: how each is made, and what an order leaves open."""

from collections.abc import Callable, Mapping, Sequence

from simulators.chance import between, mix
from simulators.city.calendar import DAY_MS, midnight_ms
from simulators.city.frame import Scenario, Span
from simulators.road import faults, jams, oddities, silences
from simulators.road.layout import Layout
from simulators.road.network import NOWHERE
from simulators.road.traffic import STEP_MS
from simulators.road.trouble import Places, Scene, Trouble

_MINUTE_MS = 60_000
_MAKERS: dict[str, Callable[[Scene, Scenario, Places], Trouble]] = {
    "stalled_vehicle": jams.StalledVehicle,
    "lane_closure": jams.LaneClosure,
    "queue_spillback": jams.SpillBack,
    "road_flood": jams.RoadFlood,
    "detector_stuck": faults.Stuck,
    "detector_card_off": faults.CardOff,
    "detector_constant": faults.Constant,
    "detector_chatter": faults.Chatter,
    "detector_hanging": faults.Hanging,
    "detector_over_count": faults.OverCount,
    "detector_under_count": faults.UnderCount,
    "detector_cross_talk": faults.CrossTalk,
    "detector_dead": silences.DetectorDead,
    "road_comms_outage": silences.RoadCommsOutage,
    "wrong_way": oddities.WrongWay,
    "toll_reader_failure": oddities.TollReaderFailure,
    "overload_truck": oddities.OverloadTruck,
}
KINDS = frozenset(_MAKERS)
_PARAMETERS = {
    "lane_closure": {"lane"},
    "queue_spillback": {"share"},
    "road_flood": {"depth_m", "rain_mm_h"},
    "detector_chatter": {"extra_per_window"},
    "detector_hanging": {"share"},
    "detector_over_count": {"factor"},
    "detector_under_count": {"factor"},
    "detector_cross_talk": {"share"},
    "wrong_way": {"speed_kmh"},
    "toll_reader_failure": {"share"},
    "overload_truck": {"axle_kg"},
}
_FAULT_MINUTES = 360
_MINUTES = {
    "stalled_vehicle": 30,
    "lane_closure": 90,
    "queue_spillback": 30,
    "road_flood": 90,
    "road_comms_outage": 60,
    "wrong_way": 5,
    "toll_reader_failure": 60,
    "overload_truck": 120,
}
# What needs traffic to be seen happens while there is some.
_BUSY_H = (7.0, 16.5)
_EARLIEST_SHARE, _LATEST_SHARE, _LONGEST_SHARE = 0.2, 0.4, 0.5  # of a run of less than a day


def make(scene: Scene, order: Scenario, places: Places) -> Trouble:
    """Return the scenario of an order.

    Raises:
        ValueError: there is no such place, or a parameter is out of its range.
    """
    if order.to_ms - order.from_ms < STEP_MS:
        raise ValueError(f"{order.kind}: shorter than {STEP_MS} ms")
    unknown = order.parameters.keys() - _PARAMETERS.get(order.kind, frozenset())
    if unknown:
        raise ValueError(f"{order.kind}: no parameter {min(unknown)!r}")
    return _MAKERS[order.kind](scene, order, places)


def draw(layout: Layout, key: int, kind: str, span: Span, wish: Mapping[str, object]) -> Scenario:
    """Choose place and time of a scenario where the wish leaves them open."""
    rest = {
        name: value
        for name, value in wish.items()
        if name not in {"where", "from_ms", "to_ms"} and isinstance(value, (int, float, str))
    }
    candidates = _places(layout, kind)
    where = wish.get("where")
    if where is None:
        if not candidates:
            raise ValueError(f"{kind}: no place for it in a city with {layout.lanes} lanes")
        where = candidates[mix(key, 1) % len(candidates)]
    from_ms, to_ms = _times(key, kind, span, wish)
    return Scenario(kind, str(where), from_ms, to_ms, rest)


def _times(key: int, kind: str, span: Span, wish: Mapping[str, object]) -> tuple[int, int]:
    whole_ms = span.to_ms - span.from_ms
    length_ms = _MINUTES.get(kind, _FAULT_MINUTES) * _MINUTE_MS
    length_ms = min(length_ms, int(whole_ms * _LONGEST_SHARE))
    share = between(_EARLIEST_SHARE, _LATEST_SHARE, key, 2)
    begin_ms = span.from_ms + int(whole_ms * share)
    if whole_ms >= DAY_MS:
        begin_ms = _in_the_day(key, span)
    from_ms = _whole(wish.get("from_ms"), begin_ms)
    return from_ms, _whole(wish.get("to_ms"), from_ms + length_ms)


def _in_the_day(key: int, span: Span) -> int:
    """Return a busy hour of one of the days, not of the last one's rest."""
    first_ms = midnight_ms(span.from_ms)
    hour_ms = int(between(*_BUSY_H, key, 3) * 3_600_000)
    days = [
        first_ms + day * DAY_MS + hour_ms
        for day in range((span.to_ms - first_ms) // DAY_MS + 1)
        if span.from_ms <= first_ms + day * DAY_MS + hour_ms < span.to_ms
    ]
    return days[mix(key, 4) % len(days)]


def _whole(value: object, default: int) -> int:
    chosen = value if isinstance(value, (int, float)) else default
    return int(chosen) - int(chosen) % STEP_MS


def _places(layout: Layout, kind: str) -> Sequence[str]:
    """Return where a scenario makes sense; jams need a link before them that shows the queue."""
    stations, net = layout.stations, layout.network
    follows = {int(k) for k in net.next if k != NOWHERE}
    inner = [s for k, s in enumerate(stations) if k in follows and s.loops]
    open_road = [s.section for s in inner if net.links[stations.index(s)].road != "urban"]
    special = {
        "stalled_vehicle": open_road,
        "lane_closure": open_road,
        "queue_spillback": [s.section for s in inner],
        "road_comms_outage": [s.section for s in stations],
        "road_flood": [s.section for s in stations if s.sky],
        "wrong_way": [s.radar for s in stations if s.radar and s.loops],
        "toll_reader_failure": [name for s in stations for name in s.tolls],
        "overload_truck": [s.scale for s in stations if s.scale],
        "detector_cross_talk": [name for s in stations if len(s.loops) > 1 for name in s.loops],
    }
    return special.get(kind, [name for s in stations for name in s.loops])
