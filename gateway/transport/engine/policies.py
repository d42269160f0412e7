"""The policies that traffic is judged by, each with the edition of the moment it is asked of."""

from typing import NamedTuple

from gateway.policies import Policies, load_policies
from gateway.transport.health import HEALTH_DOMAIN, HEALTH_POLICY, HealthPolicy
from gateway.transport.incidents import IncidentPolicy
from gateway.transport.policy import TRAFFIC_DOMAIN, TRAFFIC_POLICY, TrafficPolicy

INCIDENT_DOMAIN, INCIDENT_POLICY = "incidents", "default"


class Rules(NamedTuple):
    """Those of one moment."""

    traffic: TrafficPolicy
    health: HealthPolicy
    incidents: IncidentPolicy


class TransportPolicies(NamedTuple):
    """All of them."""

    traffic: Policies[TrafficPolicy]
    health: Policies[HealthPolicy]
    incidents: Policies[IncidentPolicy]

    @classmethod
    def load(cls) -> "TransportPolicies":
        """Read them.

        Raises:
            ConfigError: names the file and the key.
        """
        return cls(
            load_policies(TRAFFIC_DOMAIN, TrafficPolicy),
            load_policies(HEALTH_DOMAIN, HealthPolicy),
            load_policies(INCIDENT_DOMAIN, IncidentPolicy),
        )

    @property
    def offset_min(self) -> int:
        """Return whose local days are meant, minutes from UTC."""
        return self.traffic.editions(TRAFFIC_POLICY)[-1].utc_offset_min

    def at(self, time_ms: int) -> Rules:
        """Return those of a moment.

        Raises:
            ConfigError: one begins later.
        """
        return Rules(
            self.traffic.at(TRAFFIC_POLICY, time_ms),
            self.health.at(HEALTH_POLICY, time_ms),
            self.incidents.at(INCIDENT_POLICY, time_ms),
        )
