"""Metered places of the grid: feeders in the balance, and meters that hang where no entry says."""

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.energy import loss
from gateway.energy.engine.grid.metering import metering
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.loss import LossPolicy
from gateway.energy.vee.policy import VeePolicy
from gateway.model import FloatArray, Quality, ReadingBatch
from gateway.policies import load_policies
from gateway.ports import Alarm, DeviceRow
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from tests.unit.energy.desk import PROFILES, Utility, name_of
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

SLOTS = 48
POLICY = load_policies("loss", LossPolicy).at("vn", MONDAY_MS)
VEE_METER = load_policies("vee", VeePolicy).at("vee", MONDAY_MS).meter
EVERY = slice(None)
NODES = (("ss-1", "substation", None), ("f-1", "feeder", "ss-1"), ("f-2", "feeder", "f-1"))


def registry(transformers: dict[str, str], parents: list[str], heads: set[int]) -> Registry:
    """Return a registry of devices m-000 … under nodes; ``heads`` measure theirs."""
    nodes = [{"id": i, "kind": kind} | ({"parent": p} if p else {}) for i, kind, p in NODES]
    nodes += [{"id": t, "kind": "transformer", "parent": f} for t, f in transformers.items()]
    devices = [
        {"id": name_of(k), "org": "evn", "sector": "energy", "parent": at, "head": k in heads}
        for k, at in enumerate(parents)
    ]
    return Registry(RegistryFile.model_validate({"node": nodes, "device": devices}))


def send(
    utility: Utility,
    profile: str,
    device: int,
    wh: FloatArray,
    volts: FloatArray,
    only: slice = EVERY,
) -> None:
    """Store registers that begin at 1 MWh and these uses of half hours, and voltages at marks."""
    columns = [column.name for column in PROFILES[profile].columns]
    marks = np.arange(len(wh) + 1)
    register = 1e6 + np.concatenate([[0.0], np.cumsum(wh)])
    if profile == "dtm":  # reads every quarter of an hour
        marks = np.arange(2 * len(wh) + 1)
        register = np.interp(marks / 2, np.arange(len(wh) + 1), register)
        volts = np.repeat(volts, 2)[: len(marks)]
    values = np.full((len(marks), len(columns)), np.nan)
    values[:, columns.index("ea_imp")], values[:, columns.index("ea_exp")] = np.floor(register), 0
    for name in ("u", "u_l1", "u_l2", "u_l3"):
        if name in columns:
            values[:, columns.index(name)] = np.rint(volts * 10)
    if "p" in columns and profile != "dtm":
        values[:, columns.index("p")] = 0
    zero = np.zeros(len(marks), np.int64)
    step_ms = HALF_HOUR_MS // 2 if profile == "dtm" else HALF_HOUR_MS
    time_ms = MONDAY_MS + marks * step_ms
    quality = np.full(len(marks), int(Quality.VALID))
    record = utility.next_records(len(marks))
    batch = ReadingBatch(
        profile, zero + device, zero, zero - 1, time_ms, time_ms + 200, values, zero, quality,
        zero, record,
    )  # fmt: skip
    utility.put(batch.take(np.arange(len(marks))[only]))


def test_a_meter_counts_at_the_nearest_metered_place_above_it() -> None:
    """Two feeders, one branched off the other; a transformer with a meter and one without."""
    parents = ["f-1", "f-2", "t-1", "t-2", "t-1", "t-2", "f-2"]
    known = registry({"t-1": "f-2", "t-2": "f-2"}, parents, {0, 1})
    roster = Roster(known, PROFILES)
    rows = [DeviceRow(k, "evn", "energy", name_of(k), 1, 0) for k in range(len(parents))]
    roster.take(rows, MONDAY_MS)
    sends = ["em3", "em3", "dtm", "em1", "em1", "em3", "em3"]
    for index, profile in enumerate(sends):
        roster.sends(np.array([index]), profile)
    found = metering(roster, MONDAY_MS)
    assert found.measures == {0: "feeder:f-1", 1: "feeder:f-2", 2: "transformer:t-1"}
    assert found.counts_at == {
        1: "feeder:f-1",  # the branch at the feeder it leaves
        2: "feeder:f-2",
        3: "feeder:f-2",  # nobody measures t-2
        4: "transformer:t-1",
        5: "feeder:f-2",
        6: "feeder:f-2",  # a customer at medium voltage
    }
    # the meter of a feeder is no customer of a service fuse
    meters = roster.meters(np.array([0, 6]), PROFILES["em3"], VEE_METER, MONDAY_MS)
    assert meters.max_current_a[0] > 10_000 > meters.max_current_a[1]


