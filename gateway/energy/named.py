"""Policies of energy that a configuration names."""

from gateway.energy.calendar import CALENDAR_DOMAIN, HolidayYear
from gateway.energy.tariff import TARIFF_DOMAIN, Tariff
from gateway.energy.voltage import VoltagePolicy
from gateway.policies import load_policies


def check(tariff: str, norm: str, calendar: str) -> None:
    """Load the editions of each.

    Raises:
        ConfigError: there are none of that name, or a file is wrong.
    """
    load_policies(TARIFF_DOMAIN, Tariff).editions(tariff)
    load_policies("voltage", VoltagePolicy).editions(norm)
    load_policies(CALENDAR_DOMAIN, HolidayYear).editions(calendar)
