"""Outages: signs of one device, clusters over the tree, power or link, order, restart, indices."""

import numpy as np
import pytest

from gateway.energy.engine.outages.hearing import NOTHING
from gateway.energy.outage import (
    NEVER_MS,
    Alarm,
    Cause,
    FactKind,
    Facts,
    Interruption,
    Level,
    OutagePolicy,
    OutageWatch,
    Role,
    Topology,
    facts_of_window,
    reliability,
)
from gateway.energy.series import empty_window
from gateway.model import IntArray, Quality
from gateway.policies import load_policies
from tests.faults import quick_or_soak
from tools.energy_town.outage_score import OutageScore, play, score
from tools.energy_town.outages import START_MS, Town, as_facts

POLICY = load_policies("outage", OutagePolicy).at("vn", START_MS)
T0 = START_MS
MIN_MS, INTERVAL_MS = 60_000, 1_800_000
PER_TRANSFORMER = 4

Told = tuple[int, FactKind, int]  # row, kind, seconds after T0


def small_grid() -> Topology:
    """Return 4 transformers of 4 meters on 2 feeders; operator 9, but a concentrator at T3."""
    rows = 4 * PER_TRANSFORMER
    transformer = np.arange(rows) // PER_TRANSFORMER
    return Topology(
        np.arange(rows) + 100,
        np.full(rows, int(Role.CUSTOMER)),
        transformer,
        np.where(transformer == 3, 3, 9),
        np.full(rows, INTERVAL_MS),
        np.ones(rows, np.bool_),
        np.array([0, 0, 0, 1]),
        np.array([0, 0]),
    )


def facts(*told: Told) -> Facts:
    return Facts.joined([Facts.of(row, kind, T0 + round(s * 1000)) for row, kind, s in told])


def readings(rows: range, *seconds: int) -> Facts:
    return facts(*((row, FactKind.READING, s) for row in rows for s in seconds))


def watch_after(*parts: Facts, until_s: int) -> OutageWatch:
    watch = OutageWatch(small_grid(), POLICY)
    watch.feed(T0 + until_s * 1000, Facts.joined([readings(range(16), -1800, 0), *parts]))
    return watch


def told(watch: OutageWatch) -> list[tuple[Cause, Level, int, bool]]:
    return [(a.cause, a.level, a.node, a.is_open) for a in watch.alarms]


GASP, LOST, ONLINE = FactKind.LAST_GASP, FactKind.LOST, FactKind.ONLINE


def test_one_gasp_is_a_service_outage() -> None:
    watch = watch_after(facts((5, GASP, 10)), until_s=60)
    assert told(watch) == [(Cause.POWER, Level.SERVICE, 5, True)]
    assert watch.alarms[0].begin_ms == T0 + 10_000
    assert watch.alarms[0].evidence[1][:2] == ("power_word", 1)


def test_nothing_is_said_before_neighbours_could_speak() -> None:
    watch = OutageWatch(small_grid(), POLICY)
    assert watch.feed(T0 + 11_000, facts((5, GASP, 10))) == []
    raised = watch.feed(T0 + 41_000, facts((0, FactKind.READING, 40)))
    assert [(c.what, c.alarm.node) for c in raised] == [("raised", 5)]


@pytest.mark.parametrize(
    ("rows", "level", "node", "is_partial"),
    [
        ((4, 5), Level.TRANSFORMER, 1, False),  # 2 of 4
        ((0, 1, 2, 3), Level.TRANSFORMER, 0, False),
        ((0, 1, 4, 5), Level.FEEDER, 0, False),  # 2 of 3 transformers
        ((0, 1, 4), Level.TRANSFORMER, 0, False),  # one transformer and one service of another
        ((12, 13), Level.TRANSFORMER, 3, False),  # the only one of its feeder: not the feeder
    ],
)
def test_level_from_the_tree(
    rows: tuple[int, ...],
    level: Level,
    node: int,
    is_partial: bool,  # noqa: FBT001  # a column of the table above
) -> None:
    watch = watch_after(facts(*((row, GASP, 5) for row in rows)), until_s=60)
    highest = max(watch.alarms, key=lambda alarm: alarm.level)
    assert (highest.level, highest.node, highest.is_partial) == (level, node, is_partial)


