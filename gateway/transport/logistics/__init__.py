"""Logistics: gates and yards, how long vehicles stay, when they arrive."""

from gateway.transport.logistics.arrivals import (
    Course,
    Tagged,
    eta_ms,
    is_through,
    pair_times_s,
)
from gateway.transport.logistics.gates import (
    GateCounts,
    Moves,
    Stays,
    Yard,
    gate_counts,
    stays,
    yard,
)
from gateway.transport.logistics.policy import LogisticsPolicy

__all__ = [
    "Course",
    "GateCounts",
    "LogisticsPolicy",
    "Moves",
    "Stays",
    "Tagged",
    "Yard",
    "eta_ms",
    "gate_counts",
    "is_through",
    "pair_times_s",
    "stays",
    "yard",
]
