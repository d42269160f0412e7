"""The grid: energy is conserved, every scenario is in the data by what its truth says."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from simulators.city.calendar import midnight_ms
from simulators.city.frame import Event, Readings, Scenario, Span, Truth
from simulators.city.grid.layout import NOMINAL_V
from simulators.city.grid.world import Grid

HOUR_MS = 3_600_000
START_MS = midnight_ms(1_780_000_000_000)
DAY = Span(START_MS, START_MS + 24 * HOUR_MS)
# so that all of it lies between two readings: the first one comes up to an interval after the begin
INSIDE = {"from_ms": DAY.from_ms + HOUR_MS, "to_ms": DAY.to_ms - HOUR_MS}
METERS = 240
DTM_F = 12
EM1_IMP, EM1_EXP, EM1_P, EM1_U, EM1_I, EM1_PF = range(6)


class Run(NamedTuple):
    """Everything of a day."""

    grid: Grid
    rows: Mapping[str, Any]  # device → (at_ms, time_ms, values …) in order
    events: Sequence[Event]
    truth: Sequence[Truth]

    def used_wh(self, name: str, column: int = 0) -> int:
        values = self.rows[name][:, 2 + column]
        return int(values[-1] - values[0])


def run(
    *orders: tuple[str, dict[str, object]], seed: int = 3, span: Span = DAY, step_h: float = 4
) -> Run:
    grid = Grid(seed, METERS, cabinets=3)
    grid.apply([grid.draw(kind, span, k, wish) for k, (kind, wish) in enumerate(orders)])
    step_ms = int(step_h * HOUR_MS)
    begins = range(span.from_ms, span.to_ms, step_ms)
    steps = [grid.step(begin, min(begin + step_ms, span.to_ms)) for begin in begins]
    batches = [batch for step in steps for batch in step.readings]
    events = [event for step in steps for event in step.events]
    return Run(grid, by_device(batches), events, grid.truth())


def by_device(batches: Sequence[Readings]) -> Mapping[str, Any]:
    rows: dict[str, list[Any]] = {}
    for batch in batches:
        table = np.column_stack((batch.at_ms, batch.time_ms, batch.values))
        for device in np.unique(batch.device):
            rows.setdefault(batch.names[device], []).append(table[batch.device == device])
    return {name: np.concatenate(parts) for name, parts in rows.items()}


@pytest.fixture(scope="module")
def clean() -> Run:
    return run()


def test_what_comes_in_is_metered_or_lost(clean: Run) -> None:
    balance = clean.grid.balance()
    assert len(balance) == 4 + 1
    for parts in balance.values():
        gone = parts["metered_wh"] + parts["hidden_wh"] + parts["lost_wh"]
        assert gone == pytest.approx(parts["in_wh"], rel=1e-6)
        assert 0.005 < parts["lost_wh"] / parts["in_wh"] < 0.06


def test_registers_say_what_the_books_say_up_to_the_class_of_the_meters(clean: Run) -> None:
    heads, layout = net_wh(clean, "fh-001"), clean.grid.layout
    given = [net_wh(clean, f"dtm-{k:04d}") for k in range(1, 5)]
    assert 0 < (heads - sum(given)) / heads < 0.03
    for k in range(4):
        meters = [clean.grid.roster.customers[c] for c in np.flatnonzero(layout.transformer == k)]
        metered = sum(net_wh(clean, one) for one in meters)
        books = clean.grid.balance()[f"tba-{k + 1:04d}"]
        lost = books["lost_wh"] / books["in_wh"]
        assert 0.002 < lost < 0.03
        # classes 1 and 0.5, averaged over sixty meters
        assert (given[k] - metered) / given[k] == pytest.approx(lost, abs=0.005)


def net_wh(one: Run, name: str) -> float:
    """Return import less export between one hour after the begin and one before the end."""
    times, values = one.rows[name][:, 0], one.rows[name][:, 2] - one.rows[name][:, 3]
    window = (DAY.from_ms + HOUR_MS, DAY.to_ms - HOUR_MS)
    return float(np.diff(np.interp(window, times, values))[0])


def test_every_device_reads_on_its_grid_and_columns_agree(clean: Run) -> None:
    rows = clean.rows
    for device in clean.grid.devices():
        assert rows[device.id].shape[0] in {
            DAY.to_ms // device.interval_ms - DAY.from_ms // device.interval_ms + k
            for k in (-1, 0, 1)
        }
        assert (rows[device.id][:, 1] % device.interval_ms == 0).all()
        if device.profile == "em1":
            values = rows[device.id][:, 2:]
            assert (np.diff(values[:, :2], axis=0) >= 0).all()
            apparent = values[:, EM1_U] / 10 * values[:, EM1_I] / 100
            active = np.abs(values[:, EM1_P])
            assert (active <= apparent * 1.02 + 5).all()
            assert (np.abs(active - apparent * np.abs(values[:, EM1_PF]) / 1000) < 6).all()
    assert set(rows) == {device.id for device in clean.grid.devices()}


def test_people_sleep_at_night_and_cook_in_the_evening(clean: Run) -> None:
    head = clean.rows["fh-001"]
    watts = dict(zip((head[:, 1] - START_MS) // HOUR_MS, head[:, 2 + 4], strict=False))
    assert watts[19] > 2 * watts[3]
    roofs = np.flatnonzero((clean.grid.layout.solar_w > 0) & ~clean.grid.layout.is_three_phase)
    exported = [clean.used_wh(clean.grid.roster.customers[k], 1) for k in roofs]
    assert max(exported) > 1000
    without = np.flatnonzero(clean.grid.layout.solar_w == 0)
    assert not any(clean.used_wh(clean.grid.roster.customers[k], 1) for k in without)


def test_tet_is_another_week(clean: Run) -> None:
    def day_wh(year: int, month: int, day: int) -> float:
        date = np.datetime64(f"{year}-{month:02d}-{day:02d}T00:00", "ms").astype(np.int64)
        from_ms = int(date) - 7 * HOUR_MS
        return run(span=Span(from_ms, from_ms + 24 * HOUR_MS)).grid.balance()["f-001"]["in_wh"]

    assert day_wh(2026, 2, 17) < 0.75 * day_wh(2026, 3, 3)  # both Tuesdays


def test_the_same_seed_is_the_same_bytes_and_another_is_not(clean: Run) -> None:
    again, other = run(), run(seed=4)
    assert {name: table.tobytes() for name, table in again.rows.items()} == {
        name: table.tobytes() for name, table in clean.rows.items()
    }
    assert again.events == clean.events
    assert any((other.rows[name] != clean.rows[name]).any() for name in ("dtm-0001", "fh-001"))


def test_how_the_time_is_cut_does_not_matter(clean: Run) -> None:
    span = Span(DAY.from_ms, DAY.from_ms + 3 * HOUR_MS)
    pieces = run(span=span, step_h=1 / 12)
    for name, table in pieces.rows.items():
        whole = clean.rows[name][: table.shape[0]]
        np.testing.assert_allclose(table, whole, atol=1)  # the last digit of a rounded value


def hidden(kind: str, wish: dict[str, object], clean: Run) -> tuple[Truth, Run, float]:
    """Run with a scenario; return its truth and what is missing from the meter's register."""
    one = run((kind, wish))
    (truth,) = one.truth
    missing = net(clean, truth.where) - net(one, truth.where)
    assert one.grid.balance()["f-001"]["in_wh"] == pytest.approx(
        clean.grid.balance()["f-001"]["in_wh"], rel=1e-9
    )  # nobody used more or less
    return truth, one, missing


