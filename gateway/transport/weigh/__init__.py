"""Weigh in motion: sound weighings, overloaded vehicles, scales that drift."""

from gateway.transport.weigh.checks import Fault, Overload, Weighed, faults, overloads, weighed
from gateway.transport.weigh.drift import Drift, SteeringTally, drifts, tally
from gateway.transport.weigh.policy import WeighPolicy

__all__ = [
    "Drift",
    "Fault",
    "Overload",
    "SteeringTally",
    "WeighPolicy",
    "Weighed",
    "drifts",
    "faults",
    "overloads",
    "tally",
    "weighed",
]
