"""Vehicles on a lane and what detectors would see of them: ground truth for the traffic drivers."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

MOTO, CAR, BUS, TRUCK, LONG = 1, 2, 3, 4, 5

# Share, length in m and axle distances in m of each class; motorcycles first, as in Vietnam.
_KINDS = {
    MOTO: (0.45, (1.9, 2.2), ((1.25, 1.45),)),
    CAR: (0.38, (3.6, 5.2), ((2.4, 3.0),)),
    BUS: (0.04, (10.5, 12.5), ((5.7, 6.3),)),
    TRUCK: (0.09, (7.0, 9.5), ((4.0, 5.2),)),
    LONG: (0.04, (15.5, 18.0), ((3.5, 3.8), (5.0, 7.0), (1.3, 1.4), (1.3, 1.4))),
}
_PEAK_PPM = {MOTO: (900, 2500), CAR: (8000, 20_000), BUS: (3000, 7000)}
_BEND = {MOTO: (150, 300), CAR: (250, 700)}


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle; ``front_s`` is when its front is at 0."""

    front_s: float
    speed_m_s: float
    length_m: float
    kind: int
    axles_m: tuple[float, ...]  # behind the front
    peak_ppm: float
    bend: float

    @property
    def rear_s(self) -> float:
        """When its rear is at 0."""
        return self.front_s + self.length_m / self.speed_m_s

    def at(self, time_s: float) -> float:
        """Where its front is, in m."""
        return (time_s - self.front_s) * self.speed_m_s


def vehicles(rng: random.Random, duration_s: float, per_hour: int) -> list[Vehicle]:
    """Return the traffic of a lane, nobody closer than 0.8 s and 6 m behind the one before."""
    found: list[Vehicle] = []
    time_s = 5.0
    while time_s < duration_s - 20:
        kinds = list(_KINDS)
        kind = rng.choices(kinds, [_KINDS[k][0] for k in kinds])[0]
        _, length, spacings = _KINDS[kind]
        speed = min(max(rng.gauss(13, 3), 4), 28)
        at_m = 0.3 if kind == MOTO else 0.9
        axles = [at_m]
        for low, high in spacings:
            at_m += rng.uniform(low, high)
            axles.append(at_m)
        length_m = max(rng.uniform(*length), at_m + 0.3)
        peak = rng.uniform(*_PEAK_PPM.get(kind, _PEAK_PPM[BUS]))
        bend = rng.uniform(*_BEND.get(kind, _BEND[CAR]))
        one = Vehicle(time_s, speed, length_m, kind, tuple(axles), peak, bend)
        found.append(one)
        safe_s = max(0.8, 6 / speed, 6 / 13)
        time_s = one.rear_s + safe_s + rng.expovariate(per_hour / 3600)
    return found


def near(
    all_of: list[Vehicle], time_s: float, first: int, margin_s: float
) -> tuple[int, list[Vehicle]]:
    """Return those within ``margin_s`` of a time, and where to begin looking the next time."""
    while first < len(all_of) and all_of[first].rear_s + margin_s < time_s:
        first += 1
    found = []
    for one in all_of[first:]:
        if one.front_s - margin_s > time_s:
            break
        found.append(one)
    return first, found


def loop_samples(
    rng: random.Random, all_of: list[Vehicle], duration_s: float, places_m: tuple[float, ...]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Frequency of loops of 2 m, every 10 ms; noise, and 300 ppm of drift in 20 min."""
    first = 0
    for step in range(int(duration_s * 100)):
        time_s = step / 100
        first, there = near(all_of, time_s, first, 5)
        base = 60_000_000 * (1 + 300e-6 * math.sin(time_s / 190))
        values = []
        for place_m in places_m:
            share = 0.0
            for one in there:
                front_m = one.at(time_s) - place_m
                over_m = min(front_m, 2.0) - max(front_m - one.length_m, 0.0)
                share += max(over_m, 0.0) / 2.0 * one.peak_ppm
            values.append(round(base * (1 + (share + rng.gauss(0, 15)) * 1e-6)))
        yield step * 10, tuple(values)


def magnetic_samples(
    rng: random.Random, all_of: list[Vehicle], duration_s: float
) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Field in the lane, every 20 ms: bumps along the vehicle, noise of 4, slow drift."""
    first = 0
    for step in range(int(duration_s * 50)):
        time_s = step / 50
        first, there = near(all_of, time_s, first, 2)
        x = y = z = 0.0
        for one in there:
            into_m = one.at(time_s)
            bumps = max(2, round(one.length_m / 1.8))
            for bump in range(bumps):
                centre_m = one.length_m * (bump + 0.5) / bumps
                height = one.bend * math.exp(-(((into_m - centre_m) / 0.7) ** 2))
                x += height * (1 if bump % 2 else -0.6)
                z += height * 0.5
                y += height * 0.3
        drift = 40 * math.sin(time_s / 300)
        noise = [rng.gauss(0, 4) for _ in range(3)]
        yield (
            step * 20,
            (
                round(210 + x + noise[0]),
                round(-90 + y + drift + noise[1]),
                round(430 + z + noise[2]),
            ),
        )


def echo_samples(
    rng: random.Random, all_of: list[Vehicle], duration_s: float
) -> Iterator[tuple[int, tuple[int]]]:
    """Doppler frequency in mHz, every 50 ms, of who is 0…8 m inside of the beam."""
    first = 0
    for step in range(int(duration_s * 20)):
        time_s = step / 20
        first, there = near(all_of, time_s, first, 3)
        hertz = 0.0
        for one in there:
            if 0 <= one.at(time_s) <= 6 + one.length_m and rng.random() > 0.08:
                hertz = 2 * one.speed_m_s * 10.525e9 / 299_792_458 * rng.gauss(1, 0.015)
        yield step * 50, (round(hertz * 1000),)


def radar_targets(
    rng: random.Random, all_of: list[Vehicle], duration_s: float, direction: int
) -> Iterator[tuple[int, list[tuple[int, int, int]]]]:
    """Targets of a radar (distance m, direction, km/h), ten times a second, 8…80 m away."""
    first = 0
    for step in range(int(duration_s * 10)):
        time_s = step / 10
        first, there = near(all_of, time_s, first, 25)
        targets = []
        for one in there:
            gone_m = one.at(time_s)
            if 0 <= gone_m <= 72 and rng.random() > 0.05:
                distance = 80 - gone_m if direction == 1 else 8 + gone_m
                speed = round(one.speed_m_s * 3.6 + rng.uniform(-1, 1))
                targets.append((round(distance + rng.uniform(-0.7, 0.7)), direction, speed))
        if rng.random() < 0.005:
            targets.append((rng.randrange(10, 90), rng.randrange(2), rng.randrange(5, 120)))
        yield step * 100, targets


def axle_hits(
    rng: random.Random, all_of: list[Vehicle], distance_m: float
) -> list[tuple[int, int]]:
    """Time in µs and channel of each axle, with jitter of 0.2 ms; one of 2000 is missed."""
    axles = [(one, axle_m) for one in all_of for axle_m in one.axles_m]
    hits = []
    for one, axle_m in axles:
        for channel in (0, 1):
            if rng.random() > 0.0005:
                at_s = one.front_s + (axle_m + channel * distance_m) / one.speed_m_s
                hits.append((round((at_s + rng.gauss(0, 0.0002)) * 1e6), channel))
    return sorted(hits)
