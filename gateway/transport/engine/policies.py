"""The policies that traffic is judged by, each with the edition of the moment it is asked of."""

from typing import NamedTuple

from gateway.policies import Policies, load_policies
from gateway.transport.health import HEALTH_DOMAIN, HEALTH_POLICY, HealthPolicy
from gateway.transport.incidents import IncidentPolicy
from gateway.transport.logistics import LogisticsPolicy
from gateway.transport.policy import TRAFFIC_DOMAIN, TRAFFIC_POLICY, TrafficPolicy
from gateway.transport.tolls import TollPolicy
from gateway.transport.warnings import WarningPolicy
from gateway.transport.weigh import WeighPolicy

INCIDENT_DOMAIN, INCIDENT_POLICY = "incidents", "default"
LOGISTICS_POLICY = "default"
ROADSIDE_POLICY = "vn"  # of tolls, scales, warnings


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
    tolls: Policies[TollPolicy]
    weigh: Policies[WeighPolicy]
    warnings: Policies[WarningPolicy]
    logistics: Policies[LogisticsPolicy]

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
            load_policies("tolls", TollPolicy),
            load_policies("weigh", WeighPolicy),
            load_policies("warnings", WarningPolicy),
            load_policies("logistics", LogisticsPolicy),
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

    def tolls_at(self, time_ms: int) -> TollPolicy:
        """Return the limits of toll lanes at a moment."""
        return self.tolls.at(ROADSIDE_POLICY, time_ms)

    def weigh_at(self, time_ms: int) -> WeighPolicy:
        """Return the limits of scales at a moment."""
        return self.weigh.at(ROADSIDE_POLICY, time_ms)

    def warnings_at(self, time_ms: int) -> WarningPolicy:
        """Return the limits of weather at a moment."""
        return self.warnings.at(ROADSIDE_POLICY, time_ms)

    def logistics_at(self, time_ms: int) -> LogisticsPolicy:
        """Return the limits of gates, yards and arrivals at a moment."""
        return self.logistics.at(LOGISTICS_POLICY, time_ms)
