"""A drain against a database that fails in every way we know of (reliability.md rows 18, 23-28)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from gateway.sinks.readings import ReadingEncoder
from tests.outbox import PROFILES, Outbox, Rig, em1_batch, name_of, section
from tests.scripted_database import Hit, Reply, ScriptedDatabase

START_MS = 1_795_300_200_000


@pytest.fixture
async def database() -> AsyncIterator[ScriptedDatabase]:
    async with ScriptedDatabase().running() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def rig(outbox: Outbox, database: ScriptedDatabase, **more: object) -> Rig:
    return Rig(outbox, section("influx1", database.url, **{"timeout": "2s", **more}))


def expected(*ranges: tuple[int, int]) -> dict[tuple[bytes, bytes], bytes]:
    encoder = ReadingEncoder(PROFILES, name_of)
    points = {}
    for first, count in ranges:
        for line in encoder.encode(em1_batch(first, count, START_MS)).lines:
            series, fields, time_ms = line.split(b" ")
            points[series, time_ms] = fields
    return points


def write_fault(reply: Reply, times: int = 1 << 30) -> Callable[[Hit], Reply | None]:
    """Let the first ``times`` writes of readings fail."""
    left = [times]

    def fault(hit: Hit) -> Reply | None:
        if not hit.is_write or hit.body.startswith(b"infragate_") or not left[0]:
            return None
        left[0] -= 1
        return reply

    return fault


async def test_everything_in_the_outbox_arrives_in_batches(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 4000, START_MS), em1_batch(4000, 4000, START_MS))
    one = rig(outbox, database, batch=3000)
    async with one.running():
        await one.until_empty()
    assert database.readings == expected((0, 8000))
    assert max(len(hit.lines) for hit in database.writes) == 3000
    assert one.count("infragate_sink_written_total", sink="db") == 8000
    assert database.writes[0].query == {"db": ["infragate"], "precision": ["ms"]}
    assert database.writes[0].headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("status", [500, 502, 503, 408])
async def test_a_server_error_is_tried_again_until_it_is_over(
    outbox: Outbox, database: ScriptedDatabase, status: int
) -> None:
    outbox.put(em1_batch(0, 1000, START_MS))
    database.fault = write_fault(Reply(status), times=3)
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    assert database.readings == expected((0, 1000))
    assert one.count("infragate_sink_errors_total", kind="unavailable") == 3
    assert one.refused == []


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_no_request_comes_before_the_time_a_429_names(
    outbox: Outbox, database: ScriptedDatabase, form: str
) -> None:
    outbox.put(em1_batch(0, 10, START_MS))
    # an HTTP date has whole seconds: two ahead is at least one
    value = "2" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)  # noqa: TID251
    database.fault = write_fault(Reply(429, (f"Retry-After: {value}",)), times=1)
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    refused_s = database.writes[0].at_s
    later = [hit.at_s - refused_s for hit in database.hits if hit.at_s > refused_s]
    assert min(later) >= (2.0 if form == "seconds" else 1.0)
    assert database.readings == expected((0, 10))


async def test_a_write_that_was_applied_but_not_answered_leaves_no_duplicate(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 2000, START_MS))
    replies = [Reply(500, applies=True), Reply(resets=True, applies=True), None]

    def fault(hit: Hit) -> Reply | None:
        is_reading = hit.is_write and hit.body.startswith(b"em1")
        return replies.pop(0) if is_reading and replies else None

    database.fault = fault
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    assert database.readings == expected((0, 2000))


@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply(drips=True)], ids=["mute", "drip"])
async def test_a_server_that_hangs_is_left_within_the_timeout_and_a_second(
    outbox: Outbox, database: ScriptedDatabase, reply: Reply
) -> None:
    outbox.put(em1_batch(0, 100, START_MS))
    database.fault = write_fault(reply, times=1)
    one = rig(outbox, database, timeout="1s")
    async with one.running():
        await one.until(lambda: bool(database.writes))
        begun_s = time.monotonic()
        await one.until(lambda: one.count("infragate_sink_errors_total") > 0)
        assert time.monotonic() - begun_s < 2
        await one.until_empty()
    assert database.readings == expected((0, 100))


async def test_a_drain_stops_within_two_seconds_while_its_server_hangs(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 100, START_MS))
    database.fault = write_fault(Reply(hangs=True))
    one = rig(outbox, database, timeout="60s")
    async with one.running():  # asserts it
        await one.until(lambda: bool(database.writes))


@pytest.mark.parametrize("place", [0, 1, 2499, 2500, 4998, 4999])
@pytest.mark.parametrize("quotes", [True, False], ids=["quoting", "terse"])
async def test_one_bad_line_in_5000_is_found_and_the_rest_goes_through(
    outbox: Outbox, database: ScriptedDatabase, place: int, *, quotes: bool
) -> None:
    outbox.put(em1_batch(0, 5000, START_MS))
    all_lines = outbox_lines(5000)
    bad = all_lines[place]

    def fault(hit: Hit) -> Reply | None:
        if not hit.is_write or bad not in hit.lines:
            return None
        return Reply(400, body=b"unable to parse '%b': bad" % bad if quotes else b"no")

    database.fault = fault
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    assert [line for line, _ in one.refused] == [bad]
    assert len(database.readings) == 4999
    assert len(database.writes) - 1 <= (14 if quotes else 15)
    assert one.count("infragate_sink_refused_total", sink="db") == 1
    assert one.count("infragate_sink_written_total", sink="db") == 4999


async def test_many_bad_lines_are_all_found_even_where_the_server_keeps_the_good_ones(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 1000, START_MS))
    bad = set(outbox_lines(1000)[300:420]) | {outbox_lines(1000)[0]}

    def fault(hit: Hit) -> Reply | None:
        if not hit.is_write or not bad.intersection(hit.lines):
            return None
        database._store([line for line in hit.lines if line not in bad])
        return Reply(400, body=b"partial write: dropped=%d" % len(bad.intersection(hit.lines)))

    database.fault = fault
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    assert {line for line, _ in one.refused} == bad
    assert len(one.refused) == len(bad)
    assert len(database.readings) == 1000 - len(bad)


async def test_a_server_that_refuses_everything_is_not_believed(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 1000, START_MS))
    one = rig(outbox, database)
    is_broken = [False]
    database.fault = lambda hit: Reply(400) if hit.is_write and is_broken[0] else None
    async with one.running():
        await one.until_empty()
        is_broken[0] = True
        outbox.put(em1_batch(1000, 1000, START_MS))
        await one.until(lambda: one.count("infragate_sink_errors_total", kind="denied") > 0)
        assert one.refused == []
        assert one.drain.pending == 1
    is_broken[0] = False
    two = one.again()
    async with two.running():
        await two.until_empty()
    assert database.readings == expected((0, 2000))


async def test_a_batch_the_server_calls_too_large_is_halved_and_nothing_refused(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 3000, START_MS))
    database.fault = lambda hit: Reply(413) if hit.is_write and len(hit.lines) > 800 else None
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    assert one.refused == []
    assert database.readings == expected((0, 3000))


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_server_that_does_not_know_us_is_asked_rarely_and_all_is_kept(
    outbox: Outbox, database: ScriptedDatabase, status: int
) -> None:
    outbox.put(em1_batch(0, 500, START_MS))
    database.fault = lambda _hit: Reply(status)
    one = rig(outbox, database)
    async with one.running():
        await one.until(lambda: one.count("infragate_sink_errors_total", kind="denied") == 1)
        await asyncio.sleep(1.5)
        assert len([hit for hit in database.hits if hit.is_write]) == 1
        assert one.drain.pending == 1
        assert one.drain.lag_s > 1
    database.fault = lambda _hit: None
    two = one.again()
    async with two.running():
        await two.until_empty()
    assert database.readings == expected((0, 500))


async def test_a_dead_sink_does_not_delay_another(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 5000, START_MS))
    async with ScriptedDatabase(fault=lambda _hit: Reply(hangs=True)).running() as dead:
        slow = Rig(outbox, section("influx1", dead.url, name="dead", timeout="5s"))
        quick = rig(outbox, database)
        async with slow.running(), quick.running():
            await quick.until_empty(timeout_s=5)
            assert slow.drain.pending == 1
            assert slow.drain.keep_from() == 1
    assert database.readings == expected((0, 5000))


async def test_a_drain_goes_on_where_the_last_one_stopped(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 1000, START_MS))
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    outbox.put(em1_batch(1000, 1000, START_MS))
    written = len(database.writes)
    two = one.again()
    async with two.running():
        await two.until_empty()
    assert sum(len(hit.lines) for hit in database.writes[written:]) == 1000
    assert database.readings == expected((0, 2000))


async def test_a_damaged_cursor_sends_everything_again_instead_of_stopping(
    outbox: Outbox, database: ScriptedDatabase, tmp_path: Path
) -> None:
    outbox.put(em1_batch(0, 1000, START_MS))
    (tmp_path / "db.cursor").write_text('{"version": 1, "position": [12')
    one = rig(outbox, database)
    async with one.running():
        await one.until_empty()
    assert database.readings == expected((0, 1000))


async def test_a_restart_of_the_server_sends_the_replay_window_again(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    for first in range(0, 5000, 500):
        outbox.put(em1_batch(first, 500, START_MS))
    one = rig(outbox, database, replay_window="1s")
    async with one.running():
        await one.until_empty()
        await one.until(lambda: one.drain._cursor.token is not None)
        kept = dict(database.readings)
        database.points.clear()  # it forgot what it had acknowledged
        database.started = "2026-11-21T23:00:00Z"
        await one.until(lambda: database.readings == kept)
    assert one.count("infragate_sink_replays_total", sink="db") == 1
    assert kept == expected((0, 5000))


async def test_what_a_server_may_have_forgotten_stays_in_the_outbox(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    one = rig(outbox, database, replay_window="10s", batch=1)
    now_ms = [START_MS]
    one.clock = lambda: now_ms[0]
    async with one.running():
        for turn in range(40):
            outbox.put(em1_batch(turn, 1, START_MS))
            await one.until_empty()
            now_ms[0] += 1000
        await one.until(lambda: one.drain.keep_from() > 1)
    # written one a second: those of the last ten seconds, and at most one mark more
    assert 40 - 12 <= one.drain.keep_from() <= 40 - 9


async def test_a_quarantine_that_cannot_write_holds_the_cursor(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 100, START_MS))
    bad = outbox_lines(100)[7]
    database.fault = lambda hit: Reply(400) if hit.is_write and bad in hit.lines else None
    one = rig(outbox, database)
    is_full = [True]
    one.on_refused = lambda: is_full[0]
    async with one.running():
        await one.until(lambda: one.count("infragate_sink_errors_total", kind="disk") > 1)
        assert one.drain.pending == 1
        is_full[0] = False
        await one.until_empty()
    assert [line for line, _ in one.refused] == [bad]
    assert len(database.readings) == 99


async def test_a_cursor_that_cannot_be_saved_is_saved_later(
    outbox: Outbox, database: ScriptedDatabase, tmp_path: Path
) -> None:
    outbox.put(em1_batch(0, 100, START_MS))
    in_the_way = tmp_path / "db.tmp"
    in_the_way.mkdir()
    one = rig(outbox, database)
    async with one.running():
        await one.until(lambda: one.count("infragate_sink_errors_total", kind="disk") > 0)
        assert one.drain.keep_from() == 1
        in_the_way.rmdir()
        await one.until((tmp_path / "db.cursor").exists)
        await one.until_empty()
    assert database.readings == expected((0, 100))


async def test_a_device_that_has_no_name_yet_is_waited_for(
    outbox: Outbox, database: ScriptedDatabase
) -> None:
    outbox.put(em1_batch(0, 300, START_MS), em1_batch(300, 300, START_MS))
    known = {index: name_of(index) for index in range(50)}
    config = section("influx1", database.url, timeout="2s")
    one = Rig(outbox, config, names=known.__getitem__)
    async with one.running():
        await one.until(lambda: one.count("infragate_sink_errors_total") > 1)
        assert database.readings == {}
        known.update((index, name_of(index)) for index in range(50, 100))
        await one.until_empty()
    assert database.readings == expected((0, 600))


def outbox_lines(count: int) -> list[bytes]:
    """Return the lines of the first readings in the order the drain sends them."""
    return ReadingEncoder(PROFILES, name_of).encode(em1_batch(0, count, START_MS)).lines