def test_a_feeder_is_balanced_with_what_its_transformers_and_customers_show(
    tmp_path: Path,
) -> None:
    """By hand: 1,000 + k Wh in a slot at the head, less 400 + k at t-1, less 550 at t-2's only
    customer: 50 in each of 48 slots; at t-1 what its two customers (190 and 190 + k) leave: 20."""
    known = registry({"t-1": "f-1", "t-2": "f-1"}, ["f-1", "t-1", "t-1", "t-1", "t-2"], {0})
    utility = Utility(tmp_path, 5, known)
    wave = (np.arange(SLOTS) % 7).astype(np.float64)
    volts = np.full(SLOTS + 1, 230.0)
    utility.at(SLOTS)
    send(utility, "em3", 0, 1000 + wave, volts)
    send(utility, "dtm", 1, 400 + wave, volts)
    for device, uses in ((2, 190 + 0 * wave), (3, 190 + wave), (4, 550 + 0 * wave)):
        send(utility, "em1", device, uses, volts)
    utility.go(120)
    lines = {one.place: json.loads(one.body) for one in utility.lines("balance")}
    assert lines["feeder:f-1"]["loss_wh"] == 50 * SLOTS
    assert lines["transformer:t-1"]["loss_wh"] == 20 * SLOTS
    assert "transformer:t-2" not in lines
    assert lines["feeder:f-1"]["coverage"] == lines["transformer:t-1"]["coverage"] == 1


MOVED, EMPTY, LATE, TOWN_DAYS = 3, 7, 12, 6


def town(folder: Path, parents: list[str]) -> tuple[Utility, FloatArray]:
    """Two transformers with ten homes each; of t-1's, home 3 is fed and 7 hangs at t-2.

    Home 12 has sent all but its last four readings; its uses are returned.
    """
    rng = np.random.default_rng(4)
    slots = TOWN_DAYS * SLOTS
    utility = Utility(folder, 22, registry({"t-1": "f-1", "t-2": "f-1"}, parents, set()))
    utility.at(slots)
    uses = np.rint(rng.gamma(2.0, 120.0, (20, slots)))
    uses[EMPTY] = 0
    busbar = 230 + rng.normal(0, 1.0, (2, slots + 1))
    fed_by = np.repeat([0, 1], 10)
    fed_by[[MOVED, EMPTY]] = 1
    for home in range(20):
        volts = busbar[fed_by[home]] + rng.normal(0, 0.2, slots + 1)
        send(utility, "em1", home, uses[home], volts, slice(-4) if home == LATE else EVERY)
    for of in range(2):
        total = uses[fed_by == of].sum(axis=0)
        send(utility, "dtm", 20 + of, np.rint(total * 1.01 + total**2 * 2e-6 + 15), busbar[of])
    return utility, uses[LATE]


def wrong(utility: Utility) -> dict[str, Alarm]:
    """Return the open alarms of wrong transformers."""
    alarms = [one for one in utility.alarms() if one.kind == "wrong_transformer"]
    return {one.place: one for one in alarms if not one.cleared_ms}


