"""What more than one page looks at, under one name, so that it is worked out once."""

from collections.abc import Mapping, Sequence

from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.lines import Line, Lines
from gateway.board.looks.marks import Mark, marks_of
from gateway.board.looks.roads import Corridor, SpaceTime, corridors_of, space_time
from gateway.board.looks.sites import Sites, sites_of
from gateway.views.fleet import Fleet
from gateway.views.sight import Sight

_HOUR_MS = 3_600_000
# The registry is read at a start; what it says holds from and to some midnight.
SITES_S = 300.0
# Roads are told every 30 s, the map is looked at from afar.
ROADS_S = 5.0
MARKS_S = 2.0
_DARK_MS = 7 * 86_400_000
_LONGEST_MS = 86_400_000  # of a line that pages show by span: a local day


def now_ms(frame: Frame) -> int:
    """Return the moment."""
    return frame.hold.sight.clock()


async def fleet(frame: Frame) -> Fleet:
    """Return the fleet."""
    return await frame.see("fleet", frame.hold.sight.fleet)


async def open_alarms(frame: Frame) -> Sequence[AlarmLine]:
    """Return alarms that last, the most severe first."""
    hold = frame.hold

    def look() -> Sequence[AlarmLine]:
        return hold.alarms.between(0, hold.sight.clock() + 1, only_open=True)

    return await frame.see("open alarms", look)


async def alarms_of_span(frame: Frame) -> Sequence[AlarmLine]:
    """Return alarms that lasted some time in the span of the page."""
    hold, span_ms = frame.hold, frame.place.span_ms

    def look() -> Sequence[AlarmLine]:
        now = hold.sight.clock()
        return hold.alarms.between(now - span_ms, now + 1)

    return await frame.see(("alarms", frame.place.span), look, 2.0)


async def sites(frame: Frame) -> Sites:
    """Return the map's points."""
    sight = frame.hold.sight
    return await frame.see("sites", lambda: sites_of(sight.registry, sight.clock()), SITES_S)


async def roads(frame: Frame) -> Mapping[str, Line]:
    """Return how stations and corridors are now, by place."""
    sight = frame.hold.sight
    return await frame.see("roads", lambda: roads_of(sight), ROADS_S)


def roads_of(sight: Sight) -> Mapping[str, Line]:
    """Return the newest line of each; one of more than two hours is none of now."""
    now = sight.clock()
    return Lines(sight.derived, "transport").current("live", now - 2 * _HOUR_MS, now + _HOUR_MS)


async def marks(frame: Frame) -> Sequence[Mark]:
    """Return how each point of the map is."""
    points = await sites(frame)
    alarms, devices, states = await open_alarms(frame), await fleet(frame), await roads(frame)

    def look() -> Sequence[Mark]:
        levels = {
            place: str(one.values.get("level_of_service") or "") for place, one in states.items()
        }
        slow = {place for place, one in states.items() if one.values.get("slow_now")}
        return marks_of(points, alarms, devices, levels, slow)

    return await frame.see("marks", look, MARKS_S)


async def lines(
    frame: Frame, domain: str, series: str, back_ms: int, fresh_s: float = 10.0
) -> Sequence[Line]:
    """Return the lines of the newest day, week or month of a series."""
    sight = frame.hold.sight

    def look() -> Sequence[Line]:
        return Lines(sight.derived, domain).newest(series, sight.clock(), back_ms)

    return await frame.see(("newest", domain, series), look, fresh_s)


async def lines_of_span(
    frame: Frame, domain: str, series: str, place: str = "", fresh_s: float = 10.0
) -> Sequence[Line]:
    """Return the lines of a series that lasted some time in the span of the page.

    Of a day: its line began up to a day before it, and a span of 24 h shows two of them.
    """
    sight, span_ms = frame.hold.sight, frame.place.span_ms

    def look() -> Sequence[Line]:
        now = sight.clock()
        begin_ms = now - span_ms
        lines = Lines(sight.derived, domain)
        found = lines.between(series, begin_ms - _LONGEST_MS, now + 1, place)
        return [one for one in found if one.to_ms > begin_ms]

    return await frame.see(("span", domain, series, place, frame.place.span), look, fresh_s)


async def corridors(frame: Frame) -> Sequence[Corridor]:
    """Return the corridors of the registry."""
    sight = frame.hold.sight
    return await frame.see(
        "corridors", lambda: corridors_of(sight.registry, sight.clock()), SITES_S
    )


async def course(
    frame: Frame, corridor: Corridor, span_ms: tuple[int, int] | None = None
) -> SpaceTime:
    """Return how a corridor was in the span of the page, or in one of the past."""
    sight, length_ms = frame.hold.sight, frame.place.span_ms

    def look() -> SpaceTime:
        now = sight.clock()
        return space_time(sight.derived, corridor, *(span_ms or (now - length_ms, now)))

    return await frame.see(("course", corridor.place, span_ms or frame.place.span), look, 10.0)


async def open_interruptions(frame: Frame) -> int:
    """Return how many customers are without power; one that lasts longer is told by its alarm."""
    sight = frame.hold.sight

    def look() -> int:
        now = sight.clock()
        told = Lines(sight.derived, "energy").between("interruptions", now - _DARK_MS, now + 1)
        return sum(bool(one.values.get("is_open")) for one in told)

    return await frame.see("dark", look, 2.0)
