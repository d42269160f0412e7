"""Losses: balance and its coverage, the technical model, CUSUM, suspects, wiring."""

import numpy as np
import pytest

from gateway.energy import loss
from gateway.policies import load_policies
from simulators.city.grid.layout import CABINET, build
from simulators.city.grid.loads import Loads
from simulators.city.weather import Weather
from tests.faults import quick_or_soak
from tools.city_desk import DAY_MS, START_MS
from tools.energy_town.loss_score import LossScore, score_clean, score_theft, score_wires

POLICY = load_policies("loss", loss.LossPolicy).at("vn", 1_795_305_600_000)
NAN = np.nan


def test_registers_bridge_gaps_exactly() -> None:
    found = loss.metered(np.array([[0.0, 10, NAN, NAN, 40, NAN], [NAN, 5, 6, 7, 8, 9]]))
    np.testing.assert_array_equal(found.energy_wh, [[10, 10, 10, 10, NAN], [NAN, 1, 1, 1, 1]])
    np.testing.assert_array_equal(
        found.is_measured, [[True, False, False, False, False], [False, True, True, True, True]]
    )


def test_balance_by_hand() -> None:
    energy = np.array([[10.0, 20.0], [30.0, NAN], [5.0, 5.0], [99.0, 99.0]])
    measured = np.array([[True, True], [True, False], [True, True], [True, True]])
    usual = np.array([[10.0, 20.0], [30.0, 40.0], [5.0, 5.0], [99.0, 99.0]])
    node = np.array([0, 0, 1, -1])
    incoming = np.array([[42.0, 63.0], [6.0, NAN]])
    found = loss.balance(incoming, loss.Metered(energy, measured), node, usual, 2)
    np.testing.assert_allclose(found.out_wh, [[40.0, 60.0], [5.0, 5.0]])
    np.testing.assert_allclose(found.loss_wh, [[2.0, 3.0], [1.0, NAN]])
    np.testing.assert_allclose(found.coverage, [[1.0, 20 / 60], [1.0, 1.0]], atol=1e-9)
    np.testing.assert_allclose(found.measured, [[1.0, 0.5], [1.0, 1.0]])


def test_a_feeder_balances_over_its_transformers() -> None:
    transformers = np.array([[100.0, 110.0], [50.0, 60.0]])
    heads = loss.Metered(transformers, np.ones((2, 2), np.bool_))
    found = loss.balance(np.array([[153.0, 174.0]]), heads, np.zeros(2, np.int64), transformers, 2)
    np.testing.assert_allclose(found.loss_wh, [[3, 4]])


def test_usual_energy_is_the_mean_of_known_days() -> None:
    energy = np.array([[1.0, 2.0, 3.0, NAN, 5.0, 6.0]])
    np.testing.assert_allclose(loss.usual_energy(energy, 2), [[3.0, 4.0]])


def days_of(loss_of: np.ndarray, energy: np.ndarray) -> loss.Balance:
    ones = np.ones_like(energy)
    return loss.Balance(energy, energy - loss_of, ones, ones, 48)


def test_the_model_finds_its_coefficients_in_spite_of_odd_days() -> None:
    rng = np.random.default_rng(1)
    energy = rng.uniform(5_000, 60_000, (1, 14 * 48))
    lost = 120 + 0.004 * energy + 3e-7 * energy**2 + rng.normal(0, 5, energy.shape)
    lost[0, 96:110] += 4000
    model = loss.fit(days_of(lost, energy), POLICY)
    np.testing.assert_allclose(model.coefficients[0], [120, 0.004, 3e-7], rtol=0.05)
    assert model.days[0] == 14
    assert bool(model.is_plausible[0])
    # a day of 48 slots of deviation 5 has one of 35
    assert model.sigma_wh[0] < max(60.0, 0.0005 * energy.sum() / 14 * 1.01)