def test_wrong_transformers_are_found_by_energy_or_voltage_until_the_registry_is_mended(
    tmp_path: Path,
) -> None:
    parents = ["t-1"] * 10 + ["t-2"] * 10 + ["t-1", "t-2"]
    utility, late = town(tmp_path, parents)
    utility.go(200)
    found = wrong(utility)
    assert set(found) == {f"device:{name_of(k)}" for k in (MOVED, EMPTY)}
    by_energy, by_voltage = (
        json.loads(found[f"device:{name_of(k)}"].evidence) for k in (MOVED, EMPTY)
    )
    for evidence in (by_energy, by_voltage):
        assert evidence["registered"] == "transformer:t-1"
        assert evidence["seems_at"] == "transformer:t-2"
    assert by_energy["energy_nats"] > POLICY.wiring.min_gain_nats
    assert by_voltage["energy_nats"] == 0  # nobody lives there
    assert by_voltage["voltage_correlation"] > by_voltage["registered_correlation"] + 0.3
    # another life, with a mended registry: what is fed by t-2 is registered there
    mended = [("t-2" if k in {MOVED, EMPTY} else at) for k, at in enumerate(parents)]
    utility.registry = registry({"t-1": "f-1", "t-2": "f-1"}, mended, set())
    utility.start()
    send(utility, "em1", LATE, late, np.full(len(late) + 1, 230.0), slice(-4, None))
    utility.go(200)
    assert wrong(utility) == {}


@pytest.mark.parametrize("seed", range(5))
def test_moves_find_all_wrong_ones_although_they_hide_each_other(seed: int) -> None:
    """Shops of like hours: the large one that hangs elsewhere must not accuse the small ones."""
    rng = np.random.default_rng(seed)
    slots, homes = 7 * SLOTS, 40
    hours = np.tile(np.clip(np.sin((np.arange(SLOTS) - 14) / SLOTS * 2 * np.pi), 0, None), 7)
    energy = rng.gamma(2.0, 100.0, (homes, slots))
    energy[:8] = hours * rng.uniform(100, 3000, (8, 1)) * rng.uniform(0.9, 1.1, (8, slots)) + 20
    fed_by = np.arange(homes) % 4
    registered = fed_by.copy()
    moved = [0, 5, 11, 22]
    registered[moved] = (fed_by[moved] + 1) % 4
    gains = 1 + rng.normal(0, 0.004, (homes, 1))
    through = np.stack([energy[fed_by == k].sum(axis=0) for k in range(4)])
    in_wh = through * 1.005 + 2e-6 * through**2 + rng.normal(0, 20, through.shape)
    shown = np.stack([(energy * gains)[registered == k].sum(axis=0) for k in range(4)])
    in_wh[2] += 1.5 * energy[14]  # a thief, who hangs where he is registered
    in_wh[2, 100:110] = np.nan  # its own meter was silent
    found = loss.moves(in_wh, in_wh - shown, energy * gains, registered, POLICY)
    assert {(one.meter, one.best) for one in found.moves} == {(k, fed_by[k]) for k in moved}
    at_home = [k for k in range(homes) if k not in moved]
    assert (found.leaves[at_home] < -POLICY.wiring.min_gain_nats).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("warm_wh", "misfit_wh"), [(3.0, 8.0), (1.0, 3.0)])
def test_a_course_too_flat_to_tell_accuses_nobody(
    seed: int, warm_wh: float, misfit_wh: float
) -> None:
    """A roadside cabinet draws the same all day, a little more in the heat; losses err with it."""
    rng = np.random.default_rng(seed)
    slots, homes = 8 * SLOTS, 40
    heat = np.tile(np.clip(np.sin((np.arange(SLOTS) - 14) / SLOTS * 2 * np.pi), 0, None), 8)
    energy = rng.gamma(2.0, 100.0, (homes, slots))
    energy[0] = 80 + warm_wh * heat
    registered = np.arange(homes) % 4
    shown = np.stack([energy[registered == k].sum(axis=0) for k in range(4)])
    in_wh = shown + 100 + rng.normal(0, 5, shown.shape)
    in_wh[1] += misfit_wh * heat
    found = loss.moves(in_wh, in_wh - shown, energy, registered, POLICY)
    assert found.moves == []