def net(one: Run, name: str) -> int:
    return one.used_wh(name, 0) - one.used_wh(name, 1)


@pytest.mark.parametrize("share", [0.005, 0.5])
def test_a_theft_is_missing_from_the_balance_by_its_share(share: float, clean: Run) -> None:
    truth, one, missing = hidden("theft", {"share": share, "where": "em-00017", **INSIDE}, clean)
    assert truth.magnitude["hidden_wh"] == pytest.approx(
        share * float(truth.magnitude["used_wh"]), rel=1e-6
    )
    assert missing == pytest.approx(truth.magnitude["hidden_wh"], rel=0.02, abs=2)
    transformer = one.grid.balance()[truth.touches[0]]
    assert transformer["hidden_wh"] == pytest.approx(truth.magnitude["hidden_wh"], rel=1e-6)
    gone = transformer["metered_wh"] + transformer["hidden_wh"] + transformer["lost_wh"]
    assert gone == pytest.approx(transformer["in_wh"], rel=1e-6)


def test_a_bypass_hides_nearly_all_and_opens_the_cover(clean: Run) -> None:
    truth, one, missing = hidden("bypass", {"share": 0.9, "where": "em-00017"}, clean)
    assert missing == pytest.approx(truth.magnitude["hidden_wh"], rel=0.02)
    assert missing > 0.85 * float(truth.magnitude["used_wh"])
    assert [event.code for event in one.events if event.device == "em-00017"] == [40, 41]


