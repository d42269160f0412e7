"""Back-off, report policies, health and configuration."""

import json

from fieldnode.core import config, health
from fieldnode.core.backoff import BACKLOG_START_MS, LONGEST_MS, Backoff
from fieldnode.core.policy import LAST, LEAST, MEAN, MOST, SUM, Aggregate, Report
from fieldnode.core.rounding import rounded
from fieldnode.core.schema import schema_of
from tests.firmware.twice.support import Draw, raises


def test_waiting_doubles_up_to_five_minutes_and_is_spread_evenly() -> None:
    draw = Draw(1)
    for failures, span_ms in (
        (0, 1000),
        (3, 8000),
        (8, 256_000),
        (9, LONGEST_MS),
        (40, LONGEST_MS),
    ):
        waits = []
        for _ in range(200):
            backoff = Backoff(draw)
            for _ in range(failures):
                backoff.failed(0)
            waits.append(backoff.failed(0))
        assert 1 <= min(waits) <= span_ms // 10
        assert span_ms * 9 // 10 <= max(waits) <= span_ms
        assert span_ms * 4 // 10 <= sum(waits) // 200 <= span_ms * 6 // 10


def test_only_a_connection_that_lasted_forgets_the_failures() -> None:
    asked = []

    def draw(below: int) -> int:
        asked.append(below)
        return below - 1

    backoff = Backoff(draw)
    for now_ms in range(4):
        backoff.failed(now_ms)
    assert backoff.connected(100_000) == BACKLOG_START_MS - 1
    backoff.failed(159_999)  # it did not last
    backoff.connected(200_000)
    backoff.failed(260_000)  # this one did
    backoff.failed(260_001)
    assert asked == [1000, 2000, 4000, 8000, 30_000, 16_000, 30_000, 1000, 2000]


def test_aggregation() -> None:
    rows = Aggregate((LAST, MEAN, LEAST, MOST, SUM))
    assert rows.take() == ((None,) * 5, 0)
    rows.add((100, 10, 10, 10, 1))
    rows.add((107, None, 12, 12, None), 2)
    rows.add((None, 13, None, 11, 5), 64)
    assert rows.take() == ((107, 12, 10, 12, 6), 66)
    rows.add((1, -1, 0, 0, 0))
    rows.add((2, -2, -5, -5, -7))
    assert rows.take() == ((2, -2, -5, 0, -7), 0)


def test_rounding_is_half_away_from_zero() -> None:
    got = [rounded(total, 4) for total in (0, 1, 2, 5, 6, -1, -2, -5, -6, 16_777_217 * 4)]
    assert got == [0, 0, 1, 1, 2, 0, -1, -1, -2, 16_777_217]
    assert rounded(-5, 1) == -5


def test_deadband_and_heartbeat() -> None:
    report = Report((0, 50, 5), heartbeat_ms=60_000, gap_ms=1000)
    assert report.wants(0, (1, 100, 2300))  # the first
    assert not report.wants(2000, (9, 149, 2304))  # a register is no reason
    assert report.wants(3000, (9, 150, 2304))
    assert not report.wants(3999, (9, 250, 2304))  # too close
    assert report.wants(4000, (9, 250, 2304))
    assert report.wants(5000, (9, 250, None))  # a value that goes away
    assert not report.wants(6000, (9, 250, None))
    assert report.wants(7000, (9, 250, 2304))  # and comes back
    assert report.wants(7001, (9, 250, 2304), 1)  # status at once
    assert not report.wants(67_000, (9, 250, 2304), 1)
    assert report.wants(67_001, (9, 250, 2304), 1)  # heartbeat


def test_counters_report_what_moved_and_never_wrap() -> None:
    state = health.Health()
    assert state.changes() == {}
    state.count("rows", 32)
    state.count("crashes")
    assert state.changes() == {"rows": 32, "crashes": 1}
    state.count("rows")
    assert state.changes() == {"rows": 33}
    assert state.get("rows") == 33
    state.count("rows", health.COUNTER_MAX)
    assert state.get("rows") == health.COUNTER_MAX
    raises(ValueError, state.count, "row")


