"""How the grid hangs together: built from a seed, as arrays.

Everything is referred to 400 V, line to line. A node is one conductor of one place; the drop of
the neutral is in the loop impedance of its phase, and phases do not couple. Conductors and
transformers are those of Vietnamese distribution: 22 kV, AC 120 overhead lines; 22/0.4 kV
transformers with uk 4 %; ABC 4×95 mm² in the street, 2×11 mm² to the house.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.city.dice import Words, keys, throw
from simulators.city.frame import Floats
from simulators.city.grid.sweep import Complexes, Network, Nodes, by_depth

CUSTOMERS_PER_TRANSFORMER = 60
TRANSFORMERS_PER_FEEDER = 10
FEEDERS_PER_SUBSTATION = 4
NOMINAL_V = 400 / 3**0.5
PHASES = 3
Of = tuple[int, int, int]
"""Which transformer (−1: none), feeder and phase a node belongs to."""
HOME, SHOP, CABINET = 0, 1, 2

_SHOP_SHARE, _THREE_PHASE_SHARE, _SOLAR_SHARE = 0.12, 0.45, 0.08
_RATINGS_KVA = np.array((25, 50, 100, 160, 180, 250, 320, 400, 560, 630, 750, 1000), dtype=float)
_KVA_PER_HOME, _KVA_PER_SHOP, _KVA_PER_LARGE_SHOP = 1.0, 1.6, 7.5  # at the evening's peak
_PEAK_LOADING = 0.7  # of a transformer as it was planned
_UK, _LOAD_LOSS, _IRON_LOSS, _IDLE = 0.04, 0.012, 0.0018, 0.012  # of the rating
_TO_400 = (400 / 22_000) ** 2
_MV_OHM_PER_KM = complex(0.27, 0.35) * _TO_400
_MV_SECTION_KM = (0.25, 0.7)
_LV_OHM_PER_KM = complex(0.32, 0.08) * 1.6  # the return over neutral and repeated earths
_LV_LINES, _PER_POLE = 4, 2
_SPAN_KM = (0.03, 0.05)
_SERVICE_OHM_PER_KM = complex(1.8, 0.09) * 2
_SERVICE_KM = (0.008, 0.035)


@dataclass(frozen=True)
class Layout:
    """The grid as arrays; customers first, then roadside cabinets."""

    network: Network
    kind: NDArray[np.int8]  # of each customer: HOME, SHOP, CABINET
    is_three_phase: NDArray[np.bool_]
    phase: Nodes  # of a single-phase customer
    solar_w: Floats
    transformer: Nodes  # of each customer
    feeder: Nodes  # of each transformer
    rating_kva: Floats  # of each transformer
    heads: Nodes  # nodes, feeder × phase
    busbars: Nodes  # low-voltage side, transformer × phase
    services: Nodes  # customer × phase; −1 where there is no conductor
    node_transformer: Nodes  # of each node; −1 at the head of a feeder
    node_feeder: Nodes
    node_phase: Nodes
    place: Floats  # of each transformer, latitude and longitude

    @property
    def substation(self) -> Nodes:
        """Return the substation of each feeder."""
        return np.arange(self.heads.shape[0]) // FEEDERS_PER_SUBSTATION


@dataclass
class _Growing:
    """Nodes as they are added, in an order that is not yet that of the sweep."""

    parent: list[int]
    impedance: list[complex]
    shunt: list[complex]
    of: list[Of]

    def add(self, parent: int, impedance: complex, of: Of, shunt: complex = 0j) -> int:
        self.parent.append(parent)
        self.impedance.append(impedance)
        self.shunt.append(shunt)
        self.of.append(of)
        return len(self.parent) - 1

    def network(self, order: Nodes) -> tuple[Network, Nodes]:
        """Return the network, and the new number of each node (the last: of no node)."""
        number = np.full(order.size + 1, -1, dtype=np.int64)
        number[order] = np.arange(order.size)
        parent = number[np.array(self.parent)[order]]
        network = Network(parent, np.array(self.impedance)[order], np.array(self.shunt)[order])
        return network, number


def build(seed: int, meters: int, cabinets: int) -> Layout:
    """Lay out a grid for that many customers and roadside cabinets."""
    count = max(1, -(-meters // CUSTOMERS_PER_TRANSFORMER))
    feeder = np.arange(count) // TRANSFORMERS_PER_FEEDER
    homes = keys(seed, 1, meters + cabinets)
    kind = np.where(throw(homes, 1) < _SHOP_SHARE, SHOP, HOME).astype(np.int8)
    kind[meters:] = CABINET
    is_three_phase = (kind == SHOP) & (throw(homes, 2) < _THREE_PHASE_SHARE)
    has_solar = (kind != CABINET) & (throw(homes, 3) < _SOLAR_SHARE)
    solar_w = np.where(has_solar, 2000 + 3000 * throw(homes, 4) * (1 + is_three_phase), 0.0)
    transformer = np.arange(meters + cabinets) * count // max(meters, 1)
    transformer[meters:] = (throw(homes[meters:], 5) * count).astype(np.int64)
    phase = (throw(homes, 6) * PHASES).astype(np.int64)
    rating_kva = _ratings(count, transformer, kind, is_three_phase)
    growing = _Growing([], [], [], [])
    heads, busbars = _grow_feeders(growing, keys(seed, 2, count), feeder, rating_kva)
    services = _grow_streets(growing, homes, transformer, busbars, is_three_phase, phase)
    order = by_depth(growing.parent)
    network, number = growing.network(order)
    node_transformer, node_feeder, node_phase = np.array(growing.of)[order].T
    place = np.stack([21.03 + 0.08 * throw(keys(seed, 3, count), k) for k in (1, 2)], axis=1)
    place[:, 1] += 105.85 - 21.03
    return Layout(
        network=network,
        kind=kind,
        is_three_phase=is_three_phase,
        phase=phase,
        solar_w=solar_w,
        transformer=transformer,
        feeder=feeder,
        rating_kva=rating_kva,
        heads=number[heads],
        busbars=number[busbars],
        services=number[services],
        node_transformer=node_transformer,
        node_feeder=node_feeder,
        node_phase=node_phase,
        place=place,
    )


def _ratings(
    count: int, transformer: Nodes, kind: NDArray[np.int8], is_three_phase: NDArray[np.bool_]
) -> Floats:
    each = np.select(
        [is_three_phase, kind == SHOP, kind == HOME],
        [_KVA_PER_LARGE_SHOP, _KVA_PER_SHOP, _KVA_PER_HOME],
        0.4,
    )
    wanted = np.bincount(transformer, each, count) / _PEAK_LOADING
    return _RATINGS_KVA[np.minimum(np.searchsorted(_RATINGS_KVA, wanted), _RATINGS_KVA.size - 1)]


def _grow_feeders(
    growing: _Growing, key: Words, feeder: Nodes, rating_kva: Floats
) -> tuple[Nodes, Nodes]:
    """Add feeders as chains of transformers; return nodes of heads and of LV busbars."""
    section = _between(_MV_SECTION_KM, throw(key, 3)) * _MV_OHM_PER_KM
    heads: list[list[int]] = []
    busbars: list[list[int]] = []
    above: list[int] = []
    for number, of_feeder in enumerate(feeder.tolist()):
        if of_feeder == len(heads):
            # the head is at the busbar: what its meter sees is what comes in
            of = [(-1, of_feeder, one) for one in range(PHASES)]
            above = [growing.add(-1, 1e-9 + 0j, each) for each in of]
            heads.append(above)
        rated_va = rating_kva[number] * 1000
        resistance, size = _LOAD_LOSS * 400**2 / rated_va, _UK * 400**2 / rated_va
        winding = complex(resistance, (size**2 - resistance**2) ** 0.5)
        iron_w, idle_va = _IRON_LOSS * rated_va / PHASES, _IDLE * rated_va / PHASES
        iron = complex(iron_w, -((idle_va**2 - iron_w**2) ** 0.5)) / NOMINAL_V**2
        of = [(number, of_feeder, one) for one in range(PHASES)]
        mv = complex(section[number])
        above = [growing.add(node, mv, of[one], iron) for one, node in enumerate(above)]
        busbars.append([growing.add(node, winding, of[one]) for one, node in enumerate(above)])
    return np.array(heads), np.array(busbars)


def _grow_streets(
    growing: _Growing,
    key: Words,
    transformer: Nodes,
    busbars: Nodes,
    is_three_phase: NDArray[np.bool_],
    phase: Nodes,
) -> Nodes:
    """Add lines, poles and house connections; return the nodes of the meters."""
    span = _between(_SPAN_KM, throw(key, 7)) * _LV_OHM_PER_KM
    service = _between(_SERVICE_KM, throw(key, 8)) * _SERVICE_OHM_PER_KM
    nodes = np.full((transformer.size, PHASES), -1)
    taken: dict[int, int] = {}  # customers so far, by transformer
    poles: dict[tuple[int, int, int], list[int]] = {}
    for customer, of in enumerate(transformer.tolist()):
        ordinal = taken.get(of, 0)
        taken[of] = ordinal + 1
        line, pole = ordinal % _LV_LINES, ordinal // _LV_LINES // _PER_POLE
        here = poles.get((of, line, pole))
        if here is None:
            above = poles.get((of, line, pole - 1), busbars[of].tolist())
            wire = complex(span[customer])
            here = [growing.add(node, wire, growing.of[node]) for node in above]
            poles[of, line, pole] = here
        for one in range(PHASES) if is_three_phase[customer] else (int(phase[customer]),):
            wire = complex(service[customer])
            nodes[customer, one] = growing.add(here[one], wire, growing.of[here[one]])
    return nodes


def _between(bounds: tuple[float, float], share: Floats) -> Floats:
    return bounds[0] + (bounds[1] - bounds[0]) * share


def source_of(volts: Floats) -> Complexes:
    """Return per-phase source voltages for the voltage of each feeder's busbar × moments."""
    return np.repeat(volts, PHASES, axis=0).astype(np.complex128)
