"""What the instruments of the grid read: registers, powers, voltages, with their errors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.city.dice import Words, keys, normal, throw
from simulators.city.frame import Floats, Ints, Readings
from simulators.city.grid.effects import Mask, Measured
from simulators.city.grid.sampling import Clocks, Register, Rows

GAIN_1, GAIN_05 = 0.0035, 0.0015  # standard deviations that fill class 1, class 0.5
CLOCK_S = 4.0  # standard deviation of clocks that are set over the network, now and then
_MOST_SKEWS = 3.75
ONE = 1000  # a power factor


class Step(NamedTuple):
    """The grid through a step, as every instrument may look at it."""

    edges: Ints
    slot_ms: int
    frequency_hz: Floats  # by slot
    drifts: Mapping[int, tuple[Floats, Floats]]  # of customers

    def whole(self, values: Floats) -> Ints:
        """Return values rounded as an instrument does."""
        return np.asarray(np.rint(values), dtype=np.int64)


class Bank:
    """Instruments of one profile: names, errors, clocks, four registers.

    Args:
        profile: name of the profile.
        names: of the devices.
        key: one for each device.
        gain: standard deviation of their errors.
        times: how often they are read, ms, and how wrong their clocks are, s.
    """

    def __init__(
        self, profile: str, names: Sequence[str], key: Words, gain: float, times: tuple[int, float]
    ) -> None:
        self.profile, self.names = profile, names
        self.interval_ms, clock_s = times
        self.key = key
        # a class is a limit, not a standard deviation: meters beyond it are not sold
        error = np.clip(normal(key, 60), -2.8, 2.8) * gain
        self.gain = 1 + error[:, None]
        skew_s = np.clip(normal(key, 61), -_MOST_SKEWS, _MOST_SKEWS) * clock_s
        self.clocks = Clocks(np.rint(skew_s * 1000).astype(np.int64))
        start = (1e6 + 2.9e7 * throw(key, 62)).astype(np.int64)
        # nobody has exported anything yet, and motors have taken a third in vars
        self.registers = [Register(start * k // 3) for k in (3, 0, 1, 0)]

    def due(self, step: Step, dark: Mask | None) -> Rows:
        """Return the readings that are due; a device without power takes none."""
        rows = self.clocks.due(step.edges, self.interval_ms, step.drifts)
        return rows if dark is None else rows.keep(~dark[rows.device, rows.slot])

    def energies(self, step: Step, seen: Measured, rows: Rows) -> list[Ints]:
        """Let the registers run; return import, export, and both for reactive energy."""
        powers = (seen.active_w * self.gain, seen.reactive_var * self.gain)
        parts = [np.maximum(sign * power, 0) for power in powers for sign in (1, -1)]
        courses = [
            register.advance(part, step.slot_ms)
            for register, part in zip(self.registers, parts, strict=True)
        ]
        return [course.at(rows) for course in courses]

    def readings(
        self, rows: Rows, columns: Sequence[Ints], status: NDArray[np.uint8] | None = None
    ) -> Readings:
        """Return the rows of this bank."""
        return Readings(
            *(self.profile, self.names, rows.device.astype(np.int32)),
            *(rows.at_ms, rows.time_ms, np.stack(columns, axis=1)),
            np.zeros(rows.device.size, np.uint8) if status is None else status,
        )


def all_phases(dark: Mask | None) -> Mask | None:
    """Return where no phase has voltage: an instrument lives on any of them."""
    return None if dark is None else np.asarray(dark.all(axis=1))


def currents(active_w: Floats, reactive_var: Floats, volts: Floats) -> Floats:
    """Return amperes; without voltage none flow."""
    apparent = np.hypot(active_w, reactive_var)
    return np.asarray(np.divide(apparent, volts, out=np.zeros_like(apparent), where=volts > 1))


def power_factor(active_w: Floats, reactive_var: Floats) -> Ints:
    """Return the power factor in thousandths, 1 where nothing flows."""
    apparent = np.hypot(active_w, reactive_var)
    ratio = np.divide(active_w, apparent, out=np.ones_like(apparent), where=apparent > 1)
    return np.asarray(np.rint(ratio * ONE), dtype=np.int64)


class SinglePhase:
    """Profile ``em1``."""

    def __init__(self, bank: Bank, who: Ints, phase: Ints) -> None:
        self.bank, self.who, self._phase = bank, who, phase

    def read(self, step: Step, seen: Measured, volts: Floats, dark: Mask | None) -> Readings:
        """Return the rows; ``seen`` and ``volts`` are of all customers."""
        place = (self.who, self._phase)
        own = Measured(seen.active_w[place], seen.reactive_var[place])
        rows = self.bank.due(step, dark if dark is None else dark[place])
        energies = self.bank.energies(step, own, rows)
        at = (rows.device, rows.slot)
        gain = self.bank.gain[rows.device, 0]
        active_w, reactive_var = own.active_w[at] * gain, own.reactive_var[at] * gain
        u = volts[place][at]
        columns = [
            *(energies[0], energies[1], step.whole(active_w), step.whole(u * 10)),
            step.whole(currents(active_w, reactive_var, u) * 100),
            power_factor(active_w, reactive_var),
        ]
        return self.bank.readings(rows, columns)


class ThreePhase:
    """Profile ``em3``: large customers, and the heads of feeders."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    def read(self, step: Step, seen: Measured, volts: Floats, dark: Mask | None) -> Readings:
        """Return the rows; all arrays are device × phase × slot of these devices only."""
        totals = Measured(seen.active_w.sum(axis=1), seen.reactive_var.sum(axis=1))
        rows = self.bank.due(step, all_phases(dark))
        energies = self.bank.energies(step, totals, rows)
        at = (rows.device, slice(None), rows.slot)
        gain = self.bank.gain[rows.device]
        active_w, reactive_var = seen.active_w[at] * gain, seen.reactive_var[at] * gain
        u = volts[at]
        amperes = currents(active_w, reactive_var, u)
        total_w, total_var = active_w.sum(axis=1), reactive_var.sum(axis=1)
        columns = [
            *energies,
            step.whole(total_w),
            *step.whole(active_w).T,
            *step.whole(u * 10).T,
            *step.whole(amperes * 100).T,
            power_factor(total_w, total_var),
            step.whole(step.frequency_hz[rows.slot] * 100),
        ]
        return self.bank.readings(rows, columns)