def test_a_reversed_transformer_counts_one_phase_backwards(clean: Run) -> None:
    truth, one, missing = hidden("reversed_ct", {"phase": 2}, clean)
    assert missing == pytest.approx(truth.magnitude["hidden_wh"], rel=0.02)
    after = one.rows[truth.where][:, 0] > truth.from_ms + HOUR_MS
    assert (one.rows[truth.where][after, 2 + 6] < 0).all()  # p_l2
    assert (one.rows[truth.where][after, 2 + 5] > 0).all()


def test_a_stopped_meter_stands_still_and_still_talks(clean: Run) -> None:
    truth, one, missing = hidden("meter_stopped", {}, clean)
    assert missing == pytest.approx(truth.magnitude["hidden_wh"], rel=0.02)
    table = one.rows[truth.where]
    after = table[table[:, 0] > truth.from_ms]
    assert after.shape[0] > 20
    assert not np.diff(after[:, 2]).any()


@pytest.mark.parametrize("kind", ["transformer_outage", "feeder_outage"])
def test_an_outage_darkens_all_below_and_nobody_else(kind: str, clean: Run) -> None:
    one = run((kind, {}))
    (truth,) = one.truth
    dark = set(truth.touches)
    assert len(dark) == truth.magnitude["devices"]
    for name, table in one.rows.items():
        inside = (table[:, 0] > truth.from_ms) & (table[:, 0] <= truth.to_ms)
        assert inside.any() == (name not in dark), name
    assert {a.device for a in one.grid.absences()} == dark
    gasps = [event for event in one.events if event.code == 99]
    assert {event.device for event in gasps} <= dark
    assert 0.7 < len(gasps) / len(dark) <= 1
    assert all(truth.from_ms < event.at_ms <= truth.from_ms + 2000 for event in gasps)
    assert {event.device for event in one.events if event.code == 2} == dark
    served = sum(p["metered_wh"] for k, p in one.grid.balance().items() if k.startswith("f-"))
    usual = sum(p["metered_wh"] for k, p in clean.grid.balance().items() if k.startswith("f-"))
    assert usual - served == pytest.approx(truth.magnitude["unserved_wh"], rel=1e-6)


def test_a_lost_phase_darkens_its_customers_and_three_phase_meters_say_so(clean: Run) -> None:
    one = run(("phase_loss", {"where": "tba-0002", "phase": 2}))
    (truth,) = one.truth
    layout, roster = one.grid.layout, one.grid.roster
    for k in np.flatnonzero(layout.transformer == 1):
        table = one.rows[roster.customers[k]]
        inside = table[(table[:, 0] > truth.from_ms) & (table[:, 0] <= truth.to_ms)]
        if layout.is_three_phase[k]:
            assert not inside[:, 2 + 9].any()  # u_l2
            assert (inside[:, 2 + 8] > 2000).all()
            codes = [e.code for e in one.events if e.device == roster.customers[k]]
            assert codes == [87, 91]
        else:
            assert (inside.shape[0] == 0) == (layout.phase[k] == 1)
    assert float(truth.magnitude["unserved_wh"]) > 0


def test_a_frequency_that_is_off_is_felt_at_every_transformer() -> None:
    """50 Hz and half a hertz less, beside which it wanders by 0.04."""
    one = run(("frequency_deviation", {"hz": -0.5, "from_ms": START_MS + 6 * HOUR_MS,
                                       "to_ms": START_MS + 7 * HOUR_MS}))  # fmt: skip
    (truth,) = one.truth
    assert (truth.where, truth.magnitude["hz"]) == ("ss-01", -0.5)
    assert set(truth.touches) >= {"dtm-0001", "dtm-0004"}
    for name in ("dtm-0001", "dtm-0004"):
        table = one.rows[name]
        inside = (table[:, 0] > truth.from_ms) & (table[:, 0] < truth.to_ms)
        hz = table[:, 2 + DTM_F] / 100
        assert inside.sum() >= 3
        assert np.abs(hz[inside] - 49.5).max() < 0.05
        assert np.abs(hz[~inside] - 50).max() < 0.05


def test_voltage_out_of_band_is_seen_by_meters_and_said_by_them(clean: Run) -> None:
    one = run(("voltage_out_of_band", {"factor": 0.86}))
    (truth,) = one.truth
    table, usual = one.rows["em-00005"], clean.rows["em-00005"]
    inside = (table[:, 0] > truth.from_ms) & (table[:, 0] <= truth.to_ms)
    assert table[inside, 2 + EM1_U].max() < 0.92 * 10 * NOMINAL_V
    np.testing.assert_array_equal(table[:5], usual[:5])
    assert float(truth.magnitude["lowest_pu"]) < 0.88
    assert float(truth.magnitude["customers"]) > 0.9 * METERS
    under = {event.device for event in one.events if event.code in {77, 78, 79}}
    normal = {event.device for event in one.events if event.code in {83, 84, 85}}
    assert len(under) > 0.9 * METERS
    assert normal == under


