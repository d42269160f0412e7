"""What stands at a moment: open alarms, faults of detectors, dark customers, ready bills."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np

from gateway.energy.calendar import Calendar
from gateway.energy.engine.days.pieces import month_of
from gateway.ports import Alarm, Result
from gateway.registry import NodeKind
from gateway.sinks.derived.places import NO_AREA, Places
from gateway.sinks.derived.point import Point, number
from gateway.sinks.derived.standing import Standing
from gateway.store.derived import AlarmQuery, DerivedReader
from gateway.transport.health import ALARM_KIND
from gateway.views.fleet import Device, Fleet

OWN = "gateway"  # domain of the gateway's own alarms
_LANE = "tl1"
_SEVERITIES = ("note", "warning", "serious", "critical")
_FAULTS = {kind: float(fault + 1) for fault, kind in ALARM_KIND.items()}
_MOST_ALARMS = 100_000  # open at once; a storm of more tells its size by that
_PAGE = 10_000
_DAY_MS = 86_400_000
_FOREVER_MS = 1 << 53
# The watch knows 48 h; what began before is over by then.
_DARK_MS = 3 * _DAY_MS
_READY = ("meters", "ready", "open_slots", "held_slots")
_ALL = {"level": "grid", "place": "all", "area": NO_AREA}


class _Bill(msgspec.Struct):
    """What is read of a meter's day: of a month there are 30 for each meter."""

    open_slots: int
    held_slots: int


_BILL = msgspec.json.Decoder(_Bill)


