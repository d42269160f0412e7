"""A home and its single-phase meter (profile ``em1``): appliances, feeder voltage, registers.

Power is a function of the seed, the home and the time, so two runs agree on every watt. The
register is the exact sum of the reported power over the reported intervals.
"""

import math

from simulators.chance import between, mix, unit

WATT_MS_PER_WH = 3_600_000
UTC_OFFSET_S = 7 * 3600  # Viet Nam, where people cook at seven and sleep with the fan on
DAY_S = 86_400
_SLOT_S = 1800  # appliances that run in bursts start at most once in half an hour
_STEP_MS = 60_000  # finest step of the integration when a reading covers a long time
_MAX_STEPS = 200  # bounds the work of catching up after weeks of absence

# Share of a home's lights, screens and fans in use, by local hour; peaks as in the residential
# curves of a Vietnamese utility: morning, noon rest, and the evening from 18 to 22 h.
ACTIVITY = (
    *(0.18, 0.15, 0.14, 0.14, 0.17, 0.32, 0.52, 0.48, 0.34, 0.30, 0.33, 0.48),
    *(0.46, 0.38, 0.32, 0.33, 0.42, 0.62, 0.86, 1.00, 0.98, 0.85, 0.55, 0.30),
)
# Chance that an air conditioner is wanted in a half hour, by local hour.
COOLING = (
    *(0.48, 0.42, 0.36, 0.32, 0.28, 0.18, 0.08, 0.04, 0.05, 0.10, 0.15, 0.28),
    *(0.36, 0.34, 0.28, 0.22, 0.16, 0.14, 0.20, 0.32, 0.45, 0.55, 0.58, 0.54),
)
_HEATER_SHARE = 0.6  # homes with an electric shower, at 2.5 kW
_FRIDGE_DUTY, _COMPRESSOR_DUTY = 0.38, 0.7
COOKING_HOURS = {6: 0.35, 11: 0.5, 17: 0.35, 18: 0.55}
WASHING_HOURS = {5: 0.15, 6: 0.3, 18: 0.2, 19: 0.25, 20: 0.25, 21: 0.2}


def by_hour(curve: tuple[float, ...], local_s: float) -> float:
    """Return a 24-point curve at a local time, linear between the hours."""
    hour, part = divmod(local_s / 3600, 1)
    low, high = curve[int(hour) % 24], curve[(int(hour) + 1) % 24]
    return low + (high - low) * part


class Home:
    """One home behind one meter; ``accrued`` is all that must survive a restart."""

    profile = "em1"
    sector = "energy"

    def __init__(self, seed: int, index: int) -> None:
        self._key = mix(seed, 1, index)
        key = self._key
        self._phase_s = between(-2700, 2700, key, 1)  # some get up earlier
        self._standby_w = between(25, 110, key, 2)
        self._lights_w = between(90, 420, key, 3)
        self._fridge_w = between(80, 150, key, 4)
        self._fridge_period_s = between(2400, 4200, key, 5)
        self._cooler_w = (0.0, 0.0, 850.0, 1100.0, 1900.0)[mix(key, 6) % 5]
        self._cooker_w = between(700, 1800, key, 7)
        self._heater_w = 2500.0 if unit(key, 8) < _HEATER_SHARE else 0.0
        self._source_v = between(229, 235, key, 9)
        self._wire_ohm = between(0.08, 0.35, key, 10)  # 30-120 m of 11 mm² aluminium and back
        self.accrued = int(between(1e6, 3e7, key, 11)) * WATT_MS_PER_WH  # in W·ms

    def row(self, from_ms: int, to_ms: int) -> tuple[int | None, ...]:
        """Let the time pass and return the columns of ``em1`` at its end."""
        power_w, reactive_var = self._mean_load(from_ms, to_ms)
        self.accrued += power_w * (to_ms - from_ms)
        apparent_va = math.hypot(power_w, reactive_var)
        voltage_v = self._voltage(to_ms, apparent_va)
        return (
            self.accrued // WATT_MS_PER_WH,
            0,
            power_w,
            round(voltage_v * 10),
            round(apparent_va / voltage_v * 100),
            round(1000 * power_w / apparent_va),
        )

    def skip(self, from_ms: int, to_ms: int) -> None:
        """The node sleeps, the meter does not."""
        self.accrued += self._mean_load(from_ms, to_ms)[0] * (to_ms - from_ms)

    def _mean_load(self, from_ms: int, to_ms: int) -> tuple[int, float]:
        steps = min(max(1, (to_ms - from_ms) // _STEP_MS), _MAX_STEPS)
        length_ms = (to_ms - from_ms) / steps
        loads = [self._load((from_ms + (k + 0.5) * length_ms) / 1000) for k in range(steps)]
        active_w = sum(load[0] for load in loads) / steps
        return max(1, round(active_w)), sum(load[1] for load in loads) / steps

    def _load(self, time_s: float) -> tuple[float, float]:
        """Return watts and vars; tan φ: 0.75 electronics, 0.65 fridge, 0.4 cooler, 0 heat."""
        local_s = time_s + UTC_OFFSET_S + self._phase_s
        of_day_s = local_s % DAY_S
        flicker = between(0.96, 1.04, self._key, 20, int(time_s // 5))
        small_w = self._standby_w + self._lights_w * by_hour(ACTIVITY, of_day_s) * flicker
        fridge_w = self._fridge_w if (time_s / self._fridge_period_s) % 1 < _FRIDGE_DUTY else 4.0
        cooler_w = self._cooling(local_s)
        heat_w = self._burst(local_s, 21, COOKING_HOURS, 1500) * self._cooker_w
        heat_w += self._burst(local_s, 22, WASHING_HOURS, 480) * self._heater_w
        active_w = small_w + fridge_w + cooler_w + heat_w
        return active_w, 0.35 * small_w + 0.65 * fridge_w + 0.4 * cooler_w

    def _cooling(self, local_s: float) -> float:
        slot = int(local_s // _SLOT_S)
        if unit(self._key, 23, slot) >= by_hour(COOLING, local_s % DAY_S):
            return 30.0 if self._cooler_w else 0.0
        compressor_runs = (local_s / 900 + unit(self._key, 24)) % 1 < _COMPRESSOR_DUTY
        return self._cooler_w if compressor_runs else 60.0

    def _burst(self, local_s: float, kind: int, hours: dict[int, float], longest_s: float) -> float:
        slot, into_s = divmod(local_s, _SLOT_S)
        chance = hours.get(int(local_s % DAY_S // 3600), 0.0)
        if not chance or unit(self._key, kind, int(slot)) >= chance:
            return 0.0
        start_s = between(0, _SLOT_S / 2, self._key, kind, int(slot), 1)
        length_s = between(longest_s / 4, longest_s / 2, self._key, kind, int(slot), 2)
        return 1.0 if start_s <= into_s < start_s + length_s else 0.0

    def _voltage(self, time_ms: int, apparent_va: float) -> float:
        time_s = time_ms / 1000
        local_s = (time_s + UTC_OFFSET_S) % DAY_S
        # the street's load: lights and coolers in the proportion of the homes above
        street = 0.3 * by_hour(ACTIVITY, local_s) + 0.7 * by_hour(COOLING, local_s)
        feeder_v = self._source_v - 9.0 * street + between(-0.4, 0.4, self._key, 25, time_ms)
        return feeder_v - self._wire_ohm * apparent_va / feeder_v