def test_gasps_further_apart_than_the_window_are_two_outages() -> None:
    watch = watch_after(facts((4, GASP, 0), (5, GASP, 121)), until_s=300)
    assert [a.level for a in watch.alarms] == [Level.SERVICE, Level.SERVICE]
    watch = watch_after(facts((4, GASP, 0), (5, GASP, 120)), until_s=300)
    assert [a.level for a in watch.alarms] == [Level.TRANSFORMER]


def test_wills_of_an_uplink_without_a_gasp_are_communications() -> None:
    lost = facts(*((row, LOST, 60 + row) for row in range(12)))
    watch = watch_after(lost, until_s=120)
    assert told(watch) == [(Cause.COMMS, Level.UPLINK, 9, True)]


def test_a_dark_concentrator_and_its_meters_are_communications_until_a_gasp() -> None:
    lost = facts(*((row, LOST, 60) for row in range(12, 16)))
    watch = watch_after(lost, until_s=120)
    assert told(watch) == [(Cause.COMMS, Level.UPLINK, 3, True)]
    changes = watch.feed(T0 + 125_000, facts((12, GASP, 1), (13, GASP, 1)))
    assert {(c.what, c.alarm.cause) for c in changes} == {
        ("raised", Cause.POWER),
        ("withdrawn", Cause.COMMS),
    }
    assert told(watch) == [(Cause.POWER, Level.TRANSFORMER, 3, True)]


def test_a_dark_cabinet_turns_silence_into_an_outage() -> None:
    grid = small_grid()
    role = grid.role.copy()
    role[15] = int(Role.CABINET)
    able = grid.can_gasp.copy()
    able[12:] = False
    uplink = grid.uplink.copy()
    uplink[15] = 11
    watch = OutageWatch(grid._replace(role=role, can_gasp=able, uplink=uplink), POLICY)
    lost = [facts(*((row, LOST, 60) for row in rows)) for rows in (range(12, 15), range(15, 16))]
    watch.feed(T0 + 120_000, Facts.joined([readings(range(16), 0), lost[0]]))
    assert told(watch) == [(Cause.COMMS, Level.UPLINK, 3, True)]
    watch.feed(T0 + 125_000, lost[1])
    assert told(watch) == [(Cause.POWER, Level.TRANSFORMER, 3, True)]


def roadside(uplink: int = -1) -> Topology:
    """Return the small grid whose meters cannot gasp, and two detectors of a cabinet at T3."""
    grid = small_grid()

    def grown(column: IntArray, *more: int) -> IntArray:
        return np.concatenate([column, np.array(more, column.dtype)])

    cabinet = int(Role.CABINET)
    return grid._replace(
        device_index=grown(grid.device_index, 200, 201),
        role=grown(grid.role, cabinet, cabinet),
        transformer=grown(grid.transformer, 3, 3),
        uplink=grown(grid.uplink, uplink, uplink),
        interval_ms=grown(grid.interval_ms, 30_000, 30_000),
        can_gasp=np.zeros(18, np.bool_),
        cabinet=np.array([-1] * 16 + [0, 0]),
        fed_feeder=np.full(18, -1),
    )


def of_roadside(*parts: Facts, until_s: int, grid: Topology | None = None) -> OutageWatch:
    watch = OutageWatch(grid or roadside(), POLICY)
    watch.feed(T0 + until_s * 1000, Facts.joined([readings(range(18), 0), *parts]))
    return watch


def test_detectors_of_a_cabinet_are_one_witness() -> None:
    lost = facts((12, LOST, 60), (13, LOST, 61), (14, LOST, 62), (15, LOST, 63))
    dark = facts((16, LOST, 65), (17, LOST, 66))
    (outage,) = of_roadside(lost, dark, until_s=150).alarms
    assert (outage.cause, outage.level, outage.node) == (Cause.POWER, Level.TRANSFORMER, 3)
    assert outage.rows == (12, 13, 14, 15)  # a detector is evidence, and no customer
    found = {one.name: one.times for one in outage.evidence}
    assert found["cabinet_dark"] == 1
    broken = facts((16, LOST, 65))  # by a fault of its own: the other one is heard
    (link,) = of_roadside(lost, broken, readings(range(17, 18), 120, 150), until_s=150).alarms
    assert link.cause is Cause.COMMS
    assert {one.name: one.times for one in link.evidence}["cabinet_alive"] == 1


