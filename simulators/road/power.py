"""Cabinets at the road: a detector without power is dark and counts nothing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.city.frame import Absence, Span, Supply, Truth
from simulators.road.diagram import Floats, Ints
from simulators.road.registry import Powered


class Power:
    """When which cabinet is dark; the grid decides it, and only once its scenarios are known."""

    def __init__(self, supply: Supply | None, cabinets: int) -> None:
        self._supply = supply
        self.spans: list[Sequence[Span]] = [
            supply.dark(k) if supply is not None else () for k in range(cabinets)
        ]
        self._troubled = [k for k, spans in enumerate(self.spans) if spans]

    def lit_from_s(self, powered: Powered, from_ms: int, to_ms: int) -> Floats:
        """Return from when in a window each device has power to its end; infinity: it has none."""
        result = np.zeros(len(powered.names))
        cabinets = np.array(powered.cabinets, dtype=np.int64)
        for cabinet in self._troubled:
            since_s = 0.0
            for span in self.spans[cabinet]:
                if span.from_ms <= to_ms < span.to_ms:
                    since_s = np.inf
                elif from_ms < span.to_ms <= to_ms:
                    since_s = max(since_s, (span.to_ms - from_ms) / 1000)
            result[cabinets == cabinet] = since_s
        return result

    def lit(self, powered: Powered, device: Ints, at_ms: Ints) -> NDArray[np.bool_]:
        """Return which rows were made with power."""
        result = np.ones(device.size, dtype=np.bool_)
        if not self._troubled or not device.size:
            return result
        cabinet = np.array(powered.cabinets, dtype=np.int64)[device]
        for troubled in self._troubled:
            mine = cabinet == troubled
            for span in self.spans[troubled]:
                result &= ~(mine & (at_ms >= span.from_ms) & (at_ms < span.to_ms))
        return result

    def absences(self, powered: Powered) -> list[Absence]:
        """Return when each device is dark."""
        return [
            Absence(name, span, "dark")
            for name, cabinet in zip(powered.names, powered.cabinets, strict=True)
            for span in self.spans[cabinet]
        ]

    def truth(self, all_powered: Sequence[Powered], ended_ms: int) -> list[Truth]:
        """Return what was dark up to then: power, and not the detectors, is the cause."""
        if self._supply is None:
            return []
        found = []
        for cabinet in self._troubled:
            devices = tuple(
                name
                for powered in all_powered
                for name, of in zip(powered.names, powered.cabinets, strict=True)
                if of == cabinet
            )
            node = self._supply.feeds(cabinet)
            magnitude = {"cabinet": cabinet + 1, "detectors": len(devices)}
            found += [
                Truth(
                    *("cabinet_dark", node, span.from_ms, min(span.to_ms, ended_ms)),
                    *(magnitude, (node, *devices)),
                )
                for span in self.spans[cabinet]
                if span.from_ms < ended_ms
            ]
        return found
