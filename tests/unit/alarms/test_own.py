"""What the gateway finds in itself, from numbers as its processes write them."""

from collections.abc import Iterable, Sequence

import pytest

from gateway.alarms.devices import DeviceWatcher
from gateway.alarms.own import Condition
from gateway.alarms.rates import Rates
from gateway.alarms.watchers import Look, Watchers
from gateway.ports import CountRow, DeviceRow, LatestRow, Totals
from gateway.stats import Stats
from gateway.views.fleet import Fleet, build_fleet
from tests.support.alarms import NOW_MS, POLICY

GIB = 1 << 30


class Desk:
    """Watchers, and a gateway that the test makes ill."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.open: set[tuple[str, str]] = set()
        self.now_ms = NOW_MS
        self.free = 0.5
        self.ages_s = {"intake": 1.0, "analyst": 1.0}
        self._watchers = Watchers(POLICY, lambda *key: key in self.open)

    def look(self, after_s: float = 1) -> dict[tuple[str, str], Condition]:
        """What is wrong, by kind and place; it counts as open from then on."""
        self.now_ms += round(after_s * 1000)
        samples = list(self.stats.samples())
        free_bytes = round(self.free * 100 * GIB)
        look = Look(self.now_ms, samples, self.ages_s, self.free, free_bytes, 8 * GIB)
        found = {(one.kind, one.place): one for one in self._watchers.look(look)}
        self.open = set(found)
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_calm_gateway_says_nothing(desk: Desk) -> None:
    desk.stats.gauge("infragate_sink_up", 1, sink="influx")
    desk.stats.gauge("infragate_sink_lag_seconds", 3, sink="influx")
    desk.stats.gauge("infragate_source_connected", 1, source="infragate-1")
    desk.stats.gauge("infragate_journal_congested", 0)
    desk.stats.gauge("infragate_journal_bytes", GIB)
    for _ in range(100):
        desk.stats.count("infragate_listener_events_total", 1, source="0", event="timeouts")
        desk.stats.count("infragate_quarantined_total", 0.1, reason="schema")
        assert not desk.look(10)


def test_a_database_that_is_away_or_behind(desk: Desk) -> None:
    desk.stats.gauge("infragate_sink_up", 0, sink="influx")
    down = desk.look()["sink_down", "sink:influx"]
    assert (down.severity, down.hold_s) == (3, 60)
    desk.stats.gauge("infragate_sink_up", 1, sink="influx")
    for lag_s, is_behind in ((899, False), (901, True), (500, True), (121, True), (119, False)):
        desk.stats.gauge("infragate_sink_lag_seconds", lag_s, sink="influx")
        assert (("sink_behind", "sink:influx") in desk.look()) is is_behind, lag_s


def test_a_broker_that_is_away(desk: Desk) -> None:
    desk.stats.gauge("infragate_source_connected", 0, source="infragate-1")
    assert desk.look()["broker_away", "source:infragate-1"].hold_s == 30


def test_a_disk_between_its_two_thresholds_stays_as_it_was(desk: Desk) -> None:
    """10 % raises, 12 % clears: at 11 % neither."""
    key = ("disk_nearly_full", "disk:data")
    wanted = [(0.11, None), (0.09, 3), (0.11, 3), (0.02, 4), (0.13, None), (0.11, None)]
    for free, severity in wanted:
        desk.free = free
        found = desk.look().get(key)
        assert (found.severity if found else None) == severity, free


def test_a_journal_that_fills_and_one_that_stands_still(desk: Desk) -> None:
    desk.stats.gauge("infragate_journal_bytes", 7 * GIB)
    assert set(desk.look()) == {("journal_nearly_full", "journal:intake")}
    desk.stats.gauge("infragate_journal_congested", 1)
    assert desk.look()["journal_congested", "journal:intake"].severity == 4


def test_processes_that_are_silent_or_die_again_and_again(desk: Desk) -> None:
    desk.ages_s["analyst"] = 16
    assert desk.look()["process_silent", "process:analyst"].severity == 3
    desk.ages_s = {"processor": 16}
    assert desk.look()["process_silent", "process:processor"].severity == 4
    desk.ages_s = {}
    for number in range(3):
        assert (("process_restarting", "process:keeper") in desk.look()) is (number > 3)
        desk.stats.count("infragate_child_restarts_total", child="keeper")
    assert ("process_restarting", "process:keeper") in desk.look()
    assert ("process_restarting", "process:keeper") not in desk.look(16 * 60)


def test_a_burst_of_nonsense_and_a_flipped_bit(desk: Desk) -> None:
    desk.stats.count("infragate_quarantined_total", 500, reason="schema")
    assert not desk.look()  # counted before we looked: not news
    desk.stats.count("infragate_quarantined_total", 99, reason="schema")
    assert not desk.look()
    desk.stats.count("infragate_quarantined_total", 1, reason="schema")
    burst = desk.look()["quarantine_burst", "reason:schema"]
    assert burst.evidence == {"readings": 100, "window_s": 600}
    assert not desk.look(11 * 60)
    desk.stats.count("infragate_quarantined_total", 1, reason="journal_damage")
    assert desk.look()["journal_damaged", "reason:journal_damage"].severity == 3
    desk.stats.count("infragate_quarantined_total", 1, reason="fault")
    assert desk.look()["decoder_fault", "reason:fault"].severity == 3


@pytest.mark.parametrize(
    ("event", "count"),
    [("refused_not_authorised", 20), ("denied_messages", 20), ("broken", 20), ("throttled", 2000)],
)
def test_signs_of_an_attack(desk: Desk, event: str, count: int) -> None:
    desk.look()
    desk.stats.count("infragate_listener_events_total", count - 1, source="0", event=event)
    assert not desk.look()
    desk.stats.count("infragate_listener_events_total", 1, source="0", event=event)
    found = desk.look()["attack_signs", "source:0"]
    assert found.evidence[event.partition("_not")[0]] == count
    assert not desk.look(6 * 60)


def test_rates_go_on_over_a_restart_of_who_counts() -> None:
    rates = Rates(100)
    key = ("a",)
    for second, value in enumerate((50, 60, 3, 5)):  # 50 is where we came in; 3 a new counter
        rates.add(NOW_MS + second * 1000, {key: value})
    assert rates.rises(NOW_MS + 4000)[key] == 10 + 3 + 2
    assert rates.rises(NOW_MS + 200_000)[key] == 0


def fleet(ages_s: Iterable[float], sector: str = "water", ahead_s: Sequence[float] = ()) -> Fleet:
    """Devices last heard so long ago; their clocks are ahead by as much."""
    rows, counts, latest = [], [], []
    for index, age_s in enumerate(ages_s):
        heard_ms = NOW_MS - round(age_s * 1000)
        ahead_ms = round(1000 * (ahead_s[index] if ahead_s else -1))
        rows.append(DeviceRow(index, "evn", sector, f"d-{index:02}", 1, 0))
        counts.append(CountRow(index, 1, 0, 0, 1, 0, 0, heard_ms, "online"))
        latest.append(
            LatestRow(index, "wtr1", heard_ms + ahead_ms, heard_ms, 0, 1, 0, 3, 0, b"", b"")
        )
    at = (NOW_MS, {"wtr1": 60_000})
    return build_fleet(at, Totals(0, 0, 0, 0, 0, 0, 0), (rows, counts), latest)


def test_silent_devices_are_called_out_where_nobody_else_does() -> None:
    watcher = DeviceWatcher(POLICY, {"energy"})
    found = list(watcher.look(fleet([10, 119, 181, 4000])))
    assert [one.place for one in found] == ["device:d-02", "device:d-03"]
    assert found[0].evidence == {"silent_s": 181, "interval_s": 60}
    assert not list(watcher.look(fleet([4000], "energy")))
    (many,) = watcher.look(fleet([4000] * 21))
    assert (many.kind, many.place, many.evidence["devices"]) == (
        *("devices_silent", "sector:water"),
        21,
    )


def test_one_clock_ahead_is_the_devices_most_of_them_is_ours() -> None:
    watcher = DeviceWatcher(POLICY, ())
    (one,) = watcher.look(fleet([1] * 10, ahead_s=[40, *[0] * 9]))
    assert (one.place, one.evidence) == ("device:d-00", {"ahead_s": 40})
    (ours,) = watcher.look(fleet([1] * 10, ahead_s=[*[40] * 6, *[0] * 4]))
    assert (ours.place, ours.severity) == ("clock:gateway", 3)
    assert ours.evidence == {"devices": 6, "of": 10, "median_ahead_s": 40}


def test_a_jump_of_our_own_clock_is_told_for_a_while() -> None:
    watcher = DeviceWatcher(POLICY, ())
    assert not list(watcher.watch_clock(NOW_MS, 100.0))
    assert not list(watcher.watch_clock(NOW_MS + 1000, 101.0))
    (jump,) = watcher.watch_clock(NOW_MS + 62_000, 102.0)  # a minute too far in one second
    assert (jump.place, jump.evidence) == ("clock:step", {"jump_s": 60.0})
    assert list(watcher.watch_clock(NOW_MS + 661_000, 701.0))
    assert not list(watcher.watch_clock(NOW_MS + 663_000, 703.0))