def test_the_watchdog_is_fed_only_while_all_tasks_move() -> None:
    progress = health.Progress()
    progress.watch("uplink", 1000, 0)
    progress.watch("sample", 20_000, 0)
    assert progress.stuck(1000) == []
    assert progress.stuck(1001) == ["uplink"]
    progress.moved("uplink", 1500)
    assert progress.stuck(2000) == []
    assert progress.stuck(30_000) == ["sample", "uplink"]


def test_defaults_are_right_but_for_the_names() -> None:
    wrong = {key: config.why_wrong(key, value) for key, value in config.defaults().items()}
    assert [key for key in sorted(wrong) if wrong[key]] == ["device", "org"]
    assert config.defaults()["password"] == config.defaults()["psk"] == ""


def test_ranges() -> None:
    cases = [
        ("port", 0, 1, 65535, 65536),
        ("window", 0, 1, 8, 9),
        ("org", "a", "ab", "a-0", "-ab"),
        ("device", "Meter", "m1", "x" * 64, "x" * 65),
        ("sector", "gas", "water", "urban", 5),
        ("port", True, 5, 6, "5"),
        ("host", "a\n", "", "::1", "x" * 254),
        ("deadbands", [-1], [], [0, 5], [0] * 20),
        ("deadbands", 5, [1], [1 << 31], [True]),
        ("password", 5, "", "é" * 64, "é" * 65),
        ("org", "grün", "gr", "x1", ""),
    ]
    for key, below, low, high, above in cases:
        assert config.why_wrong(key, below), (key, below)
        assert config.why_wrong(key, above), (key, above)
        assert config.why_wrong(key, low) == config.why_wrong(key, high) == "", (key, low, high)
    assert config.why_wrong("prot", 1) == "unknown"


def named() -> "dict[str, object]":
    return config.load('{"org":"site","device":"m-1"}')


def test_what_is_wrong_is_refused_and_the_rest_holds() -> None:
    new, refused = config.apply(
        named(), {"report_s": 60, "port": 70_000, "device": "m-2", "org": "site", "x": 1}
    )
    assert (new["report_s"], new["port"], new["device"]) == (60, 8883, "m-1")
    assert refused == {"port": "not in 1…65535", "device": "fixed", "x": "unknown"}


def test_loading_names_the_key_and_never_a_secret() -> None:
    message = raises(ValueError, config.load, '{"org":"site","device":"m","psk":7}')
    assert "device" in message or "psk" in message
    for text in ("[]", "{", '{"org":"site","device":"m1","password":["hunter2"]}'):
        assert "hunter2" not in raises(ValueError, config.load, text)


def test_a_configuration_of_newer_firmware_is_read_after_a_rollback() -> None:
    newer = {"version": 2, "org": "site", "device": "m-1", "window": 64, "new": 1, "port": 1883}
    loaded = config.load(json.dumps(newer))
    assert (loaded["version"], loaded["window"], loaded["port"]) == (1, 8, 1883)
    assert "new" not in loaded
    raises(ValueError, config.load, '{"version":"2","org":"site","device":"m-1"}')


def test_secrets_are_not_reported() -> None:
    shown = config.reported(dict(named(), psk="00ff"))
    assert (shown["psk"], shown["password"], shown["org"]) == (True, False, "site")
    assert sorted(shown) == sorted(config.SCHEMA)


def test_profiles_are_found_by_their_whole_name() -> None:
    number, how, joins = schema_of("em1")
    assert (number, how, joins) == (1, (LAST, LAST, MEAN, MEAN, MEAN, MEAN), True)
    assert schema_of("wtr1")[0] == 10
    assert not schema_of("pv1")[2]
    for wrong in ("", "em", "1", "+", "rrgggg", "em1 1", "em9"):
        raises(ValueError, schema_of, wrong)