class Transformers:
    """Profile ``dtm``: energy on the low-voltage side, and how hot the oil is (IEC 60076-7)."""

    _OIL_K, _HOT_K, _LOSS_RATIO, _OIL_EXPONENT, _WINDING_EXPONENT = 55.0, 23.0, 6.0, 0.8, 1.6
    _OIL_MS = 180 * 60_000

    def __init__(self, bank: Bank, rating_kva: Floats) -> None:
        self.bank, self._rating_va = bank, rating_kva * 1000
        self.oil_k = np.full(rating_kva.size, 18.0)  # above the air

    def read(
        self, step: Step, seen: Measured, volts: Floats, dark: Mask | None, air_c: Floats
    ) -> tuple[Readings, Floats]:
        """Return the rows, and the loading of each transformer by slot."""
        totals = Measured(seen.active_w.sum(axis=1), seen.reactive_var.sum(axis=1))
        loading = np.hypot(*totals) / self._rating_va[:, None]
        oil_k = self._warm(loading, step.slot_ms)
        rows = self.bank.due(step, all_phases(dark))
        energies = self.bank.energies(step, totals, rows)
        at, at_phase = (rows.device, rows.slot), (rows.device, slice(None), rows.slot)
        u = volts[at_phase]
        amperes = currents(seen.active_w[at_phase], seen.reactive_var[at_phase], u)
        gain = self.bank.gain[rows.device, 0]
        ambient_c = air_c[rows.slot]
        oil_c = ambient_c + oil_k[at]
        winding_c = oil_c + self._HOT_K * loading[at] ** self._WINDING_EXPONENT
        columns = [
            *energies,
            step.whole(totals.active_w[at] * gain),
            step.whole(totals.reactive_var[at] * gain),
            *step.whole(u * 10).T,
            *step.whole(amperes * 10).T,
            step.whole(step.frequency_hz[rows.slot] * 100),
            *(step.whole(oil_c * 10), step.whole(winding_c * 10), step.whole(ambient_c * 10)),
        ]
        return self.bank.readings(rows, columns), loading

    def _warm(self, loading: Floats, slot_ms: int) -> Floats:
        """Let the oil follow the load; return how much warmer than the air it is."""
        share = (1 + self._LOSS_RATIO * loading**2) / (1 + self._LOSS_RATIO)
        target_k = self._OIL_K * share**self._OIL_EXPONENT
        keeps = np.exp(-slot_ms / self._OIL_MS)
        warm = np.empty_like(loading)
        for slot in range(loading.shape[1]):
            self.oil_k = target_k[:, slot] + (self.oil_k - target_k[:, slot]) * keeps
            warm[:, slot] = self.oil_k
        return warm


def bank_key(seed: int, kind: int, count: int) -> Words:
    """Return keys of instruments."""
    return keys(seed, 30 + kind, count)
