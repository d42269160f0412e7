"""The policies that energy is judged by, each with the edition of the moment it is asked of."""

from typing import NamedTuple, TypeVar

import numpy as np

from gateway.energy.billing import BILLING_DOMAIN, BillingPolicy
from gateway.energy.calendar import CALENDAR_DOMAIN, Calendar, HolidayYear
from gateway.energy.insight import INSIGHT_DOMAIN, InsightPolicy
from gateway.energy.load import LoadPolicy
from gateway.energy.loss import LossPolicy
from gateway.energy.outage import OutagePolicy
from gateway.energy.tariff import (
    PRICES_DOMAIN,
    TARIFF_DOMAIN,
    Prices,
    RateShares,
    Tariff,
    rate_shares,
)
from gateway.energy.vee.policy import VEE_DOMAIN, VEE_POLICY, VeePolicy
from gateway.energy.voltage import VoltagePolicy
from gateway.model import IntArray
from gateway.policies import Policies, Policy, load_policies

HOLIDAYS = "vn-public-holidays"
OUTAGE_DOMAIN = "outage"
OUTAGE_POLICY = "vn"
LOSS_DOMAIN = "loss"
LOSS_POLICY = "vn"
BILLING_POLICY = "vn-billing"
VOLTAGE_DOMAIN = "voltage"
VOLTAGE_POLICY = "vn-39-2015"
LOAD_DOMAIN = "load"
LOAD_POLICY = "vn"
INSIGHT_POLICY = "insight"
PRICES_POLICY = "vn-evn-business-lv"

AnyPolicy = TypeVar("AnyPolicy", bound=Policy)


class EnergyPolicies(NamedTuple):
    """All of them."""

    vee: Policies[VeePolicy]
    outage: Policies[OutagePolicy]
    billing: Policies[BillingPolicy]
    loss: Policies[LossPolicy]
    tariffs: Policies[Tariff]
    calendar: Calendar
    tariff: str  # the name of the one that holds
    voltage: Policies[VoltagePolicy]
    norm: str  # of voltages: the name of the one that holds
    load_limits: Policies[LoadPolicy]
    insight: Policies[InsightPolicy]
    prices: Policies[Prices]

    @classmethod
    def load(
        cls, tariff: str, norm: str = VOLTAGE_POLICY, calendar: str = HOLIDAYS
    ) -> "EnergyPolicies":
        """Read them.

        Raises:
            ConfigError: a file is wrong, or there is no such tariff, norm or calendar.
        """
        tariffs = load_policies(TARIFF_DOMAIN, Tariff)
        tariffs.editions(tariff)
        voltage = load_policies(VOLTAGE_DOMAIN, VoltagePolicy)
        voltage.editions(norm)
        return cls(
            load_policies(VEE_DOMAIN, VeePolicy),
            load_policies(OUTAGE_DOMAIN, OutagePolicy),
            load_policies(BILLING_DOMAIN, BillingPolicy),
            load_policies(LOSS_DOMAIN, LossPolicy),
            tariffs,
            Calendar.of(load_policies(CALENDAR_DOMAIN, HolidayYear), calendar),
            tariff,
            voltage,
            norm,
            load_policies(LOAD_DOMAIN, LoadPolicy),
            load_policies(INSIGHT_DOMAIN, InsightPolicy),
            load_policies(PRICES_DOMAIN, Prices),
        )

    def shares(self, slot_ms: IntArray, interval_ms: int) -> RateShares:
        """Return the rates of slots; history from before the tariff has none."""
        first = self.tariffs.editions(self.tariff)[0]
        if int(slot_ms[0]) < first.effective_from_ms:
            return RateShares(first.rates, np.zeros((len(first.rates), len(slot_ms))))
        return rate_shares(self.tariffs, self.tariff, self.calendar, slot_ms, interval_ms)

    def vee_at(self, time_ms: int) -> VeePolicy:
        """Return the edition for a moment."""
        return edition(self.vee, VEE_POLICY, time_ms)

    def outage_at(self, time_ms: int) -> OutagePolicy:
        """Return the edition for a moment."""
        return edition(self.outage, OUTAGE_POLICY, time_ms)

    def loss_at(self, time_ms: int) -> LossPolicy:
        """Return the edition for a moment."""
        return edition(self.loss, LOSS_POLICY, time_ms)

    def voltage_at(self, time_ms: int) -> VoltagePolicy:
        """Return the edition for a moment."""
        return edition(self.voltage, self.norm, time_ms)

    def load_at(self, time_ms: int) -> LoadPolicy:
        """Return the edition for a moment."""
        return edition(self.load_limits, LOAD_POLICY, time_ms)

    def insight_at(self, time_ms: int) -> InsightPolicy:
        """Return the edition for a moment."""
        return edition(self.insight, INSIGHT_POLICY, time_ms)

    def prices_at(self, time_ms: int) -> Prices:
        """Return the edition for a moment."""
        return edition(self.prices, PRICES_POLICY, time_ms)

    def billing_at(self, time_ms: int) -> BillingPolicy:
        """Return the edition for a moment."""
        return edition(self.billing, BILLING_POLICY, time_ms)


def edition(policies: Policies[AnyPolicy], name: str, time_ms: int) -> AnyPolicy:
    """Return the edition for a moment; the first one also judges what is older than it."""
    first = policies.editions(name)[0]
    return policies.at(name, max(time_ms, first.effective_from_ms))
