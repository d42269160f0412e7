"""From intervals and single vehicles to bins of 1, 5, 15 minutes, an hour, a day.

Time-mean speed is the mean of the vehicles' speeds, space-mean speed their harmonic mean. Where a
detector sends only the mean of an interval, the spread within it is lost: the space-mean of a bin
is then a little high, and its 85th percentile the weighted mean of the intervals' ones.
"""

from gateway.transport.aggregate.lanes import (
    bins,
    coarser,
    grade_of_observed,
    is_trusted,
    recovered,
)
from gateway.transport.aggregate.measures import density_veh_km, headway_s, pcu
from gateway.transport.aggregate.stations import by_station, station_bins, stations
from gateway.transport.aggregate.vehicles import bins_of_vehicles

__all__ = [
    "bins",
    "bins_of_vehicles",
    "by_station",
    "coarser",
    "density_veh_km",
    "grade_of_observed",
    "headway_s",
    "is_trusted",
    "pcu",
    "recovered",
    "station_bins",
    "stations",
]
