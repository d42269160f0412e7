"""A home and its single-phase meter (profile ``em1``): appliances, feeder voltage, registers.

Power is a function of the seed, the home and the time, so two runs agree on every watt. The
register is the exact sum of the reported power over the reported intervals.
"""

import math
from typing import NamedTuple

from simulators.chance import between, mix, unit

WATT_MS_PER_WH = 3_600_000
UTC_OFFSET_S = 7 * 3600  # Viet Nam, where people cook at seven and sleep with the fan on
DAY_S = 86_400
_STEP_MS = 60_000  # finest step of the integration when a reading covers a long time
_MAX_STEPS = 200  # bounds the work of catching up after weeks of absence

# Share of a home's lights, screens and fans in use, by local hour; peaks as in the residential
# curves of a Vietnamese utility: morning, noon rest, and the evening from 18 to 22 h.
ACTIVITY = (
    *(0.18, 0.15, 0.14, 0.14, 0.17, 0.32, 0.52, 0.48, 0.34, 0.30, 0.33, 0.48),
    *(0.46, 0.38, 0.32, 0.33, 0.42, 0.62, 0.86, 1.00, 0.98, 0.85, 0.55, 0.30),
)


class Occasion(NamedTuple):
    """A time at which people cool a room, once: they put it on, and off when they get up."""

    from_h: int
    chance: tuple[float, ...]  # that it runs, at that hour and each one after it; one hump

    def at(self, hour: float) -> float:
        """Return the chance at an hour, counted from the day's midnight, linear in between."""
        whole, part = divmod(hour - self.from_h, 1)
        if not 0 <= whole < len(self.chance) - 1:
            return 0.0
        low, high = self.chance[int(whole)], self.chance[int(whole) + 1]
        return low + (high - low) * part


class Use(NamedTuple):
    """Something that runs for minutes."""

    kind: int  # of the draw
    begins_in_s: int
    shortest_s: float
    longest_s: float


NOON = Occasion(6, (0, 0.02, 0.05, 0.10, 0.15, 0.28, 0.36, 0.34, 0.28, 0.21, 0.12, 0.06, 0.02, 0))
NIGHT = Occasion(
    14,
    (
        *(0, 0.01, 0.04, 0.08, 0.18, 0.32, 0.45, 0.55, 0.58, 0.54),
        *(0.48, 0.42, 0.36, 0.32, 0.28, 0.18, 0.08, 0.02, 0),
    ),
)
OCCASIONS = (NOON, NIGHT)


def _cooling_by_hour() -> tuple[float, ...]:
    chances = [0.0] * 24
    for occasion in OCCASIONS:
        for hour, chance in enumerate(occasion.chance, occasion.from_h):
            chances[hour % 24] += chance
    return tuple(chances)


# Chance that an air conditioner runs, by local hour.
COOLING = _cooling_by_hour()
_HEATER_SHARE = 0.6  # homes with an electric shower, at 2.5 kW
_FRIDGE_DUTY, _COMPRESSOR_DUTY = 0.38, 0.7
_AS_USUAL = 0.5  # of the days: who cools his room tonight does so on most nights
# Chance that cooking begins in an hour, and a shower in a half hour of it.
COOKING_HOURS = {6: 0.35, 11: 0.5, 17: 0.35, 18: 0.55}
WASHING_HOURS = {5: 0.15, 6: 0.3, 18: 0.2, 19: 0.25, 20: 0.25, 21: 0.2}
COOKING, SHOWER = Use(5, 3600, 720, 2160), Use(6, 1800, 120, 420)


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
        self._cooler_s = between(780, 1140, key, 12)  # from start to start of the compressor
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
        heat_w = self._uses(local_s, COOKING, COOKING_HOURS) * self._cooker_w
        heat_w += self._uses(local_s, SHOWER, WASHING_HOURS) * self._heater_w
        active_w = small_w + fridge_w + cooler_w + heat_w
        return active_w, 0.35 * small_w + 0.65 * fridge_w + 0.4 * cooler_w

    def _cooling(self, local_s: float) -> float:
        if not self._cooler_w:
            return 0.0
        day, of_day_s = divmod(local_s, DAY_S)
        hour = of_day_s / 3600
        tonight, last_night = (int(day), hour), (int(day) - 1, hour + 24)
        if not any(
            self._is_cooled(number, occasion, *when)
            for number, occasion in enumerate(OCCASIONS)
            for when in (tonight, last_night)
        ):
            return 30.0
        compressor_runs = (local_s / self._cooler_s + unit(self._key, 24)) % 1 < _COMPRESSOR_DUTY
        return self._cooler_w if compressor_runs else 60.0

    def _is_cooled(self, number: int, occasion: Occasion, day: int, hour: float) -> bool:
        """Return whether a session lasts: from where the chance rises above a level that is drawn.

        It ends where the chance falls below another one, so of all homes as many cool at an hour
        as the chance says. A home does half of the days as it is used to.
        """
        peak = max(occasion.chance)
        wish = occasion.at(hour)
        if not wish:
            return False
        word = mix(self._key, 23, number, day)
        fresh, coin, first, last = ((word >> bits & 0xFFFF) / 0x10000 for bits in (0, 16, 32, 48))
        if (fresh if coin >= _AS_USUAL else unit(self._key, 26, number)) >= peak:
            return False
        is_rising = hour < occasion.from_h + occasion.chance.index(peak)
        return wish > (first if is_rising else last) * peak

    def _uses(self, local_s: float, use: Use, hours: dict[int, float]) -> float:
        slot = int(local_s // use.begins_in_s)
        for begun in (slot, slot - 1):  # what began before the hour may last into it
            chance = hours.get(begun * use.begins_in_s % DAY_S // 3600, 0.0)
            if chance and unit(self._key, 20, use.kind, begun) < chance:
                begin_s = between(0, use.begins_in_s, self._key, 20, use.kind, begun, 1)
                length_s = between(use.shortest_s, use.longest_s, self._key, 20, use.kind, begun, 2)
                if 0 <= local_s - begun * use.begins_in_s - begin_s < length_s:
                    return 1.0
        return 0.0

    def _voltage(self, time_ms: int, apparent_va: float) -> float:
        time_s = time_ms / 1000
        local_s = (time_s + UTC_OFFSET_S) % DAY_S
        # the street's load: lights and coolers in the proportion of the homes above
        street = 0.3 * by_hour(ACTIVITY, local_s) + 0.7 * by_hour(COOLING, local_s)
        feeder_v = self._source_v - 9.0 * street + between(-0.4, 0.4, self._key, 25, time_ms)
        return feeder_v - self._wire_ohm * apparent_va / feeder_v
