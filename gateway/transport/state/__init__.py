"""What the counts say of the road: level of service, travel time, delay, jams, the year.

Everything here is of stations, ``aggregate.station_bins``, in the order of ``Road.stations``.
"""

from gateway.transport.state.bottlenecks import Bottleneck, bottlenecks
from gateway.transport.state.congestion import Jam, jams, speed_ratio
from gateway.transport.state.coverage import Reach, coverage
from gateway.transport.state.queues import QueueState, queue_hours, queues
from gateway.transport.state.service import Level, levels
from gateway.transport.state.travel import (
    Reliability,
    current_speeds,
    link_hours,
    reliability,
    to_the_end,
    travel_times,
)
from gateway.transport.state.work import Work, stretches_km, work
from gateway.transport.state.year import Annual, annual

__all__ = [
    "Annual",
    "Bottleneck",
    "Jam",
    "Level",
    "QueueState",
    "Reach",
    "Reliability",
    "Work",
    "annual",
    "bottlenecks",
    "coverage",
    "current_speeds",
    "jams",
    "levels",
    "link_hours",
    "queue_hours",
    "queues",
    "reliability",
    "speed_ratio",
    "stretches_km",
    "to_the_end",
    "travel_times",
    "work",
]
