"""How much traffic wants to come: by hour, weekday, road, and around Tết."""

from datetime import date

import numpy as np

from simulators.city.calendar import SATURDAY, SUNDAY, TET, by_hour, local_day, local_hour, weekday
from simulators.road.diagram import ROADS, Floats

_FRIDAY = 4
_TRUCKS_OUT_H = (5, 22)  # hours of the ban on trucks in a city

# Share of a link's own peak, by local hour. Cities have two commuter peaks and a noon shoulder;
# expressways fill later and stay full; a port works around the clock.
_HOURS = {
    "urban": (
        *(0.08, 0.05, 0.04, 0.05, 0.12, 0.35, 0.78, 1.00, 0.82, 0.62, 0.60, 0.68),
        *(0.58, 0.60, 0.62, 0.68, 0.86, 1.00, 0.88, 0.66, 0.52, 0.40, 0.26, 0.14),
    ),
    "expressway": (
        *(0.20, 0.15, 0.13, 0.14, 0.22, 0.42, 0.68, 0.85, 0.95, 0.92, 0.85, 0.76),
        *(0.70, 0.76, 0.85, 0.94, 1.00, 0.98, 0.86, 0.70, 0.56, 0.46, 0.36, 0.27),
    ),
    "national": (
        *(0.16, 0.12, 0.11, 0.15, 0.28, 0.55, 0.85, 1.00, 0.90, 0.80, 0.76, 0.70),
        *(0.62, 0.68, 0.76, 0.85, 0.97, 1.00, 0.80, 0.58, 0.44, 0.34, 0.26, 0.20),
    ),
    "gate": (
        *(0.55, 0.50, 0.45, 0.40, 0.42, 0.50, 0.60, 0.75, 0.95, 1.00, 0.98, 0.80),
        *(0.65, 0.85, 0.98, 1.00, 0.95, 0.85, 0.80, 0.85, 0.90, 0.85, 0.75, 0.65),
    ),
}
_SATURDAY_SHARE = {"urban": 0.85, "expressway": 1.0, "national": 0.95, "gate": 0.9}
_SUNDAY_SHARE = {"urban": 0.72, "expressway": 1.04, "national": 0.9, "gate": 0.6}
_FRIDAY_SHARE = {"urban": 1.0, "expressway": 1.06, "national": 1.03, "gate": 1.0}

# Days from the new year on which people leave the city, feast, and come back. Our choice.
_EXODUS, _FEAST, _RETURN = (-4, -1), (-1, 3), (3, 5)
_TET_SHARE = {"urban": 0.38, "expressway": 0.7, "national": 0.75, "gate": 0.15}
_TRAVEL_SHARE = {"urban": 0.8, "expressway": 1.12, "national": 1.1, "gate": 0.5}
_TET_DAYS = np.array([date.fromisoformat(day).toordinal() for day in TET])
_TET_DAYS -= date(1970, 1, 1).toordinal()

_CURVES = np.array([_HOURS[road] for road in ROADS])
_NIGHT = np.array((0.66, 0.18, 0.005, 0.10, 0.055))


def demand(time_ms: int) -> Floats:
    """Return the share of its own peak that each kind of road sees now, in the order of ROADS."""
    time = np.array([time_ms], dtype=np.int64)
    hour = local_hour(time)
    now = np.array([by_hour(curve, hour)[0] for curve in _CURVES])
    day = _day_shares(int(local_day(time)[0]), int(weekday(time)[0]))
    return np.asarray(now * np.array([day[road] for road in ROADS]))


def mixes(base: Floats, time_ms: int) -> Floats:
    """Return the shares of the classes (roads × classes): cities let trucks in at night only."""
    hour = float(local_hour(np.array([time_ms], dtype=np.int64))[0])
    result = base.copy()
    if not _TRUCKS_OUT_H[0] <= hour < _TRUCKS_OUT_H[1]:
        result[ROADS.index("urban")] = _NIGHT
    return result


def _day_shares(day: int, day_of_week: int) -> dict[str, float]:
    nearest = int(min(day - _TET_DAYS, key=abs))
    if _FEAST[0] <= nearest < _FEAST[1]:
        return _TET_SHARE
    if _EXODUS[0] <= nearest < _RETURN[1]:
        return _TRAVEL_SHARE
    by_weekday = {_FRIDAY: _FRIDAY_SHARE, SATURDAY: _SATURDAY_SHARE, SUNDAY: _SUNDAY_SHARE}
    return by_weekday.get(day_of_week, dict.fromkeys(ROADS, 1.0))
