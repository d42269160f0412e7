"""Time of one core for the grid's rooms: 10,000 meters x a day of 30 minutes.

python -m tools.bench_gridwatch [--meters 10000]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from gateway.energy import load, loss, outage, voltage
from gateway.energy.series import Phases, Window, empty_window
from gateway.model import Quality
from gateway.policies import load_policies

_PER_TRANSFORMER, _PER_FEEDER = 60, 10
_INTERVAL_MS, _SLOTS = 1_800_000, 48
_START_MS = 1_795_305_600_000
_BASE_DAYS = 14
_MISSING = 0.02


def day_of(meters: int, rng: np.random.Generator) -> Window:
    """Return a day of that many meters, a few readings lost."""
    window = empty_window(np.arange(meters), _START_MS, _INTERVAL_MS, _SLOTS, phases=True)
    power = rng.gamma(2.0, 200.0, window.import_wh.shape)
    window.import_wh[:] = 1e6 + np.cumsum(power / 2, axis=1)
    window.export_wh[:] = 0.0
    window.power_w[:] = power
    window.voltage_v[:] = rng.normal(228, 4, power.shape)
    window.quality[:] = int(Quality.VALID)
    lost = rng.random(power.shape) < _MISSING
    for column in (window.import_wh, window.power_w, window.voltage_v):
        column[lost] = np.nan
    window.quality[lost] = int(Quality.MISSING)
    return window


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=10_000)
    meters = parser.parse_args().meters
    rng = np.random.default_rng(1)
    window = day_of(meters, rng)
    total = 0.0
    for name, work in rooms(window, rng).items():
        begin = time.process_time()
        work()
        spent = time.process_time() - begin
        total += spent
        print(f"{name:<10} {spent * 1000:8.1f} ms")
    print(f"{'all':<10} {total * 1000:8.1f} ms of one core for {meters} meters x a day")


def rooms(window: Window, rng: np.random.Generator) -> dict[str, Callable[[], object]]:
    """Return what each room does with a closed day."""
    meters = window.meters
    node = np.arange(meters) // _PER_TRANSFORMER
    nodes = int(node.max()) + 1
    heads = _heads(window, node, nodes, rng)
    rating = np.full(nodes, 100e3)
    nominal = np.full(meters, 230.0)
    norm = load_policies("voltage", voltage.VoltagePolicy).at("vn-39-2015", _START_MS)
    limits = load_policies("load", load.LoadPolicy).at("vn", _START_MS)
    return {
        "outage": _outage(window, node, nodes),
        "voltage": lambda: _voltage(window, nominal, node, nodes, norm),
        "load": lambda: _load(heads, window, node, rating, limits),
        "loss": _loss(window, heads, node, rng),
    }


def _heads(window: Window, node: np.ndarray, nodes: int, rng: np.random.Generator) -> Window:
    heads = empty_window(np.arange(nodes), _START_MS, _INTERVAL_MS, _SLOTS, phases=True)
    np.add.at(heads.power_w, node, np.nan_to_num(window.power_w))
    heads.import_wh[:] = np.cumsum(heads.power_w * 0.51, axis=1)
    heads.export_wh[:] = 0.0
    three = rng.normal(229, 2, (3, *heads.power_w.shape))
    amps = heads.power_w / 690 * rng.uniform(0.7, 1.3, three.shape)
    return Window(
        **{
            **{name: getattr(heads, name) for name in heads.__slots__},
            "phases": Phases(amps * three, three, amps),
        }
    )


def _outage(window: Window, node: np.ndarray, nodes: int) -> Callable[[], object]:
    policy = load_policies("outage", outage.OutagePolicy).at("vn", _START_MS)
    meters = window.meters
    topology = outage.Topology(
        window.device_index,
        np.zeros(meters, np.int64),
        node,
        np.zeros(meters, np.int64),
        np.full(meters, _INTERVAL_MS),
        np.ones(meters, np.bool_),
        np.arange(nodes) // _PER_FEEDER,
        np.zeros(nodes // _PER_FEEDER + 1, np.int64),
    )
    watch = outage.OutageWatch(topology, policy)
    nominal = np.full(meters, 230.0)

    def work() -> None:
        facts = outage.facts_of_window(window, np.arange(meters), nominal)
        dark = np.flatnonzero(node // _PER_FEEDER == 0)
        parts = [
            outage.Facts.of(int(row), outage.FactKind.LAST_GASP, _START_MS + 1) for row in dark
        ]
        for mark in range(_SLOTS + 1):
            now_ms = _START_MS + mark * _INTERVAL_MS
            here = [facts.take(facts.time_ms == now_ms)]
            watch.feed(now_ms + 1000, outage.Facts.joined(here + (parts if mark == 1 else [])))

    return work


def _voltage(
    window: Window,
    nominal: np.ndarray,
    node: np.ndarray,
    nodes: int,
    policy: voltage.VoltagePolicy,
) -> None:
    measures = voltage.measures_of(window, nominal)
    day = voltage.tally(measures, policy)
    week = voltage.joined([day] * policy.days)
    found = voltage.compliance(week, policy)
    voltage.of_nodes(week, found, node, nodes)
    voltage.runs(measures, policy)
    voltage.node_runs(measures, node, nodes, policy)


def _load(
    heads: Window, window: Window, node: np.ndarray, rating: np.ndarray, policy: load.LoadPolicy
) -> None:
    course = load.course_of(heads)
    pu = window.voltage_v[:, 1:] / 230
    day = load.tally(course, rating, load.voltage_counts(pu, pu, node, len(rating)))
    load.overloads(course, rating, policy)
    week = load.joined([day] * 7)
    load.advise(week, load.profile(week, rating, policy), rating, policy)


def _loss(
    window: Window, heads: Window, node: np.ndarray, rng: np.random.Generator
) -> Callable[[], object]:
    policy = load_policies("loss", loss.LossPolicy).at("vn", _START_MS)
    nodes = heads.meters
    usual = loss.usual_energy(loss.metered(window.import_wh).energy_wh, _SLOTS)
    energy = np.abs(rng.normal(15_000, 4000, (nodes, _BASE_DAYS * _SLOTS)))
    ones = np.ones_like(energy)
    clean = loss.Balance(energy, energy * 0.98, ones, ones, _SLOTS)
    model = loss.fit(clean, policy)

    def work() -> None:
        meters = loss.metered(window.import_wh)
        incoming = loss.metered(heads.import_wh).energy_wh
        day = loss.balance(incoming, meters, node, usual, _SLOTS)
        lost = loss.day_loss(day, model, policy)
        loss.cusum(loss.stacked([lost] * 30), model, policy)
        three = heads.phases.voltage_v if heads.phases is not None else np.zeros((3, nodes, 1))
        head_v = np.moveaxis(three, 0, 1)[:, :, 1:]
        for begin in range(0, nodes, 4 * _PER_FEEDER):  # a substation at a time
            here = head_v[begin : begin + 4 * _PER_FEEDER]
            below = (node >= begin) & (node < begin + 4 * _PER_FEEDER)
            refs = loss.references(here)
            volts, power = window.voltage_v[below, 1:], window.power_w[below, 1:]
            tally = loss.tally(volts, power, here, refs)
            loss.verdict(tally, node[below] - begin, policy)

    return work


if __name__ == "__main__":
    main()
