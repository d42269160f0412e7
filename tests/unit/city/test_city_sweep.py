"""The power flow against pandapower (an independent Newton-Raphson solver) on its LV grids."""

import warnings
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import pandapower
import pandapower.networks
import pytest

from simulators.city.grid.sweep import DivergedError, Network, by_depth

GRIDS = (
    "create_kerber_landnetz_freileitung_1",
    "create_kerber_landnetz_kabel_1",
    "create_kerber_dorfnetz",
    "create_kerber_vorstadtnetz_kabel_1",
    "create_cigre_network_lv",
    "create_synthetic_voltage_control_lv_network",
)
BASE_V = 400.0  # everything is referred to the low-voltage side, line to line: power is three-phase


class Grid(NamedTuple):
    """A grid of pandapower as a forest."""

    network: Network
    buses: list[int]  # of pandapower, in the order of the nodes
    power: Any
    source: Any


def build(net: Any) -> Grid:
    """Read the tables of pandapower; only the data, none of its mathematics."""
    branches: dict[int, list[tuple[int, complex, complex]]] = {}
    shunt: dict[int, complex] = dict.fromkeys(net.bus.index, 0j)
    _read_lines(net, branches, shunt)
    _read_transformers(net, branches, shunt)
    for switch in net.switch[(net.switch.et == "b") & net.switch.closed].itertuples():
        # what pandapower makes one bus, a branch of next to no impedance
        branches.setdefault(switch.bus, []).append((switch.element, 1e-9 + 0j, 0j))
        branches.setdefault(switch.element, []).append((switch.bus, 1e-9 + 0j, 0j))
    slack = net.ext_grid.bus.iloc[0]
    parent_of, order = {slack: -1}, deque([slack])
    seen: list[int] = []
    impedance = {slack: 1e-12 + 0j}
    while order:
        bus = order.popleft()
        seen.append(bus)
        for other, ohms, _ in branches.get(bus, []):
            if other not in parent_of:
                parent_of[other], impedance[other] = bus, ohms
                order.append(other)
    place = {bus: number for number, bus in enumerate(seen)}
    parent = [place[parent_of[bus]] if parent_of[bus] >= 0 else -1 for bus in seen]
    sequence = by_depth(parent)
    buses = [seen[k] for k in sequence]
    place = {bus: number for number, bus in enumerate(buses)}
    network = Network(
        np.array([place.get(parent_of[bus], -1) for bus in buses]),
        np.array([impedance[bus] for bus in buses]),
        np.array([shunt[bus] for bus in buses]),
    )
    power = np.zeros((len(buses), 1), dtype=complex)
    for sign, table in ((1, net.load), (-1, net.sgen)):
        for row in table[table.in_service].itertuples():
            power[place[row.bus], 0] += sign * (row.p_mw + 1j * row.q_mvar) * row.scaling * 1e6
    source = np.full((1, 1), net.ext_grid.vm_pu.iloc[0] * BASE_V, dtype=complex)
    return Grid(network, buses, power, source)


def _read_lines(net: Any, branches: Any, shunt: dict[int, complex]) -> None:
    opened = set(net.switch[(net.switch.et == "l") & ~net.switch.closed].element)
    for index, line in net.line[net.line.in_service].iterrows():
        if index in opened:
            continue
        scale = (BASE_V / (net.bus.vn_kv[line.from_bus] * 1000)) ** 2
        ohms = complex(line.r_ohm_per_km, line.x_ohm_per_km) * line.length_km / line.parallel
        siemens = complex(line.g_us_per_km * 1e-6, 2 * np.pi * net.f_hz * line.c_nf_per_km * 1e-9)
        for one, other in ((line.from_bus, line.to_bus), (line.to_bus, line.from_bus)):
            branches.setdefault(one, []).append((other, ohms * scale, 0j))
            shunt[one] += siemens * line.length_km * line.parallel / 2 / scale


def _read_transformers(net: Any, branches: Any, shunt: dict[int, complex]) -> None:
    for trafo in net.trafo.itertuples():
        assert trafo.tap_pos in {trafo.tap_neutral, 0} or np.isnan(trafo.tap_pos)
        rated_va = trafo.sn_mva * 1e6
        base_ohm = (trafo.vn_lv_kv * 1000) ** 2 / rated_va
        z, r = trafo.vk_percent / 100 * base_ohm, trafo.vkr_percent / 100 * base_ohm
        ohms = complex(r, np.sqrt(z * z - r * r)) / trafo.parallel
        iron_va, idle_va = trafo.pfe_kw * 1e3, trafo.i0_percent / 100 * rated_va
        iron = complex(iron_va, -np.sqrt(max(idle_va**2 - iron_va**2, 0.0))) / BASE_V**2
        for one, other in ((trafo.hv_bus, trafo.lv_bus), (trafo.lv_bus, trafo.hv_bus)):
            branches.setdefault(one, []).append((other, ohms, 0j))
            shunt[one] += iron * trafo.parallel / 2


@pytest.fixture(scope="module", params=GRIDS)
def net(request: pytest.FixtureRequest) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = getattr(pandapower.networks, request.param)()
        pandapower.runpp(net, trafo_model="pi", numba=False, tolerance_mva=1e-12)
    return net


def test_voltages_and_losses_are_those_of_pandapower(net: Any) -> None:
    grid = build(net)
    flow = grid.network.solve(grid.power, grid.source)
    theirs = net.res_bus.vm_pu.loc[grid.buses].to_numpy()
    np.testing.assert_allclose(np.abs(flow.voltage[:, 0]) / BASE_V, theirs, rtol=1e-4)
    losses_w = 1e6 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
    assert flow.lost.sum() == pytest.approx(losses_w, rel=1e-3)
    head_w = (grid.source[0, 0] * np.conj(flow.current[0, 0])).real
    assert head_w == pytest.approx(net.res_ext_grid.p_mw.sum() * 1e6, rel=1e-3)


def test_what_comes_in_is_what_is_used_and_what_is_lost(net: Any) -> None:
    grid = build(net)
    flow = grid.network.solve(grid.power, grid.source)
    head_w = (grid.source[0, 0] * np.conj(flow.current[0, 0])).real
    assert head_w == pytest.approx(flow.served.real.sum() + flow.lost.sum(), rel=1e-9)
    np.testing.assert_allclose(flow.served, grid.power, atol=1e-4)


def test_moments_do_not_know_each_other() -> None:
    network = Network(np.array([-1, 0, 0, 1]), np.array([0.02 + 0.01j] * 4), np.zeros(4, complex))
    power = np.array([[0, 0], [0, 0], [900 + 300j, 4000], [2500, 8000 + 900j]], dtype=complex)
    source = np.full((1, 2), 231 + 0j)
    both = network.solve(power, source)
    for k in range(2):
        alone = network.solve(power[:, [k]], source[:, [k]])
        np.testing.assert_allclose(both.voltage[:, [k]], alone.voltage, rtol=1e-12)


def test_more_than_the_network_can_carry_is_an_error() -> None:
    network = Network(np.array([-1]), np.array([1.0 + 0j]), np.zeros(1, complex))
    network.solve(np.array([[10_000 + 0j]]), np.array([[231 + 0j]]))  # most: U²/4R = 13,340 W
    with pytest.raises(DivergedError):
        network.solve(np.array([[14_000 + 0j]]), np.array([[231 + 0j]]))


def test_an_order_that_no_sweep_can_take_is_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        Network(np.array([-1, 0, 1, 0]), np.ones(4, complex), np.zeros(4, complex))