def test_a_dark_cabinet_alone_is_nothing_of_the_grids() -> None:
    assert of_roadside(facts((16, LOST, 65), (17, LOST, 66)), until_s=300).alarms == ()


def test_a_cabinet_of_which_only_the_feeder_is_known_speaks_for_the_feeder() -> None:
    grid = roadside()
    transformer = grid.transformer.copy()
    transformer[16:] = -1
    fed = np.full(18, -1)
    fed[16:] = 1
    grid = grid._replace(transformer=transformer, fed_feeder=fed)
    lost = facts((12, LOST, 60), (13, LOST, 61), (16, LOST, 65), (17, LOST, 66))
    (found,) = of_roadside(lost, until_s=150, grid=grid).alarms
    evidence = {one.name: (one.times, one.weight) for one in found.evidence}
    assert evidence["feeder_cabinet_dark"] == (1, POLICY.weights.feeder_cabinet_dark)


def test_silence_of_two_intervals_and_the_grace_is_noticed() -> None:
    watch = OutageWatch(small_grid(), POLICY)
    watch.feed(T0, readings(range(16), 0))
    hour = 3600
    others = [row for row in range(16) if row != 7]
    beat = facts(*((row, FactKind.READING, s) for row in others for s in (1800, 3600)))
    assert watch.feed(T0 + (hour + 60) * 1000, beat) == []
    silent = watch.feed(T0 + (hour + 61) * 1000, beat)
    assert [(c.what, c.alarm.cause, c.alarm.node) for c in silent] == [("raised", Cause.COMMS, 7)]


def test_backlog_of_a_silent_meter_withdraws_the_alarm() -> None:
    watch = OutageWatch(small_grid(), POLICY)
    watch.feed(T0, readings(range(16), 0))
    others = [row for row in range(16) if row != 7]
    for now_s in range(1800, 9001, 1800):
        beat = facts(*((row, FactKind.READING, now_s) for row in others))
        watch.feed(T0 + now_s * 1000, beat)
    assert told(watch) == [(Cause.COMMS, Level.SERVICE, 7, True)]
    late = readings(range(7, 8), *range(1800, 9001, 1800))
    changes = watch.feed(T0 + 9060 * 1000, late)
    assert [c.what for c in changes] == ["withdrawn"]
    assert watch.alarms == ()


def test_backlog_on_its_way_is_no_silence_that_is_over() -> None:
    """A gateway meets meters that were there before it: birth first, then what they recorded."""
    births = facts(*((row, ONLINE, 36_000) for row in range(16)))
    old, rest = readings(range(16), 0, 1800), readings(range(16), *range(3600, 36_001, 1800))
    watch = OutageWatch(small_grid(), POLICY)
    assert watch.feed(T0 + 36_020 * 1000, Facts.joined([births, old])) == []
    assert watch.feed(T0 + 36_040 * 1000, rest) == []
    assert watch.feed(T0 + 36_200 * 1000, births) == []
    # where the rest never comes they were silent, and that is said when the window is over
    watch = OutageWatch(small_grid(), POLICY)
    assert watch.feed(T0 + 36_020 * 1000, Facts.joined([births, old])) == []
    assert watch.feed(T0 + 36_120 * 1000, births) == []
    changes = watch.feed(T0 + 36_121 * 1000, births)
    assert {(c.what, c.alarm.cause) for c in changes} == {
        ("raised", Cause.COMMS), ("cleared", Cause.COMMS),
    }  # fmt: skip


def test_power_down_bit_says_that_a_gap_was_an_outage() -> None:
    status = np.array([128, 0])
    after = Facts(
        np.array([7, 7]),
        np.zeros(2, np.int64),
        T0 + np.array([9000, 10_800]) * 1000,
        np.full(2, np.nan),
        status,
        np.zeros(2, np.bool_),
    )
    others = [readings(rows, *range(0, 10_801, 1800)) for rows in (range(7), range(8, 16))]
    watch = watch_after(*others, after, until_s=10_900)
    power = [a for a in watch.alarms if a.cause is Cause.POWER]
    assert [(a.node, a.end_ms - T0) for a in power] == [(7, 9_000_000)]