def test_too_few_clean_days_are_no_model() -> None:
    energy = np.full((1, 14 * 48), 20_000.0)
    energy[0, 6 * 48 :] = NAN
    model = loss.fit(days_of(0.01 * energy, energy), POLICY)
    assert np.isnan(model.coefficients).all()
    assert model.days[0] == 6


def test_day_loss_by_hand_and_no_verdict_without_coverage() -> None:
    energy = np.full((2, 48), 1000.0)
    part = loss.Balance(energy, energy - 30, np.ones((2, 48)), np.ones((2, 48)), 48)
    part.coverage[1] = 0.8
    model = loss.LossModel(
        np.tile([10.0, 0.005, 0.0], (2, 1)),
        np.full(2, 24.0),
        np.full(2, 14.0),
        np.full(2, 48_000.0),
        np.ones(2, np.bool_),
    )
    found = loss.day_loss(part, model, POLICY)
    np.testing.assert_allclose(found.loss_wh, [1440, 1440])
    np.testing.assert_allclose(found.technical_wh, [720, 720])
    np.testing.assert_allclose(found.residual_wh, [720, NAN])
    np.testing.assert_allclose(found.coverage, [1, 0.8])


def test_cusum_by_hand() -> None:
    model = loss.LossModel(
        np.zeros((1, 3)),
        np.array([1000.0]),
        np.array([14.0]),
        np.array([100.0]),
        np.ones(1, np.bool_),
    )
    residual = np.array([[0.0, 1500.0, NAN, 1500.0, -3000.0, 500.0, 2500.0]])
    many = np.full_like(residual, 100.0)
    days = loss.DayLoss(many, many, many, residual, np.ones_like(residual))
    found = loss.cusum(days, model, POLICY)
    # slack 0.5 deviations = 500 Wh
    alarm = 1000 * float(loss.alarm_sigmas(np.array([0.5]), POLICY.false_alarm_days)[0])
    level = found.level[0] * alarm
    np.testing.assert_allclose(level, [0, 1000, 1000, 2000, 0, 0, 2000], atol=1e-6)
    assert found.since.tolist() == [6]
    assert found.excess_wh.tolist() == [2500]
    assert not found.is_alarm.any()


def test_a_loss_begins_where_it_became_large_and_not_where_the_model_drifted() -> None:
    # A week of 300 Wh beyond a slack of 50 Wh: the sum is above zero from the first day on. Then
    # 1,000 Wh more, a fifth of it on the day of the begin. The mean of all, 650 Wh, tells half a
    # step of 325: it is where 500 Wh are; the mean from there, 1,140 Wh, tells 570: it is one day
    # later, at the first whole day, and the loss began on the day before that one.
    model = loss.LossModel(
        np.zeros((1, 3)),
        np.array([100.0]),
        np.array([14.0]),
        np.array([1000.0]),
        np.ones(1, np.bool_),
    )
    residual = np.array([[300.0] * 7 + [500.0] + [1300.0, NAN, 1250.0, 1350.0, 1300.0]])
    many = np.full_like(residual, 1000.0)
    found = loss.cusum(
        loss.DayLoss(many, many, many, residual, np.ones_like(residual)), model, POLICY
    )
    assert found.level[0, 0] > 0
    assert found.since.tolist() == [7]
    assert found.excess_wh[0] == pytest.approx((500 + 1300 + 1250 + 1350 + 1300) / 5)
    honest = np.where(np.arange(13) < 7, 300.0, np.nan)[None]  # nothing but the drift: its begin
    found = loss.cusum(loss.DayLoss(many, many, many, honest, np.ones_like(honest)), model, POLICY)
    assert found.since.tolist() == [0]


