"""Why a detector is silent: what the store and the energy side know of its cabinet.

Nothing is kept: what is asked of a silence is asked again while it lasts and for a while after it,
since a last word, an outage or the rows of that time may come later than the silence is noticed.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.model import FloatArray, IntArray, Reason
from gateway.ports import Alarm
from gateway.registry import Device, Node, NodeKind
from gateway.store.derived import AlarmQuery
from gateway.transport.engine.alarms import AlarmBook
from gateway.transport.engine.house import House
from gateway.transport.engine.live import Live
from gateway.transport.engine.roster import LANES
from gateway.transport.health import (
    ALARM_KIND,
    UNKNOWN,
    Cause,
    Causes,
    Fault,
    Feeds,
    HealthPolicy,
    Roadside,
    Silences,
    root_cause,
)
from gateway.transport.series import Road
from gateway.units import UNITS
from gateway.views.engineering import engineer

KIND = ALARM_KIND[Fault.NO_DATA]
MOST_ASKED = 64  # silences of an interval; the others have their turn in the next ones
AFTER_MS = 3_600_000  # what a silence was put down to may change that long after its end
_ENERGY = "energy"
_POWER_COLUMN = "p"
_LAST_GASP = 99
_OUTAGES = frozenset({"service_outage", "transformer_outage", "feeder_outage", "substation_outage"})
_MOST_ALARMS = 5_000
_HOUR_MS = 3_600_000
_ABOVE = {
    NodeKind.TRANSFORMER: "transformer",
    NodeKind.FEEDER: "feeder",
    NodeKind.SUBSTATION: "substation",
}


class _Cabinet(NamedTuple):
    """What feeds detectors."""

    meter: int  # device index; -1: no meter of its own
    places: frozenset[str]  # of alarms that make it dark


class Reasons:
    """Asks for the reasons of silences.

    Args:
        house: the store, the alarms of energy, and what hangs on what.
    """

    def __init__(self, house: House) -> None:
        self._reader, self._derived = house.reader, house.derived
        self._profiles, self._registry = house.profiles, house.registry
        self._row: dict[str, int] = {}
        self._lanes = np.zeros(0, np.int64)
        self._side = Roadside(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._cabinets: list[_Cabinet] = []
        self._asked_ms: dict[tuple[str, int], int] = {}

    def adopt(self, road: Road, now_ms: int) -> None:
        """Learn what the lanes of a road hang on."""
        supplies: dict[str, int] = {}
        uplinks: dict[str, int] = {}
        chains: dict[str, tuple[Node, ...]] = {}
        cabinet, uplink = [], []
        for name in road.devices:
            known = self._registry is not None and self._registry.device(name) is not None
            standing = self._registry.at(name, now_ms) if self._registry and known else None
            supply = standing.supply if standing else ()
            cabinet.append(_number(supplies, standing and standing.cabinet))
            chains.update({supply[0].id: supply} if supply else {})
            uplink.append(_number(uplinks, standing and standing.uplink))
        self._row = {name: row for row, name in enumerate(road.devices)}
        self._lanes = road.device_index
        self._side = Roadside(np.array(cabinet, np.int64), np.array(uplink, np.int64))
        meters = {row.device: row.device_index for row in self._reader.devices()}
        self._cabinets = [self._cabinet(chains[name], meters, now_ms) for name in supplies]

    def _cabinet(self, chain: tuple[Node, ...], meters: dict[str, int], now_ms: int) -> _Cabinet:
        """Return the places whose outage makes a cabinet dark, and its own meter if it has one."""
        places = {f"{_ABOVE[node.kind]}:{node.id}" for node in chain if node.kind in _ABOVE}
        is_cabinet = chain[0].kind is NodeKind.CABINET  # a transformer has many meters
        below = self._registry.children(chain[0].id, now_ms) if self._registry else []
        own = [one.id for one in below if isinstance(one, Device) and is_cabinet]
        places |= {f"device:{name}" for name in own}
        return _Cabinet(max((meters.get(name, -1) for name in own), default=-1), frozenset(places))

    def explain(self, live: Live, book: AlarmBook, now_ms: int) -> list[Alarm]:
        """Return the alarms of silences whose reason is known better than before."""
        assert live.state is not None  # noqa: S101  # it closed an interval
        until_ms = live.state.next_ms
        policy = live.rules_at(until_ms).health
        told = self.weigh(book.lasting(now_ms - AFTER_MS, now_ms), policy, now_ms)
        return book.tell(told, until_ms)

    def weigh(self, alarms: Iterable[Alarm], policy: HealthPolicy, now_ms: int) -> list[Alarm]:
        """Return the alarms of silences whose reason is new, with the reason in their evidence.

        Args:
            alarms: of transport, those that last and those that were over lately.
            policy: weights.
            now_ms: the moment up to which things are known.
        """
        ours = [one for one in alarms if one.kind == KIND and self._is_lately(one, now_ms)]
        ours = [one for one in ours if one.place.partition(":")[2] in self._row]
        if not ours:
            return []
        rows = [self._row[one.place.partition(":")[2]] for one in ours]
        silences = self._silences(ours, rows)
        turn = self._turn(ours, now_ms)
        asked = [rows[place] for place in turn]
        for place in turn:
            silences.has_backlog[rows[place]] = self._has_backlog(ours[place], rows[place])
        feeds = self._feeds(silences.begin_ms, set(asked), policy, now_ms)
        causes = root_cause(silences, self._side, feeds, policy)
        told = ((ours[place], _told(ours[place], rows[place], causes)) for place in turn)
        return [new for old, new in told if new != old]

    def _turn(self, ours: Sequence[Alarm], now_ms: int) -> list[int]:
        """Return whose turn it is: a city may be silent at once, and each costs some questions."""
        keys = [(one.place, one.raised_ms) for one in ours]
        self._asked_ms = {key: self._asked_ms.get(key, 0) for key in keys}
        turn = sorted(range(len(ours)), key=lambda place: self._asked_ms[keys[place]])[:MOST_ASKED]
        self._asked_ms.update({keys[place]: now_ms for place in turn})
        return turn

    def _is_lately(self, one: Alarm, now_ms: int) -> bool:
        return not one.cleared_ms or one.cleared_ms > now_ms - AFTER_MS

    def _silences(self, alarms: Sequence[Alarm], rows: Sequence[int]) -> Silences:
        lanes = len(self._lanes)
        begin, heard = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
        back, backlog, nobody = (np.zeros(lanes, np.bool_) for _ in range(3))
        for row in self._reader.latest(LANES):
            at = int(np.searchsorted(self._lanes, row.device_index))
            if at < lanes and self._lanes[at] == row.device_index:
                heard[at] = row.time_ms
        for one, lane in zip(alarms, rows, strict=True):
            begin[lane] = one.raised_ms
            back[lane] = one.cleared_ms > 0
            heard[lane] = max(heard[lane], one.raised_ms) if back[lane] else one.raised_ms
        return Silences(begin, heard, back, backlog, nobody, nobody)

    def _has_backlog(self, one: Alarm, lane: int) -> bool:
        """Return whether rows of a silence that is over came afterwards."""
        if not one.cleared_ms:
            return False
        whose = int(self._lanes[lane]), int(self._lanes[lane])
        pages = self._reader.rows_of(LANES, whose, one.raised_ms + 1, one.cleared_ms)
        return any(bool(((page.reasons & int(Reason.LATE)) != 0).any()) for page in pages)

    def _feeds(
        self, begin_ms: IntArray, asked: set[int], policy: HealthPolicy, now_ms: int
    ) -> Feeds:
        """Return what is known of the cabinets of some lanes."""
        count = len(self._cabinets)
        out, gasped, silent = (np.zeros(count, np.bool_) for _ in range(3))
        power_w = np.full(count, np.nan)
        near_ms = policy.cause.window_s * 1000
        outages = self._outages(int(begin_ms[begin_ms > 0].min()) - near_ms, now_ms)
        for number in sorted({int(self._side.cabinet[lane]) for lane in asked} - {-1}):
            cabinet = self._cabinets[number]
            since_ms = int(begin_ms[(self._side.cabinet == number) & (begin_ms > 0)].min())
            out[number] = any(
                one.place in cabinet.places
                and one.raised_ms <= since_ms + near_ms
                and not 0 < one.cleared_ms < since_ms - near_ms
                for one in outages
            )
            if cabinet.meter < 0:
                continue
            gasped[number] = self._has_gasped(cabinet.meter, since_ms, near_ms)
            power_w[number], due_ms = self._power_w(cabinet.meter, since_ms, now_ms)
            is_overdue = 0 < due_ms < now_ms - near_ms
            silent[number] = np.isnan(power_w[number]) and is_overdue
        return Feeds(out, gasped, silent, power_w)

    def _outages(self, from_ms: int, now_ms: int) -> list[Alarm]:
        """Return the outages that the energy side tells of since then."""
        found = self._derived.alarms(_ENERGY, AlarmQuery(from_ms, now_ms + 1), _MOST_ALARMS)
        alarms = (one.alarm for one in found)
        return [a for a in alarms if a.kind in _OUTAGES and "withdrawn" not in a.evidence]

    def _has_gasped(self, meter: int, since_ms: int, near_ms: int) -> bool:
        events, _ = self._reader.events(since_ms - near_ms, since_ms + near_ms, meter)
        return any(event.code == _LAST_GASP for event in events)

    def _power_w(self, meter: int, since_ms: int, now_ms: int) -> tuple[float, int]:
        """Return what a meter read first after a moment, and when that was due; NaN and 0: no."""
        for row in self._reader.latest(device_index=meter):
            profile = self._profiles[row.profile]
            at = profile.column_index(_POWER_COLUMN)
            if profile.sector != _ENERGY or at is None:
                continue
            interval_ms = profile.interval_s * 1000
            until_ms = min(since_ms + 2 * interval_ms, now_ms) + 1
            pages = self._reader.rows_of(profile.name, (meter, meter), since_ms + 1, until_ms)
            rows = [(page.time_ms, page.values[:, at]) for page in pages if len(page)]
            if not rows:
                return np.nan, since_ms + interval_ms
            times, values = (np.concatenate(part) for part in zip(*rows, strict=True))
            first = values[[int(times.argmin())]]
            column = profile.columns[at]
            watts: FloatArray = engineer(column, first) * UNITS[column.unit][1]
            return float(watts[0]), since_ms + interval_ms
        return np.nan, 0


def _number(known: dict[str, int], name: str | None) -> int:
    return -1 if not name else known.setdefault(name, len(known))


def _told(one: Alarm, row: int, causes: Causes) -> Alarm:
    """Return an alarm with the reason in its evidence."""
    evidence = msgspec.json.decode(one.evidence)
    cause = int(causes.cause[row])
    evidence["cause"] = "unknown" if cause == UNKNOWN else Cause(cause).name.lower()
    evidence["cause_confidence"] = round(float(causes.confidence[row]), 3)
    evidence["nats"] = {
        cause.name.lower(): round(float(causes.weight[cause, row]), 2) for cause in Cause
    }
    return one._replace(evidence=msgspec.json.encode(evidence).decode())