@pytest.mark.parametrize(("returned_s", "cause"), [(903, Cause.POWER), (980, Cause.COMMS)])
def test_a_meter_that_could_not_gasp_says_afterwards_what_it_was(
    returned_s: int, cause: Cause
) -> None:
    """Its word that the power is back comes seconds after its birth: with the skew of clocks."""
    silent = facts((5, LOST, 60), (5, ONLINE, 900))
    watch = watch_after(silent, until_s=120)
    assert [alarm.cause for alarm in watch.alarms] == [Cause.COMMS]
    watch.feed(T0 + 1_000_000, facts((5, FactKind.POWER_RETURNED, returned_s)))
    assert [alarm.cause for alarm in watch.alarms] == [cause]


def test_a_collapsed_phase_is_a_part_of_the_transformer() -> None:
    low = Facts(
        np.array([4]),
        np.zeros(1, np.int64),
        np.array([T0 + 600_000]),
        np.array([0.02]),
        np.zeros(1, np.int64),
        np.zeros(1, np.bool_),
    )
    watch = watch_after(low, facts((5, GASP, 595), (6, GASP, 596)), until_s=700)
    (alarm,) = watch.alarms
    assert (alarm.level, alarm.node, alarm.is_partial) == (Level.TRANSFORMER, 1, True)
    assert [one.row for one in watch.interruptions()] == [5, 6]


def test_restoration_leaves_a_nested_outage() -> None:
    out = facts(*((row, GASP, 10) for row in range(12)))
    back = facts(*((row, FactKind.POWER_RETURNED, 1210) for row in range(11)))
    watch = watch_after(out, back, until_s=1320)
    # a connection takes its time: nobody is left behind yet
    assert [alarm.level for alarm in watch.alarms] == [Level.FEEDER]
    assert [c.what for c in watch.feed(T0 + 1_335_000, readings(range(1), 1330))] == ["raised"]
    feeder, nested = list(watch.alarms)
    assert (feeder.level, feeder.end_ms) == (Level.FEEDER, T0 + 1_210_000)  # 11 of 12 ≥ 90 %
    assert (nested.level, nested.node, nested.is_open) == (Level.SERVICE, 11, True)
    assert nested.parent == feeder.id
    assert len(watch.interruptions()) == 12


def test_restart_changes_nothing() -> None:
    town = Town(900)
    faults = town.faults(12, 10)
    heard = town.heard(faults, 12)
    whole, _ = play(town, heard, POLICY)
    middle = len(heard) // 2
    first, _ = play(town, heard[:middle], POLICY)
    second = OutageWatch(town.topology, POLICY, first.state())
    for place in range(middle, len(heard), 500):
        part = heard[place : place + 500]
        second.feed(part[-1].at_ms, as_facts(part))
    end_ms = heard[-1].at_ms + MIN_MS
    nothing = as_facts([])
    whole.feed(end_ms, nothing)
    second.feed(end_ms, nothing)
    assert plain(second.alarms) == plain(whole.alarms)


def plain(alarms: tuple[Alarm, ...]) -> list[Alarm]:
    return [alarm._replace(id="", parent="") for alarm in alarms]


@pytest.mark.parametrize("seed", range(quick_or_soak(2, 30)))
def test_order_of_arrival_does_not_matter(seed: int) -> None:
    town = Town(seed)
    heard = town.heard(town.faults(12, 8), 12)
    in_time, _ = play(town, heard, POLICY)
    end_ms = heard[-1].at_ms + MIN_MS
    rng = np.random.default_rng(seed)
    shuffled = [heard[i] for i in rng.permutation(len(heard))]
    late = OutageWatch(town.topology, POLICY)
    for place in range(0, len(shuffled), 5000):
        late.feed(end_ms, as_facts(shuffled[place : place + 5000]))
    late.feed(end_ms, as_facts(shuffled[:100]))  # and some of it twice
    in_time.feed(end_ms, as_facts([]))
    assert plain(late.alarms) == plain(in_time.alarms)
    assert late.interruptions() == in_time.interruptions()


@pytest.mark.slow
def test_scores() -> None:
    total = OutageScore()
    for seed in range(1000, 1000 + quick_or_soak(1, 30)):
        score(seed, POLICY, 24, 16, total)
    assert total.level_right >= 0.95 * total.power
    assert total.links_as_power <= 0.02 * total.links
    assert total.false_power <= 0.02 * total.power


