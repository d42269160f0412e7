"""The whole gateway with databases that fail in every way: none lost, none twice, all in the end.

One gateway feeds all of them at once, so this shows as well that none of them holds another up.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.scripted_database import Hit, Reply, ScriptedDatabase
from tests.support.databases import Held, Points, metric, stored_points
from tests.support.running import Gateway, listener
from tests.support.town import Town

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

HOUR_MS = 3_600_000
TOKEN = "right"
BAD_DEVICE, BAD_REGISTER = "meter-003", 4_000_014
BAD = b"em1,device=meter-003,org=evn,sector=energy ea_imp=4000014.0,"  # one line begins with it


def times(count: int, reply: Callable[[Hit], Reply | None]) -> Callable[[Hit], Reply | None]:
    """Answer the first ``count`` writes of readings so, all others as a good database does."""
    left = [count]

    def fault(hit: Hit) -> Reply | None:
        if not hit.is_write or not hit.body.startswith(b"em1,") or not left[0]:
            return None
        left[0] -= 1
        return reply(hit)

    return fault


def in_turn(*replies: Reply) -> Callable[[Hit], Reply]:
    rest = list(replies)
    return lambda _hit: rest.pop(0)


def bad_line(hit: Hit) -> Reply | None:
    bad = [line for line in hit.lines if line.startswith(BAD)]
    return Reply(400, body=b"unable to parse '%b'" % bad[0]) if bad else None


def all_faults() -> dict[str, Callable[[Hit], Reply | None]]:
    """Return what each database does wrong, by the name of its sink."""
    return {
        "s500": times(3, in_turn(Reply(500), Reply(503), Reply(502))),
        "applied-500": times(2, lambda _hit: Reply(500, applies=True)),
        "slow-down": times(2, lambda _hit: Reply(429, ("Retry-After: 2",))),
        "hangs": times(2, lambda _hit: Reply(hangs=True)),
        "drips": times(1, lambda _hit: Reply(drips=True)),
        "resets": times(3, lambda _hit: Reply(resets=True)),
        "applied-reset": times(3, lambda _hit: Reply(resets=True, applies=True)),
        "too-large": lambda hit: Reply(413) if hit.is_write and len(hit.lines) > 700 else None,
        "one-bad-line": bad_line,
        "stranger": lambda hit: (
            None if hit.headers["authorization"] == f"Bearer {TOKEN}" else Reply(401)
        ),
    }


def config(databases: dict[str, ScriptedDatabase], folder: Path) -> str:
    return "".join(
        f'[[sink]]\nname = "{name}"\ntype = "influx1"\nurl = "{database.url}"\ntimeout = "1s"\n'
        + (f'token = {{ file = "{folder / "token"}" }}\n' if name == "stranger" else "")
        for name, database in databases.items()
    )


def em1_of(database: ScriptedDatabase) -> dict[tuple[bytes, bytes], bytes]:
    """Return the readings of a database, without rollups."""
    return {key: fields for key, fields in database.readings.items() if key[0][:4] == b"em1,"}


def points_of(database: ScriptedDatabase) -> Points:
    """Return what a scripted database holds in the form of the real ones' answers."""
    points: Points = {}
    for (series, time_ms), fields in em1_of(database).items():
        device = series.split(b",")[1].removeprefix(b"device=").decode()
        for pair in fields.split(b","):
            name, value = pair.split(b"=")
            points[device, name.decode(), int(time_ms)] = float(value.rstrip(b"i"))
    return points


@pytest.fixture
async def databases() -> AsyncIterator[dict[str, ScriptedDatabase]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(ScriptedDatabase(fault=fault).running())
            for name, fault in all_faults().items()
        }


async def until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{what} within {timeout_s} s") from None


@pytest.fixture
async def gateway(databases: dict[str, ScriptedDatabase], tmp_path: Path) -> AsyncIterator[Gateway]:
    token = tmp_path / "token"
    token.write_text("wrong")
    token.chmod(0o600)
    gateway = Gateway(tmp_path, listener(free_port()), extra=config(databases, tmp_path))
    await asyncio.to_thread(gateway.start)
    yield gateway
    if gateway.process is not None and gateway.process.poll() is None:
        await asyncio.to_thread(gateway.stop)


async def feed(gateway: Gateway, readings: int) -> Held:
    """Send readings over MQTT; return them as the gateway stored them."""
    port = int(gateway.config.read_text().split('listen = "127.0.0.1:')[1].split('"')[0])
    town = await asyncio.to_thread(Town, port, time.time_ns() // 1_000_000 - 2 * HOUR_MS)
    await asyncio.to_thread(town.send, readings)
    await asyncio.to_thread(gateway.settle, 120, messages=town.messages)
    town.close()
    return await asyncio.to_thread(stored_points, gateway)


async def test_every_fault_at_once_loses_nothing_and_doubles_nothing(
    databases: dict[str, ScriptedDatabase], gateway: Gateway, tmp_path: Path, *, soak: bool
) -> None:
    count = 200_000 if soak else 10_000
    began_s = time.monotonic()
    stored = await feed(gateway, count)
    assert stored.rows == count
    others = [database for name, database in databases.items() if name != "stranger"]
    await until(
        lambda: all(len(em1_of(one)) >= count - 1 for one in others), 120, "the others have all"
    )
    asked = await errors(gateway, "stranger", "denied")
    assert 1 <= asked <= 1 + (time.monotonic() - began_s) // 30  # at most once in 30 s
    for name in set(databases) - {"stranger", "one-bad-line", "too-large"}:
        assert await errors(gateway, name, "unavailable") >= 1, name  # the fault was met
    assert databases["stranger"].readings == {}
    (tmp_path / "token").write_text(TOKEN)  # the operator mends it
    assert await asyncio.to_thread(gateway.stop) == 0
    await asyncio.to_thread(gateway.start)
    await until(lambda: len(em1_of(databases["stranger"])) == count, 60, "the token is taken")

    for name, database in databases.items():
        wanted = without_bad(stored.points) if name == "one-bad-line" else stored.points
        assert points_of(database) == wanted, name
    kept = list((tmp_path / "data/quarantine").glob("refused-*"))
    assert [file.name for file in kept] == ["refused-one-bad-line.jsonl"]
    refused = [json.loads(entry)["line_base64"] for entry in kept[0].read_text().splitlines()]
    assert [base64.b64decode(line).startswith(BAD) for line in refused] == [True]


async def errors(gateway: Gateway, sink: str, kind: str) -> float:
    name = "infragate_sink_errors_total"
    return await asyncio.to_thread(metric, gateway, name, kind=kind, sink=sink) or 0


def without_bad(points: Points) -> Points:
    """Return all but the values of the reading whose line is refused."""
    bad_ms = next(
        time_ms
        for (device, name, time_ms), value in points.items()
        if (device, name, value) == (BAD_DEVICE, "ea_imp", BAD_REGISTER)
    )
    return {key: value for key, value in points.items() if key[::2] != (BAD_DEVICE, bad_ms)}