def test_alarm_level_solves_siegmunds_formula() -> None:
    slack = np.array([0.5, 1.0, 2.0])
    reach = loss.alarm_sigmas(slack, 1e5) + 1.166
    days = (np.exp(2 * slack * reach) - 2 * slack * reach - 1) / (2 * slack**2)
    np.testing.assert_allclose(days, 1e5, rtol=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_nnls_meets_the_conditions_of_kuhn_and_tucker(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.gamma(1.0, 1.0, (80, 20))
    b = a @ np.maximum(rng.normal(0, 1, 20), 0) + rng.normal(0, 0.5, 80)
    found = loss.nnls(a, b)
    slope = a.T @ (b - a @ found.x)
    assert found.is_exact
    assert (found.x >= 0).all()
    assert (slope <= 1e-6).all()
    np.testing.assert_allclose(slope[found.x > 0], 0, atol=1e-6)


def test_nnls_by_hand() -> None:
    found = loss.nnls(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -1.0]))
    np.testing.assert_allclose(found.x, [2, 0])


def test_noise_memory_of_a_moving_average() -> None:
    noise = np.random.default_rng(3).normal(0, 1, 20_000)
    assert loss.noise_memory(noise[1:] - 0.6 * noise[:-1]) == pytest.approx(0.6, abs=0.05)
    assert loss.noise_memory(noise) < 0.05


def no_signs(meters: int) -> loss.Signs:
    return loss.Signs(np.zeros(meters, np.bool_), np.zeros(meters, np.bool_))


def head_of(in_wh: np.ndarray) -> loss.Metered:
    return loss.Metered(in_wh[None], np.ones((1, len(in_wh)), np.bool_))


def test_a_meter_that_stands_still_is_named_by_what_was_usual() -> None:
    rng = np.random.default_rng(5)
    usual = rng.gamma(2.0, 100.0, (8, 48))
    energy = np.tile(usual, 7) * rng.uniform(0.8, 1.2, (8, 7 * 48))
    missing = energy[3].copy()
    energy[3] = 0.0
    measured = np.ones(energy.shape, np.bool_)
    shown = loss.Metered(energy, measured)
    head = head_of(missing + energy.sum(axis=0))
    found = loss.suspects(missing, head, shown, usual, no_signs(8), POLICY)
    assert found.suspects[0].meter == 3
    assert found.suspects[0].reasons == ("profile", "zero_use")
    assert found.suspects[0].share == pytest.approx(1.0, abs=0.05)
    assert found.coverage == 1.0


def test_a_load_without_a_meter_accuses_nobody() -> None:
    energy = np.random.default_rng(6).gamma(2.0, 100.0, (8, 7 * 48))
    meters = loss.Metered(energy, np.ones(energy.shape, np.bool_))
    found = loss.suspects(
        np.full(7 * 48, 50.0),
        head_of(50.0 + energy.sum(axis=0)),
        meters,
        energy[:, :48],
        no_signs(8),
        POLICY,
    )
    assert found.suspects == ()
    assert found.unmetered_wh == pytest.approx(50 * 7 * 48)


def test_the_clock_of_the_head_hides_no_thief() -> None:
    # 40 meters of 25 kW together; one hides 0.7 % of it. The head's clock is a minute wrong: it
    # moves a thirtieth of what the place's power changes from slot to slot, several times as much.
    rng = np.random.default_rng(8)
    evening = 1 + np.sin(np.arange(7 * 48) / 48 * 2 * np.pi) ** 2
    energy = rng.gamma(2.0, 150.0, (40, 7 * 48)) * evening
    hidden = 0.007 * energy.sum(axis=0).mean() / energy[11].mean() * energy[11]
    into = energy.sum(axis=0) + hidden
    missing = hidden + np.gradient(into) / 5
    shown, usual = loss.Metered(energy, np.ones(energy.shape, np.bool_)), energy[:, :48]
    found = loss.suspects(missing, head_of(into), shown, usual, no_signs(40), POLICY)
    assert found.suspects[0].meter == 11
    assert found.suspects[0].hidden_wh == pytest.approx(hidden.sum(), rel=0.02)
    assert found.suspects[0].confidence > 3 * found.suspects[1].confidence


