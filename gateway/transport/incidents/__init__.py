"""Incidents: something stands in the way, found before or when its queue reaches a detector."""

from gateway.transport.incidents.life import NOT_YET, Incident, Sign
from gateway.transport.incidents.policy import IncidentPolicy
from gateway.transport.incidents.watch import IncidentWatch, WatchState
from gateway.transport.incidents.wrongway import RadarState, WrongWayDriver, wrong_way

__all__ = [
    "NOT_YET",
    "Incident",
    "IncidentPolicy",
    "IncidentWatch",
    "RadarState",
    "Sign",
    "WatchState",
    "WrongWayDriver",
    "wrong_way",
]
