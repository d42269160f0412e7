"""Names of everything in the grid, and what the operator's registry says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from simulators.city.frame import DeviceRow, NodeRow, Tie, cabinet_name
from simulators.city.grid.layout import CABINET, Layout
from simulators.city.grid.sweep import Nodes

EM_MS, DTM_MS, PQ_MS, ENV_MS = 1_800_000, 900_000, 600_000, 600_000
_QUALITY_EVERY = 10  # transformers per power quality instrument: the first of each feeder
_MAIN_A, _MAIN_3P_A = 40, 63


class Roster:
    """Knows names by number and numbers by name."""

    def __init__(self, layout: Layout, interval_ms: int | None) -> None:
        self._layout = layout
        self._interval_ms = interval_ms
        cabinets = np.cumsum(layout.kind == CABINET)
        self.cabinets = {  # by the number of the customer that is its meter
            k: cabinet_name(at)
            for at, k in enumerate(np.flatnonzero(layout.kind == CABINET).tolist())
        }
        self.customers: list[str] = [
            f"cab-{cabinets[k]:04d}"
            if layout.kind[k] == CABINET
            else f"{'em3' if layout.is_three_phase[k] else 'em'}-{k + 1:05d}"
            for k in range(layout.kind.size)
        ]
        count = layout.rating_kva.size
        self.transformers = [f"tba-{k + 1:04d}" for k in range(count)]
        self.concentrators = [f"dcu-{k + 1:04d}" for k in range(count)]
        self.feeders = [f"f-{k + 1:03d}" for k in range(layout.heads.shape[0])]
        self.substations = [f"ss-{k + 1:02d}" for k in range(int(layout.substation[-1]) + 1)]
        self.sites = [f"area-{k + 1:02d}" for k in range(len(self.substations))]
        self.heads = [f"fh-{k + 1:03d}" for k in range(len(self.feeders))]
        self.transformer_meters = [f"dtm-{k + 1:04d}" for k in range(count)]
        self.measured = np.arange(0, count, _QUALITY_EVERY)  # transformers with an instrument
        self.quality = [f"pq-{k + 1:04d}" for k in self.measured]
        self.stations = [f"env-{k + 1:02d}" for k in range(len(self.substations))]
        self._customer = {name: k for k, name in enumerate(self.customers)}

    def customer(self, name: str) -> int:
        """Return the number of a customer's meter."""
        return self._customer[name]

    def is_customer(self, name: str) -> bool:
        """Return whether that is a customer's meter."""
        return name in self._customer

    def interval_ms(self, usual_ms: int) -> int:
        """Return how often a profile is read."""
        return usual_ms if self._interval_ms is None else self._interval_ms

    def nodes(self) -> list[NodeRow]:
        """Return substations, feeders, transformers, concentrators, areas, roadside cabinets."""
        layout = self._layout
        rows = [NodeRow(name, "site", f"Area {k + 1}") for k, name in enumerate(self.sites)]
        rows += [
            NodeRow(name, "substation", f"110 kV substation {k + 1}", (Tie(self.sites[k]),))
            for k, name in enumerate(self.substations)
        ]
        rows += [
            NodeRow(name, "feeder", "", (Tie(self.substations[layout.substation[k]]),))
            for k, name in enumerate(self.feeders)
        ]
        for k, name in enumerate(self.transformers):
            place = (float(layout.place[k, 0].round(5)), float(layout.place[k, 1].round(5)))
            rating = {"kva": float(layout.rating_kva[k]), "phases": 3}
            feeder = int(layout.feeder[k])
            rows.append(
                NodeRow(name, "transformer", "", (Tie(self.feeders[feeder]),), place, rating)
            )
            area = self.sites[layout.substation[feeder]]
            rows.append(NodeRow(self.concentrators[k], "concentrator", "", (Tie(area),), place))
        for k, name in self.cabinets.items():
            above = (Tie(self.transformers[int(layout.transformer[k])]),)
            rows.append(NodeRow(name, "cabinet", "Roadside cabinet", above))
        return rows

    def devices(self, misplaced: Mapping[int, str]) -> list[DeviceRow]:
        """Return the devices; ``misplaced`` customers hang in the registry where it says."""
        layout, rows = self._layout, []
        em_ms = self.interval_ms(EM_MS)
        for k, name in enumerate(self.customers):
            of = int(layout.transformer[k])
            three = bool(layout.is_three_phase[k])
            here = self.cabinets.get(k, self.transformers[of])
            parent = misplaced.get(k, here)
            rating = {"amperes": _MAIN_3P_A if three else _MAIN_A, "phases": 3 if three else 1}
            rows.append(
                DeviceRow(
                    *(name, "energy", "em3" if three else "em1", em_ms),
                    title="Roadside cabinet" if layout.kind[k] == CABINET else "",
                    parents=(Tie(parent),),
                    uplink=self.concentrators[of],
                    serial=f"SIM-{k + 1:07d}",
                    rating=rating,
                    is_prosumer=bool(layout.solar_w[k] > 0),
                )
            )
        return rows + self._instruments()

    def _instruments(self) -> list[DeviceRow]:
        layout, rows = self._layout, []
        for k, name in enumerate(self.heads):
            title = "Feeder head, values referred to 400 V"
            above = (Tie(self.feeders[k]),)
            rows.append(replace(self._row(name, "em3", EM_MS, above, title), is_head=True))
        for k, name in enumerate(self.transformer_meters):
            rows.append(self._row(name, "dtm", DTM_MS, (Tie(self.transformers[k]),)))
        for of, name in zip(self.measured.tolist(), self.quality, strict=True):
            rows.append(self._row(name, "pq3", PQ_MS, (Tie(self.transformers[of]),)))
        for k, name in enumerate(self.stations):
            first = int(np.argmax(layout.substation[layout.feeder] == k))
            place = (float(layout.place[first, 0].round(5)), float(layout.place[first, 1].round(5)))
            row = DeviceRow(
                *(name, "env", "env1", self.interval_ms(ENV_MS)),
                parents=(Tie(self.sites[k]),),
                place=place,
            )
            rows.append(row)
        return rows

    def _row(
        self, name: str, profile: str, usual_ms: int, parents: tuple[Tie, ...], title: str = ""
    ) -> DeviceRow:
        """Return an instrument of the utility: it has its own modem, and no concentrator."""
        return DeviceRow(name, "energy", profile, self.interval_ms(usual_ms), title, parents)

    def under(self, node: str) -> Sequence[str]:
        """Return the devices that truly hang on a substation, feeder, transformer or concentrator.

        The meter at the head of a feeder lives from the battery of the substation.
        """
        layout = self._layout
        if node in self.concentrators:
            return self._customers_of(np.array([self.concentrators.index(node)]))
        if node in self.substations:
            of = np.flatnonzero(layout.substation[layout.feeder] == self.substations.index(node))
        elif node in self.feeders:
            of = np.flatnonzero(layout.feeder == self.feeders.index(node))
        else:
            of = np.array([self.transformers.index(node)])
        instruments = [self.transformer_meters[k] for k in of]
        instruments += [
            name for k, name in zip(self.measured, self.quality, strict=True) if k in of
        ]
        return [*self._customers_of(of), *instruments]

    def _customers_of(self, transformers: Nodes) -> list[str]:
        who = np.flatnonzero(np.isin(self._layout.transformer, transformers))
        return [self.customers[k] for k in who]