def test_an_overload_heats_its_transformer(clean: Run) -> None:
    one = run(("overload", {"where": "tba-0003", "factor": 2.2}))
    (truth,) = one.truth
    table, usual = one.rows["dtm-0003"], clean.rows["dtm-0003"]
    inside = (table[:, 0] > truth.from_ms + HOUR_MS) & (table[:, 0] <= truth.to_ms)
    ratio = table[inside, 2 + 4] / usual[inside, 2 + 4]
    assert (ratio > 2).all()
    assert (table[inside, 2 + 13] > usual[inside, 2 + 13]).all()  # t_oil
    rated_va = one.grid.layout.rating_kva[2] * 1000
    peak = (np.hypot(table[inside, 2 + 4], table[inside, 2 + 5]) / rated_va).max()
    assert float(truth.magnitude["peak_loading"]) == pytest.approx(peak, rel=0.1)


def test_a_misplaced_meter_hangs_elsewhere_in_the_registry_only(clean: Run) -> None:
    one = run(("wrong_transformer", {}))
    (truth,) = one.truth
    registered = {device.id: device.parents[0].id for device in one.grid.devices()}
    true = {device.id: device.parents[0].id for device in clean.grid.devices()}
    assert registered[truth.where] == truth.magnitude["registered"]
    assert true[truth.where] == truth.magnitude["actual"] != truth.magnitude["registered"]
    assert sum(registered[name] != true[name] for name in true) == 1
    np.testing.assert_array_equal(one.rows[truth.where], clean.rows[truth.where])


def test_a_comms_outage_cuts_off_without_darkening(clean: Run) -> None:
    one = run(("comms_outage", {"where": "dcu-0002"}))
    (truth,) = one.truth
    absences = one.grid.absences()
    assert {a.reason for a in absences} == {"cut off"}
    assert len(absences) == truth.magnitude["devices"]
    assert len(absences) > 50
    assert not [event for event in one.events if event.code == 99]
    for absence in absences:
        assert absence.span == Span(truth.from_ms, truth.to_ms)
        np.testing.assert_array_equal(one.rows[absence.device], clean.rows[absence.device])


def test_a_drifting_clock_runs_ahead_by_what_the_truth_says(clean: Run) -> None:
    one = run(("clock_drift", {"offset_s": 600, "where": "em-00007"}))
    (truth,) = one.truth
    table, usual = one.rows["em-00007"], clean.rows["em-00007"]
    ahead_ms = table[:, 1] - table[:, 0]
    skew_ms = usual[0, 1] - usual[0, 0]
    before = table[:, 0] <= truth.from_ms
    np.testing.assert_array_equal(ahead_ms[before], skew_ms)
    share = (table[-1, 0] - truth.from_ms) / (truth.to_ms - truth.from_ms)
    assert ahead_ms[-1] - skew_ms == pytest.approx(600_000 * share, abs=2000)
    assert (table[:, 1] % 1_800_000 == 0).all()
    assert (np.diff(table[:, 2]) >= 0).all()


def test_the_road_learns_when_its_cabinet_is_dark() -> None:
    grid = Grid(3, METERS, cabinets=3)
    transformer = grid.feeds(1)
    (order,) = [grid.draw("transformer_outage", DAY, 0, {"where": transformer})]
    grid.apply([order])
    assert list(grid.dark(1)) == [Span(order.from_ms, order.to_ms)]
    others = [k for k in (0, 2) if grid.feeds(k) != transformer]
    assert all(not grid.dark(k) for k in others)


@pytest.mark.parametrize(
    ("kind", "wish"),
    [
        ("theft", {"share": 0.6}),
        ("theft", {"where": "tba-0001"}),
        ("theft", {"sahre": 0.1}),
        ("feeder_outage", {"where": "f-999"}),
        ("phase_loss", {"phase": 4}),
    ],
)
def test_an_order_that_cannot_be_is_refused(kind: str, wish: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=kind):
        Grid(3, METERS).draw(kind, DAY, 0, wish)


def test_drawn_scenarios_lie_within_the_run_and_differ() -> None:
    grid = Grid(3, METERS)
    for kind in sorted(grid.kinds):
        drawn: list[Scenario] = [grid.draw(kind, DAY, k, {}) for k in range(20)]
        for scenario in drawn:
            assert DAY.from_ms <= scenario.from_ms < scenario.to_ms <= DAY.to_ms
        assert drawn == [grid.draw(kind, DAY, k, {}) for k in range(20)]
        assert len(set(map(str, drawn))) > 1
