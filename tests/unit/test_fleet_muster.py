"""The fleet is joined again only where something is another: it is what joining all would say."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import CountRow, DeviceRow, LatestRow, Totals
from gateway.views.fleet import DeviceState, Fleet, Muster, build_fleet

NOTHING = Totals(0, 0, 0, 0, 0, 0, 0)
INTERVALS_MS = {"em1": 1_800_000, "tl1": 30_000, "etc1": 0}
DEVICES = 4


def latest(index: int, profile: str, at_ms: int) -> LatestRow:
    return LatestRow(index, profile, at_ms, at_ms, 7, at_ms, 0, 1, 0, b"", b"")


def device(index: int, name: str) -> DeviceRow:
    return DeviceRow(index, "evn", "energy", name, 1, 0)


def counted(index: int, state: str, at_ms: int) -> CountRow:
    return CountRow(index, at_ms, 0, 0, at_ms, 0, 0, at_ms, state)


def shown(fleet: Fleet) -> object:
    """Return all that a fleet says; the order in which profiles were heard is nobody's business."""
    lines = [one._replace(latest=tuple(sorted(one.latest))) for one in fleet.devices]
    return fleet.now_ms, lines, dict(fleet.names), [one.name for one in fleet.by_urgency]


indices = st.integers(0, DEVICES - 1)


class Step(NamedTuple):
    """What happens between two looks."""

    pass_ms: int
    heard: set[tuple[int, str]]
    known: set[int]
    words: dict[int, str]
    renamed: dict[int, str]


steps = st.builds(
    Step,
    st.integers(0, 4_000_000),
    st.sets(st.tuples(indices, st.sampled_from(sorted(INTERVALS_MS)))),
    st.sets(indices),
    st.dictionaries(indices, st.sampled_from(["online", "lost", ""])),
    st.dictionaries(indices, st.sampled_from(["a", "m", "z"]), max_size=1),
)


@given(st.lists(steps, max_size=6))
def test_looks_one_after_the_other_say_what_a_fresh_one_would(taken: list[Step]) -> None:
    muster, now_ms = Muster(INTERVALS_MS), 1_800_000_000_000
    names: dict[int, str] = {}
    counts: dict[int, CountRow] = {}
    newest: dict[tuple[int, str], LatestRow] = {}
    for one in taken:
        now_ms += one.pass_ms
        changed = {key: latest(*key, now_ms) for key in one.heard}
        newest |= changed
        spoke = {index for index, _ in changed} | one.known
        names |= {index: names.get(index, f"d-{9 - index}") for index in spoke}
        counts |= {index: counted(index, word, now_ms) for index, word in one.words.items()}
        names |= {index: f"{name}{index}" for index, name in one.renamed.items()}
        devices = [device(*pair) for pair in sorted(names.items())]
        rows: tuple[list[DeviceRow], list[CountRow]] = devices, list(counts.values())
        mine = muster.look(now_ms, NOTHING, rows, changed.values())
        fresh = build_fleet((now_ms, INTERVALS_MS), NOTHING, rows, newest.values())
        assert shown(mine) == shown(fresh)


def test_a_device_is_lost_by_time_alone() -> None:
    muster = Muster(INTERVALS_MS)
    rows: tuple[list[DeviceRow], list[CountRow]] = [device(0, "loop")], []
    heard = muster.look(1000, NOTHING, rows, [latest(0, "tl1", 1000)])
    assert heard.devices[0].state is DeviceState.ALIVE
    # twice 30 s later it is about to be, a millisecond after that it is
    assert muster.look(61_000, NOTHING, rows, []).devices[0].state is DeviceState.ALIVE
    assert muster.look(61_001, NOTHING, rows, []).devices[0].state is DeviceState.LOST


def test_another_store_in_its_place_is_another_fleet() -> None:
    muster = Muster(INTERVALS_MS)
    muster.look(1000, NOTHING, ([device(0, "old"), device(1, "gone")], []), [latest(0, "em1", 1)])
    muster.forget()
    fleet = muster.look(2000, NOTHING, ([device(0, "new")], []), [])
    assert [(one.name, one.state) for one in fleet.devices] == [("new", DeviceState.SILENT)]