class Now:
    """Asks what stands.

    Args:
        derived: findings.
        places: tags.
        calendar: when local months begin.
        domains: sectors that are worked on.
        standing: alarms that last.
    """

    def __init__(
        self,
        derived: DerivedReader,
        places: Places,
        calendar: Calendar,
        domains: tuple[str, ...],
        standing: Standing,
    ) -> None:
        self._derived, self._places, self._standing = derived, places, standing
        self._calendar, self._domains = calendar, domains

    def alarms(self, time_ms: int) -> Iterator[Point]:
        """Yield how many alarms of each area are open; an area without any has zeros."""
        lasting, domains = self._standing.lasting(), dict.fromkeys(self._domains)
        if self._standing.has_lives:
            domains[OWN] = None
        for domain in domains | dict.fromkeys(one.domain for one in lasting):
            # of the gateway's own, too: else its last alarm stays the newest count for ever
            areas = self._places.areas() if domain in self._domains else (NO_AREA,)
            counts: dict[str, Counter[int]] = {area: Counter() for area in areas}
            for one in lasting:
                if one.domain == domain:
                    area = self._places.place(one.place, time_ms)["area"]
                    counts.setdefault(area, Counter())[one.severity] += 1
            for area, count in counts.items():
                fields = {name: float(count[at]) for at, name in enumerate(_SEVERITIES, 1)}
                fields["open"] = float(count.total())
                yield Point("alarm_open", {"domain": domain, "area": area}, fields, time_ms)

    def detectors(self, fleet: Fleet, time_ms: int) -> Iterator[Point]:
        """Yield the fault of each detector of traffic, 0 where it has none."""
        faults: dict[str, float] = {}
        for alarm in self._open("transport"):
            fault = _FAULTS.get(alarm.kind)
            if fault is not None:
                name = alarm.place.removeprefix("device:")
                faults[name] = min(fault, faults.get(name, fault))
        for device in fleet.devices:
            if any(row.profile == _LANE for row in device.latest):
                fields = {"fault": faults.get(device.name, 0.0)}
                tags = self._places.device(device.name, time_ms)
                yield Point("detector_state", tags, fields, time_ms)

    def suspects(self, time_ms: int) -> Iterator[Point]:
        """Yield who may hide what is lost, by the evidence of the alarms that are open."""
        for alarm in self._open("energy", "loss"):
            evidence = msgspec.json.decode(alarm.evidence)
            head = {"missing_wh": number(evidence.get("missing_wh"))}
            place = self._places.place(alarm.place, time_ms)
            for rank, one in enumerate(evidence.get("suspects", ()), 1):
                tags = {**place, **self._places.device(one["device"], time_ms)}
                names = ("confidence_sigmas", "hidden_wh", "share")
                fields = {"rank": float(rank), **head}
                fields |= {name: number(one.get(name)) for name in names}
                yield Point("loss_suspect", tags, fields, time_ms)

    def dark(self, fleet: Fleet, time_ms: int) -> Iterator[Point]:
        """Yield how many customers of each feeder, and of all, have no power."""
        asked = Result("interruptions", "", time_ms - _DARK_MS, _FOREVER_MS, "")
        open_ones = {
            line.place.removeprefix("device:")
            for line in self._pages(asked)
            if msgspec.json.decode(line.body).get("is_open")
        }
        customers: Counter[str] = Counter()
        dark: Counter[str] = Counter()
        for device in fleet.devices:
            profiles = _sends(device)
            if device.row.sector != "energy" or not profiles:
                continue
            if self._places.is_connection(device.name, profiles, time_ms):
                area = self._places.area_of_device(device.name, time_ms)
                customers[area] += 1
                dark[area] += device.name in open_ones
        for area, many in customers.items():
            if area != NO_AREA:
                tags = {"level": NodeKind.FEEDER.value, "place": area, "area": area}
                yield Point("grid_outage", tags, _dark(many, dark[area]), time_ms)
        if customers:
            yield Point("grid_outage", _ALL, _dark(customers.total(), dark.total()), time_ms)

    def ready(self, fleet: Fleet, time_ms: int) -> Iterator[Point]:
        """Yield how many meters of each feeder, and of all, could be billed for the month so far.

        That is, for its days that are over: none of their slots is open or held. Who measures
        the grid has such days, too, and gets no bill.
        """
        profiles = {one.name: _sends(one) for one in fleet.devices}
        month: dict[str, Counter[str]] = {}
        for line in self._pages(Result("days", "", self._month_ms(time_ms), time_ms, "")):
            name = line.place.removeprefix("device:")
            sent = profiles.get(name, set())
            if line.to_ms <= time_ms and self._places.is_connection(name, sent, line.from_ms):
                body = _BILL.decode(line.body)
                own = month.setdefault(line.place, Counter())
                own["open_slots"] += body.open_slots
                own["held_slots"] += body.held_slots
        sums: dict[str, Counter[str]] = {}
        for place, own in month.items():
            own["meters"] = 1
            own["ready"] = int(own["open_slots"] + own["held_slots"] == 0)
            for key in {self._places.tags(place, time_ms)["area"], ""}:
                sums.setdefault(key, Counter()).update(own)
        for area, total in sums.items():
            fields = {name: float(total[name]) for name in _READY}
            fields["share"] = total["ready"] / total["meters"]
            feeder = {"level": NodeKind.FEEDER.value, "place": area, "area": area}
            if area != NO_AREA:
                yield Point("billing_ready", feeder if area else _ALL, fields, time_ms)

    def _month_ms(self, time_ms: int) -> int:
        first, _ = month_of(int(self._calendar.day(np.array([time_ms]))[0]))
        return self._calendar.start_ms(first)

    def _open(self, domain: str, kind: str | None = None) -> Iterator[Alarm]:
        query = AlarmQuery(0, _FOREVER_MS, kind, is_open=True)
        for one in self._derived.alarms(domain, query, _MOST_ALARMS):
            yield one.alarm

    def _pages(self, asked: Result) -> Iterator[Result]:
        after = (-1, "")
        while page := self._derived.results("energy", asked, _PAGE, after):
            yield from page
            after = (page[-1].from_ms, page[-1].place)


def _sends(device: Device) -> set[str]:
    return {row.profile for row in device.latest}


def _dark(customers: int, dark: int) -> dict[str, float | None]:
    return {"customers": float(customers), "dark": float(dark), "share": dark / customers}
