"""How long energy's rooms take: 10,000 meters, one day of half hours, one core.

chrt -i 0 python -m tools.bench_energy [meters]
"""

import sys
import time

import numpy as np

from gateway.energy import vee
from gateway.energy.billing import BillingPolicy, close, of_day
from gateway.energy.calendar import Calendar, HolidayYear
from gateway.energy.insight import InsightPolicy, budget, same_weekday, standby
from gateway.energy.series import Window, empty_window
from gateway.energy.tariff import Tariff, rate_shares
from gateway.energy.vee.policy import VeePolicy
from gateway.model import Quality
from gateway.policies import load_policies

HALF_HOUR_MS = 1_800_000
SLOTS = 48
DEPTH = 35
MISSING_SHARE = 0.01
TARIFF = "vn-evn-3price"
NOW_MS = 1_773_100_800_000  # 2026-03-10


def _window(rng: np.random.Generator, meters: int, start_ms: int) -> Window:
    window = empty_window(np.arange(meters), start_ms, HALF_HOUR_MS, SLOTS)
    use = np.rint(rng.gamma(2.0, 135.0, (meters, SLOTS + 1)))
    window.import_wh[:] = 1_000_000 + np.cumsum(use, axis=1)
    window.export_wh[:] = 0
    window.power_w[:] = use * 2
    window.voltage_v[:] = 230 + rng.normal(0, 2, use.shape)
    window.current_a[:] = window.power_w / window.voltage_v
    window.power_factor[:] = 0.95
    window.quality[:] = int(Quality.VALID)
    is_lost = rng.random(use.shape) < MISSING_SHARE
    for column in (window.import_wh, window.export_wh, window.power_w, window.voltage_v):
        column[is_lost] = np.nan
    window.quality[is_lost] = int(Quality.MISSING)
    return window


def main() -> None:
    """Run a day three times and print the best."""
    meters = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rng = np.random.default_rng(1)
    policy = load_policies("vee", VeePolicy).at("vee", NOW_MS)
    calendar = Calendar.of(load_policies("calendar", HolidayYear), "vn-public-holidays")
    day = int(calendar.day(np.array([NOW_MS]))[0])
    window = _window(rng, meters, calendar.start_ms(day))
    history = vee.History(
        day - DEPTH + np.arange(DEPTH),
        rng.gamma(2.0, 135.0, (meters, DEPTH, SLOTS)).astype(np.float32),
        np.ones((meters, DEPTH), np.bool_),
    )
    known = policy.meter.meters(meters)._replace(transformer=np.arange(meters) // 60)
    job = vee.Job(window, known, policy, calendar, history, vee.Carry.nothing(meters), vee.Extra())
    _report("vee, 1 % of readings missing", job)
    _report_bills(job)
    for column in (window.import_wh, window.export_wh):
        column[:, 10:30] = np.nan
    _report("vee, ten hours of all meters missing", job)


def _report_bills(job: vee.Job) -> None:
    window, found = job.window, vee.run(job)
    tariffs = load_policies("tariff", Tariff)
    policy = load_policies("billing", BillingPolicy).at("vn-billing", NOW_MS)
    advice = load_policies("insight", InsightPolicy).at("insight", NOW_MS)
    day = int(job.calendar.day(np.array([window.start_ms]))[0])
    began = time.perf_counter()
    shares = rate_shares(tariffs, TARIFF, job.calendar, found.slot_ms(), window.interval_ms)
    record = of_day(found, window, day, job.calendar, shares, policy)
    made_s = time.perf_counter() - began
    began = time.perf_counter()
    month = [record._replace(day=day + k) for k in range(31)]
    ready = close(month, day, day + 31, 1e9, policy).is_ready.mean()
    closed_s = time.perf_counter() - began
    print(f"billing: a day {made_s:.3f} s, a cycle of 31 days {closed_s:.3f} s, {ready:.2f} ready")
    began = time.perf_counter()
    standby(job.history, advice)
    same_weekday(job.history, advice)
    budget(job.history, (day - 9, day + 22), np.full(window.meters, 3e5), job.calendar, advice)
    print(f"insight of {len(job.history.day)} days: {time.perf_counter() - began:.3f} s")


def _report(title: str, job: vee.Job) -> None:
    found = vee.run(job)
    best_s = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        vee.run(job)
        best_s = min(best_s, time.perf_counter() - began)
    filled = int((found.method > int(vee.Method.BACKLOG)).sum())
    size = f"{job.window.meters} meters x {job.window.slots} slots"
    print(f"{title}: {size}, {filled} estimated: {best_s:.3f} s")


if __name__ == "__main__":
    main()