def test_bridged_slots_are_in_doubt_by_what_is_usual_at_their_hour() -> None:
    # Two slots a day that differ by 100 Wh: half of 100², and 25 for the register's own steps. The
    # pairs of both slots count for both: each is beside the other.
    energy = np.tile([[100.0, 200.0]], (1, 4))
    measured = np.ones((1, 8), np.bool_)
    measured[0, 5] = False
    found = loss.doubt_wh2(loss.Metered(energy, measured), 2)
    assert found[0].tolist() == [0, 0, 0, 0, 0, 5025, 0, 0]


@pytest.mark.parametrize("seed", [4, 6, 11])
def test_wrong_meters_that_hide_each_other_are_all_found(seed: int) -> None:
    # Homes and shops of simulated cities in which eight of 240 changed places: in the first two
    # shops of like course, one for the other; in the second a ring; in the third one that looks
    # like the difference of two others. Class 1 meters, 25 Wh of noise.
    layout = build(seed, 240, 0)
    who = np.flatnonzero(layout.kind != CABINET)
    moments = START_MS + seed * 97 % 364 * DAY_MS + np.arange(0, 7 * DAY_MS, 300_000) + 150_000
    power = Loads(seed, layout, Weather(seed)).at(moments).active_w[who]
    energy = power.reshape(len(who), 7 * 48, 6).mean(axis=2) / 2
    true = layout.transformer[who]
    wrong = np.random.default_rng(seed).choice(np.arange(len(who)), 8, replace=False)
    registered = true.copy()
    registered[wrong] += np.where(true[wrong] % 2 == 0, 1, -1)
    rng = np.random.default_rng(seed + 100)
    shown_wh = energy * (1 + rng.normal(0, 0.0035, len(who)))[:, None]
    into, shown = (
        np.stack([of[at == place].sum(axis=0) for place in range(4)])
        for of, at in ((energy, true), (shown_wh, registered))
    )
    loss_wh = into + rng.normal(0, 25, into.shape) - shown
    pull = loss.moves(into, loss_wh, shown_wh, registered, POLICY)
    assert {(move.meter, move.best) for move in pull.moves} == {(k, true[k]) for k in wrong}


def test_a_models_days_do_not_lean_on_slots_that_bridge_gaps() -> None:
    # One slot in six is off by 300 Wh, the five others by -60: no day loses anything by it.
    rng = np.random.default_rng(2)
    energy = rng.uniform(5_000, 60_000, (1, 14 * 48))
    lost = 100 + 0.01 * energy + np.tile([300.0, -60, -60, -60, -60, -60], 14 * 8)
    balance = days_of(lost, energy)
    model = loss.fit(balance, POLICY)
    daily = [
        loss.day_loss(balance.slots(48 * d, 48 * d + 48), model, POLICY).residual_wh[0]
        for d in range(14)
    ]
    assert abs(float(np.median(daily))) < 1


def test_only_events_of_tampering_count() -> None:
    rows, codes = np.array([0, 1, 2]), np.array([42, 42, 3])
    found = loss.tampered(rows, codes, 4, POLICY)
    assert found.tolist() == [True, True, False, False]


@pytest.mark.slow
@pytest.mark.parametrize(("missing", "skew_s"), [(0.0, 0.0), (0.05, 60.0)])
def test_scores(missing: float, skew_s: float) -> None:
    total = LossScore()
    for seed in range(20_000, 20_000 + quick_or_soak(20, 200)):
        score_theft(seed, POLICY, missing, skew_s, total)
        score_clean(seed, POLICY, missing, skew_s, 30, total)
    assert total.in_two_days >= 0.9 * total.thefts
    assert total.in_first_three >= 0.9 * total.thefts
    assert total.false_alarms <= max(1, total.clean_months / 100)


@pytest.mark.slow
def test_wires() -> None:
    total = LossScore()
    for seed in range(30_000, 30_000 + quick_or_soak(2, 20)):
        score_wires(seed, POLICY, 0.05, total)
    assert total.wires_found >= 0.9 * total.wrong_wires
    assert total.wires_accused <= 0.01 * total.right_wires
