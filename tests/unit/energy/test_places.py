"""The registry by date: each day has the tree, and the permissions, that held on it."""

from pathlib import Path

import numpy as np

from gateway.energy.engine.grid.places import Atlas
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from tests.unit.energy.desk import SLOTS, Utility, name_of
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

DAY_MS = 86_400_000
MOVED = "2026-03-10T00:00:00+07:00"  # the second day of the utility's


def registry(**of_first: object) -> Registry:
    """Return two transformers; meter 0 is as said, meter 1 hangs on the first."""
    nodes = [
        {"id": "fdr-1", "kind": "feeder"},
        *({"id": f"tba-{k}", "kind": "transformer", "parent": "fdr-1"} for k in range(2)),
    ]
    meter = {"org": "evn", "sector": "energy"}
    devices = [
        {"id": name_of(0), **meter, **of_first},
        {"id": name_of(1), **meter, "parent": "tba-0"},
    ]
    return Registry(RegistryFile.model_validate({"node": nodes, "device": devices}))


def moving() -> Registry:
    return registry(parent=[{"id": "tba-0", "to": MOVED}, {"id": "tba-1", "from": MOVED}])


def test_a_meter_hangs_where_it_hung_on_the_day() -> None:
    atlas = Atlas(moving())
    for name in (name_of(0), name_of(1), "nobody"):
        atlas.add(name, MONDAY_MS)
    names = atlas.tree.transformers.names
    for day, expected in ((0, "tba-0"), (1, "tba-1"), (5, "tba-1"), (-9, "tba-0")):
        found = atlas.at(MONDAY_MS + day * DAY_MS).transformer
        assert names[found[0]] == expected
        assert names[found[1]] == "tba-0"
        assert found[2] == -1
    assert atlas.epoch(MONDAY_MS) != atlas.epoch(MONDAY_MS + DAY_MS)
    assert atlas.epoch(MONDAY_MS + DAY_MS) == atlas.epoch(MONDAY_MS + 99 * DAY_MS)


def test_a_file_that_names_no_prosumer_forbids_nobody_to_feed_in() -> None:
    atlas = Atlas(registry(parent="tba-0"))
    atlas.add(name_of(0), MONDAY_MS)
    assert atlas.at(MONDAY_MS).is_prosumer.tolist() == [True]


def test_permissions_have_dates() -> None:
    file = registry(
        prosumer=[{"value": True, "from": MOVED}],
        connected=[{"value": False, "from": MOVED}],
        budget={"kwh": 250},
    )
    atlas = Atlas(file)
    for name in (name_of(0), name_of(1)):
        atlas.add(name, MONDAY_MS)
    before, after = atlas.at(MONDAY_MS), atlas.at(MONDAY_MS + DAY_MS)
    assert before.is_prosumer.tolist() == [False, False]
    assert after.is_prosumer.tolist() == [True, False]
    assert before.is_connected.all()
    assert after.is_connected.tolist() == [False, True]
    assert before.budget_wh.tolist() == [250_000, np.inf]


def test_an_outage_is_of_the_transformer_of_now_without_a_new_start(tmp_path: Path) -> None:
    """Both meters gasp at 01:00 of the second day: they share no transformer any more."""
    utility = Utility(tmp_path, 2, moving())
    utility.at(0)
    utility.send(range(SLOTS - 4))
    utility.go(20)
    utility.at(SLOTS + 2)
    utility.send(range(SLOTS - 4, SLOTS + 3))
    utility.go(20)
    utility.say([0, 1], 99, MONDAY_MS + (SLOTS + 2) * HALF_HOUR_MS + 5000)
    utility.go(60)
    kinds = {alarm.kind for alarm in utility.alarms() if "withdrawn" not in alarm.evidence}
    assert kinds == {"service_outage"}
