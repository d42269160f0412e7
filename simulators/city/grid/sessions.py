"""When people run what draws much: coolers for hours, cookers and showers for minutes.

An air conditioner is put on, runs for a while and is put off: it is not wanted anew in each half
hour. A session belongs to an occasion, the noon rest or the night; its begin is drawn so that at
every moment as many run as the chances of ``homes.OCCASIONS`` and the weather ask for, and so is
its end. Sources: Yoshida et al. 2021 (30 homes, Global Environmental Research 25: in Ha Noi while
people sleep, 22 to 6 h, 5.3 h a day parents, 8.1 h children); Xia et al. 2019 (102 bedrooms in
Guangzhou, Energy and Buildings: 49 % at night only, 6 % at noon too, 45 % hardly: a habit of the
home, so that half of the days are as usual). Cycles of cookers: Richardson et al. 2010, hob 16 min,
oven 27 min. That a recorded home remembers its last hour, and how well, is in docs/simulators.md.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.city import calendar
from simulators.city.dice import Words, stir, throw
from simulators.city.frame import Floats, Ints
from simulators.city.weather import Weather
from simulators.homes import (
    COOKING,
    COOKING_HOURS,
    OCCASIONS,
    SHOWER,
    WASHING_HOURS,
    Occasion,
    Use,
)

Mask = NDArray[np.bool_]
_FIELD = np.uint64(0xFFFF)  # four draws of 16 bits are in one word: enough for a chance
_MS_PER_HOUR = 3_600_000
_MARK_H = 0.5  # between two looks at the weather
_COOL_FROM_C, _COOL_FULL_C = 24.0, 33.0
_MOST = 0.95  # of those who have a cooler, on the hottest evening
_AS_USUAL = 0.5  # of the days
_LATE_MS = 1_200_000  # a day is up to so much later or earlier than another
_PULL_DOWN_MS = 900_000  # a room that was warm is cooled without a pause first
_PHASE_MS = 2_700_000  # of the homes
_KINDS = 32  # of events in a day, at most


class People(NamedTuple):
    """What sessions depend on, home × 1."""

    key: Words
    phase_ms: Floats  # how much earlier than others
    is_away: Floats  # at Tết


class Cooling(NamedTuple):
    """Where coolers are on, home × moment."""

    runs: Mask
    pulls: Mask  # at full power, whatever the thermostat will say


def heat_of(temperature_c: Floats) -> Floats:
    """Return how much cooling is wanted, 0 to 1."""
    return np.clip((temperature_c - _COOL_FROM_C) / (_COOL_FULL_C - _COOL_FROM_C), 0, 1)


def cooling(people: People, time_ms: Ints, weather: Weather) -> Cooling:
    """Return the sessions of air conditioners.

    Args:
        people: homes.
        time_ms: moments, ascending.
        weather: over them.
    """
    shape = (people.key.size, time_ms.size)
    found = Cooling(np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))
    for day in _days(time_ms):
        for number, occasion in enumerate(OCCASIONS):
            hours = np.arange(0, len(occasion.chance) - 1 + _MARK_H, _MARK_H)
            marks = _at(day, occasion.from_h) + (hours * _MS_PER_HOUR).astype(np.int64)
            if not _columns(time_ms, marks[0], marks[-1]):
                continue
            wish = _wish(occasion, hours) * 2 * heat_of(weather.temperature_c(marks))
            begin, end = _session(people, (day, number), marks, np.minimum(wish, _MOST))
            columns = slice(*np.searchsorted(time_ms, (begin.min(), end.max())).tolist())
            moments = time_ms[columns]
            runs = (moments >= begin) & (moments < end)
            found.runs[:, columns] |= runs
            found.pulls[:, columns] |= runs & (moments < begin + _PULL_DOWN_MS)
    return found


def cooking(people: People, time_ms: Ints) -> Mask:
    """Return where something is cooked, home × moment."""
    return _used(people, time_ms, list(COOKING_HOURS.items()), COOKING)


def washing(people: People, time_ms: Ints) -> Mask:
    """Return where somebody has a shower, home × moment."""
    uses = [(hour + part, chance) for hour, chance in WASHING_HOURS.items() for part in (0, 0.5)]
    return _used(people, time_ms, uses, SHOWER)


def _wish(occasion: Occasion, hours: Floats) -> Floats:
    return np.interp(hours, np.arange(len(occasion.chance)), occasion.chance)


def _session(
    people: People, which: tuple[int, int], marks: Ints, wish: Floats
) -> tuple[Floats, Floats]:
    """Return begin and end of each home's session; where there is none, both are the same.

    At each moment before the peak of the wish a session has begun with the chance ``wish``: the
    begin is where the rising wish passes a level that is drawn, the end where it falls below
    another one.
    """
    day, number = which
    peak = int(wish.argmax())
    fresh, coin, first, last = _draws(people.key, day * _KINDS + number, 2)
    draw = np.where(coin < _AS_USUAL, throw(people.key, 14 + number), fresh)
    is_used = draw < wish[peak] * _at_home(people, marks[peak : peak + 1])
    rising = np.maximum.accumulate(wish[: peak + 1])
    falling = np.maximum.accumulate(wish[:peak:-1]) if peak + 1 < wish.size else wish[peak:]
    falling = np.append(falling, wish[peak])
    back = marks[::-1][: falling.size]
    shift = people.phase_ms + _LATE_MS * (
        2 * throw(people.key, _part(day * _KINDS + number, 4)) - 1
    )
    begin = np.interp(first * wish[peak], rising, marks[: peak + 1]) - shift
    end = np.interp(last * wish[peak], falling, back) - shift
    return np.where(is_used, begin, end), end


def _used(people: People, time_ms: Ints, uses: Sequence[tuple[float, float]], use: Use) -> Mask:
    """Return where an appliance runs that is used for minutes, whatever the clock then says.

    Args:
        people: homes.
        time_ms: moments, ascending.
        uses: in a day: from which hour on, and with which chance, it begins.
        use: within how long, and for how long.
    """
    found = np.zeros((people.key.size, time_ms.size), np.bool_)
    for day in _days(time_ms):
        for number, (from_h, chance) in enumerate(uses):
            from_ms, within_ms = _at(day, from_h), use.begins_in_s * 1000
            if not _columns(time_ms, from_ms, from_ms + within_ms + use.longest_s * 1000):
                continue
            wanted, start, length, _ = _draws(people.key, day * _KINDS + number, use.kind)
            begin = from_ms + start * within_ms - people.phase_ms
            lasts = use.shortest_s + (use.longest_s - use.shortest_s) * length
            is_used = wanted < chance * _at_home(people, np.array([from_ms]))
            end = np.where(is_used, begin + lasts * 1000, begin)
            columns = slice(*np.searchsorted(time_ms, (begin.min(), end.max())).tolist())
            found[:, columns] |= (time_ms[columns] >= begin) & (time_ms[columns] < end)
    return found


def _draws(key: Words, number: int, kind: int) -> list[Floats]:
    word = stir(key, _part(number, kind))
    return [((word >> np.uint64(k)) & _FIELD) / 65536.0 for k in (0, 16, 32, 48)]


def _part(number: int, kind: int) -> Ints:
    return part_of(np.array(number, dtype=np.int64), kind)


def part_of(number: Ints, kind: int) -> Ints:
    """Return a part for ``dice`` that no other kind of draw uses."""
    return np.asarray(number * 16 + kind + 1000)


def presence(is_away: Floats, is_tet: Floats) -> Floats:
    """Return who is at home: at Tết some have gone to the country, others have guests."""
    return np.asarray(1 + is_tet * np.where(is_away, -0.9, 0.2))


def _at_home(people: People, time_ms: Ints) -> Floats:
    is_tet = calendar.is_tet(time_ms).astype(np.float64)
    return np.minimum(presence(people.is_away, is_tet), 1.0)


def _days(time_ms: Ints) -> Iterator[int]:
    """Yield the local days whose sessions may touch the moments: a night ends on the next day."""
    first, last = calendar.local_day(time_ms[[0, -1]]).tolist()
    yield from range(first - 1, last + 1)


def _at(day: int, hour: float) -> int:
    return day * calendar.DAY_MS - calendar.UTC_OFFSET_MS + round(hour * _MS_PER_HOUR)


def _columns(time_ms: Ints, from_ms: float, to_ms: float) -> bool:
    """Return whether a moment may be touched, some people being earlier or later than others."""
    slack = _PHASE_MS + _LATE_MS
    first, last = np.searchsorted(time_ms, (from_ms - slack, to_ms + slack)).tolist()
    return bool(first < last)