def test_indices_by_hand() -> None:
    minute = MIN_MS
    three = [
        Interruption(0, T0, T0 + 10 * minute),
        Interruption(1, T0, T0 + 5 * minute),  # exactly five is momentary
        Interruption(2, T0 + minute, NEVER_MS),  # lasts: 19 minutes so far
        Interruption(3, T0 - minute, T0 + 60 * minute),  # began before the period
    ]
    found = reliability(three, 10, (T0, T0 + 60 * minute), T0 + 20 * minute, POLICY)
    assert (found.sustained, found.momentary, found.minutes) == (2, 1, 29.0)
    assert found.saidi_min == pytest.approx(2.9)
    assert found.saifi == pytest.approx(0.2)
    assert found.caidi_min == pytest.approx(14.5)
    assert found.maifi == pytest.approx(0.1)
    nobody = reliability([], 0, (T0, T0 + minute), T0 + minute, POLICY)
    assert nobody[4:] == (None, None, None, None)


def test_facts_of_a_window() -> None:
    window = empty_window(np.array([100, 101]), T0, INTERVAL_MS, 1)
    window.quality[0, 1] = int(Quality.VALID)
    window.voltage_v[0, 1] = 115.0
    found = facts_of_window(window, np.array([4, 5]), np.array([230.0, 230.0]))
    assert found.row.tolist() == [4]
    assert found.time_ms.tolist() == [T0 + INTERVAL_MS]
    assert found.voltage_pu.tolist() == [0.5]


def after_deafness(*parts: Facts, until_s: int, start_s: int) -> OutageWatch:
    """Return the watch of a life that began at ``start_s``; the one before ended at ``until_s``."""
    state = watch_after(*parts, until_s=until_s).state()
    timeline = state.timeline.heard_since(T0 + start_s * 1000)
    return OutageWatch(small_grid(), POLICY, state._replace(timeline=timeline))


def test_nobody_was_silent_while_nobody_listened() -> None:
    # all read at 0 s; nobody listens from 60 s to four hours; 2 intervals and 60 s are silence
    watch = after_deafness(until_s=60, start_s=14_400)
    watch.feed(T0 + 14_410_000, NOTHING)
    assert told(watch) == []
    watch.feed(T0 + 14_430_000, readings(range(4), 14_420))
    watch.feed(T0 + 14_430_000, readings(range(8, 16), 14_420))
    watch.feed(T0 + 18_000_000, NOTHING)  # 60 s were heard before, and 3,600 s since
    assert told(watch) == []
    watch.feed(T0 + 18_030_000, NOTHING)  # transformer 1 has not come back
    assert told(watch) == [(Cause.COMMS, Level.SERVICE, row, True) for row in range(4, 8)]


def test_who_was_dark_before_stays_so() -> None:
    gasps = facts(*((row, GASP, 10) for row in range(4)))
    watch = after_deafness(gasps, until_s=60, start_s=14_400)
    watch.feed(T0 + 14_430_000, readings(range(4, 16), 14_420))
    assert told(watch) == [(Cause.POWER, Level.TRANSFORMER, 0, True)]


def test_what_the_meters_recorded_meanwhile_is_believed() -> None:
    # a feeder's transformer was dark for an hour while nobody listened: its meters say so
    watch = after_deafness(until_s=60, start_s=14_400)
    words = [(row, FactKind.POWER_FAILED, 3600) for row in range(4)]
    backs = [(row, FactKind.POWER_RETURNED, 7200) for row in range(4)]
    watch.feed(T0 + 14_460_000, Facts.joined([facts(*words, *backs), readings(range(16), 14_420)]))
    assert told(watch) == [(Cause.POWER, Level.TRANSFORMER, 0, False)]
    assert watch.alarms[0].end_ms - watch.alarms[0].begin_ms == 3_600_000


def test_deafness_does_not_add_up_without_end() -> None:
    state = watch_after(until_s=60).state()
    timeline = state.timeline
    for life in range(1000):
        timeline = timeline.heard_since(T0 + (60 + life) * 1000)._replace(
            now_ms=T0 + (60 + life) * 1000
        )
    assert len(timeline.deaf) <= 256
    watch = OutageWatch(small_grid(), POLICY, state._replace(timeline=timeline))
    watch.feed(T0 + 3 * 86_400_000, NOTHING)  # beyond the horizon
    assert watch.state().timeline.deaf == ()
