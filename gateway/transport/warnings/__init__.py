"""Road weather: rain, water over the road, wind and sight, with levels."""

from gateway.transport.warnings.levels import Warned, warn
from gateway.transport.warnings.policy import Limit, WarningPolicy
from gateway.transport.warnings.sky import Sky, rain_1h_mm, sky

__all__ = ["Limit", "Sky", "Warned", "WarningPolicy", "rain_1h_mm", "sky", "warn"]
