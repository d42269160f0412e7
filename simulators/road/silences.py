"""What keeps detectors silent without a dark grid: a lost link, a device that dies."""

from collections.abc import Mapping, Sequence

from typing_extensions import override

from simulators.city.frame import Absence, Scenario, Span
from simulators.road.faults import Fault
from simulators.road.registry import modem, powered
from simulators.road.trouble import Places, Scene, Spoken, Trouble


class RoadCommsOutage(Trouble):
    """The modem of a cabinet has no link: its devices measure, keep, and send it afterwards."""

    def __init__(self, scene: Scene, order: Scenario, places: Places) -> None:
        super().__init__(scene, order)
        cabinet = scene.layout.stations[places.of_link(order.where)].cabinet
        self._modem = modem(cabinet)
        self._devices = tuple(
            name
            for of in powered(scene.layout).values()
            for name, at in zip(of.names, of.cabinets, strict=True)
            if at == cabinet
        )

    @override
    def absences(self) -> Sequence[Absence]:
        """Return that all its devices are cut off."""
        span = Span(self.from_ms, self.to_ms)
        return [Absence(name, span, "cut off") for name in self._devices]

    @override
    def magnitude(self) -> Mapping[str, float | str]:
        """Say how many devices."""
        return {"devices": len(self._devices)}

    @override
    def touches(self) -> tuple[str, ...]:
        """Return the place, the modem and its devices."""
        return (self.order.where, self._modem, *self._devices)


class DetectorDead(Fault):
    """The device itself dies, and boots when it has been replaced."""

    @override
    def distort(self, spoken: Spoken) -> None:
        """Count nothing; its rows are never made."""
        self.say(spoken, 0, 0.0)

    @override
    def absences(self) -> Sequence[Absence]:
        """Return that it is dark, and nobody else."""
        return [Absence(self.order.where, Span(self.from_ms, self.to_ms), "dark")]
