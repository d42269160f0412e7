"""The node as a whole on a simulated board, under CPython: by itself, and when it is told."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fieldnode import start
from fieldnode.app import CRASHES_MAX, SAFE_MS, Node
from fieldnode.core.block import CLOCK_NONE, CLOCK_RTC, CLOCK_SNTP
from fieldnode.core.config import PROFILES
from fieldnode.core.health import CRASH, SOFT, Health
from fieldnode.core.schema import schema_of
from fieldnode.core.uplink import COMMAND, DESIRED
from fieldnode.drivers import EDGE, Driver
from fieldnode.hal.sim import VirtualClock
from fieldnode.hal.simboard import SimBoard
from fieldnode.ladder import CYCLE_MS, RESET_MS, Ladder
from gateway.cli.loopback import free_port
from gateway.profiles import load_profiles
from tests.firmware.twice import virtual
from tests.firmware.virtual_loop import run_virtually

_CONFIG: dict[str, Any] = {"org": "evn", "device": "meter-1", "host": "127.0.0.1", "tls": "none"}


class Turns(Driver):
    """Counts its own ticks: something to lose in a power cut."""

    INPUT = EDGE

    def __init__(self) -> None:
        super().__init__()
        self.turns = 41

    @override
    def poll(self, uptime_ms: int) -> None:
        self.turns += 1

    @override
    def registers(self) -> tuple[int, ...]:
        return (self.turns,)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Any]:
    hal = SimBoard(str(tmp_path), 16)
    hal.kv_put("config", json.dumps({**_CONFIG, "port": free_port()}).encode())
    yield hal
    hal.flash._image.close()


def node_on(board: Any) -> Node:
    return Node(board, start.configured(board, {}), Turns())


def told(node: Node, kind: bytes, document: object) -> Any:
    """Return what a node answers to the server."""
    node._do(kind, b"17", json.dumps(document).encode())
    return json.loads(node.uplink._replies[-1][1])


async def run_for(node: Node, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(node.run(), seconds)


def test_without_a_connection_each_step_of_the_ladder_takes_longer(board: Any) -> None:
    resets: list[tuple[int, bool]] = []
    asked: list[bool] = []
    health = Health()
    ladder, now_ms = Ladder(board, health, {}, asked.append), 0
    for _ in range(5):  # a boot each: what it knows of the one before is in the board's memory
        ladder = Ladder(board, health, {}, asked.append)
        now_ms = 0
        while not asked:
            now_ms += 1000
            ladder.climb(now_ms, is_up=False, since_ms=0)
        resets.append((now_ms, asked.pop()))
    factors = [1, 2, 4, 8, 16]
    assert resets == [(RESET_MS * n, step % 2 == 1) for step, n in enumerate(factors)]
    assert health.get("net_cycles") == sum(factors) * RESET_MS // CYCLE_MS
    assert not ladder.climb(now_ms, is_up=True, since_ms=now_ms)
    assert board.kv_get("app.step") is None  # a connection begins the ladder anew


async def test_a_node_that_keeps_crashing_starts_without_its_sensors(board: Any) -> None:
    node = node_on(board)
    for crashes in range(1, CRASHES_MAX + 2):
        board.kv_put("reason", bytes([CRASH]))
        node = node_on(board)
        assert node.is_safe == (crashes > CRASHES_MAX)
    await run_for(node, 1.2)
    assert node._driver.turns == 41
    assert board.fed >= 2
    assert told(node, COMMAND, {"do": "ping"})["ok"] == 1  # but it can be reached
    board.kv_put("reason", bytes([SOFT]))
    assert not node_on(board).is_safe


def test_safe_mode_ends_by_itself(tmp_path: Path) -> None:
    clock = VirtualClock(SimBoard.build_ms)
    board: Any = SimBoard(str(tmp_path), 16, clock)
    board.kv_put("config", json.dumps({**_CONFIG, "port": free_port()}).encode())
    node = node_on(board)
    for _ in range(CRASHES_MAX + 1):
        board.kv_put("reason", bytes([CRASH]))
        node = node_on(board)
    assert node.is_safe
    node.connector.is_up = True  # or the ladder resets it sooner
    for at_ms in range(1000, SAFE_MS + 1000, 1000):
        clock.advance(1000)
        node.tick()
        assert board.kv_get("reason") is None, at_ms
    clock.advance(2000)
    with pytest.raises(SystemExit):
        node.tick()
    assert not node_on(board).is_safe


async def test_when_the_power_goes_the_last_things_are_stored(board: Any) -> None:
    board.hears_power = True
    board.inputs["power"] = power = asyncio.Event()
    node = node_on(board)
    node.recorder.add(1000, (5, 0, 1, 2300, 1, 1000), 0)
    asyncio.get_running_loop().call_later(0.3, power.set)
    await run_for(node, 0.8)
    ring = node_on(board).ring
    number, payload = next(ring.events())
    event = json.loads(payload)
    assert (event["c"], event["log"], event["en"], number) == (99, ring.keep.log, 0, 0)
    assert ring.rows.next == 1  # the open block was stored, too
    stored = json.loads(board.kv_get("app.regs") or b"[0]")
    assert stored[0] > 41


def test_what_is_desired_is_applied_key_by_key(board: Any) -> None:
    node = node_on(board)
    desired = {"heartbeat_s": 60, "port": 70_000, "password": "hush", "org": "others"}
    answer = told(node, DESIRED, desired)
    assert answer["refused"] == {"port": "not in 1…65535", "org": "fixed"}
    assert (answer["config"]["heartbeat_s"], answer["config"]["password"]) == (60, True)
    assert node.uplink.heartbeat_ms == 60_000
    again = start.configured(board, {})
    assert (again["heartbeat_s"], again["password"]) == (60, "hush")
    assert told(node, DESIRED, ["nothing"])["ok"] == 0


@pytest.mark.parametrize("profile", ["em9", "em1 1", "", 7, "rrgggg"])
def test_a_profile_that_no_node_knows_is_refused(board: Any, profile: object) -> None:
    """It would end every later start before the network: only a cable brings that node back."""
    answer = told(node_on(board), DESIRED, {"profile": profile, "heartbeat_s": 60})
    assert answer["refused"] == {"profile": "none of " + " ".join(PROFILES)}
    assert node_on(board).uplink.heartbeat_ms == 60_000


def test_every_profile_may_be_told() -> None:
    assert set(PROFILES) <= set(load_profiles())
    assert [schema_of(name)[0] for name in PROFILES] == list(range(1, 11))


async def test_more_deadbands_than_columns_are_refused_and_stop_no_sensor(board: Any) -> None:
    node = node_on(board)
    assert told(node, DESIRED, {"deadbands": [1] * 6})["refused"] == {}
    answer = told(node, DESIRED, {"deadbands": [1] * 7, "heartbeat_s": 60})
    assert answer["refused"] == {"deadbands": "more than the profile has columns"}
    assert answer["config"]["deadbands"] == [1] * 6
    node.config["deadbands"] = [1] * 19  # of a profile that it had before
    node.configure()
    for at_ms in (10_000, 20_000):
        node.recorder.sample(at_ms, (at_ms, 0, 1, 2300, 1, 1000), 0)
    assert node.recorder.next == 2


def test_a_configuration_that_no_board_could_read_again_is_refused(board: Any) -> None:
    """A board keeps 2,048 bytes under a key (hal/base.py)."""
    node = node_on(board)
    before = board.kv_get("config")
    answer = told(node, DESIRED, {"options": {"note": "x" * 1800}, "heartbeat_s": 60})
    assert (answer["ok"], answer["error"]) == (0, "configuration: longer than a board keeps")
    assert (board.kv_get("config"), node.config["heartbeat_s"]) == (before, 900)


async def test_a_calendar_set_to_the_floor_is_no_time_after_a_reset(tmp_path: Path) -> None:
    """Out of reach of any time server, a node has set its calendar itself, for TLS alone."""
    clock = VirtualClock(SimBoard.build_ms + 90 * 86_400_000)
    hal: Any = SimBoard(str(tmp_path), 16, clock)
    hal.kv_put("config", json.dumps({**_CONFIG, "port": free_port()}).encode())
    assert node_on(hal).clock.quality() == CLOCK_NONE
    clock.advance(RESET_MS)
    clock.reboot(keeps_rtc=True)  # the ladder's reset
    node = node_on(hal)
    assert node.clock.quality() == CLOCK_NONE
    assert node.clock.floor_ms == SimBoard.build_ms + RESET_MS  # so much has passed since

    async def answer(_: str, __: int, question: bytes, ___: int) -> bytes:
        stamp = ((clock.true_ms + 2_208_988_800_000) << 32) // 1000 + 1
        return b"\x24\x01" + bytes(22) + question[40:48] + 2 * stamp.to_bytes(8, "big")

    hal.exchange_udp = answer
    node.config["ntp"] = "server"
    assert await node._sync()
    clock.advance(RESET_MS)
    clock.reboot(keeps_rtc=True)
    assert node_on(hal).clock.base(hal.ticks_ms()) == (CLOCK_RTC, clock.true_ms)


async def test_a_wrong_time_before_a_cut_does_not_last(tmp_path: Path) -> None:
    """One answer five years ahead, then the power goes: the ring's floor lies ahead."""
    clock = VirtualClock(SimBoard.build_ms + 90 * 86_400_000)
    hal: Any = SimBoard(str(tmp_path), 16, clock)
    hal.kv_put("config", json.dumps({**_CONFIG, "port": free_port(), "ntp": "server"}).encode())
    wrong_ms = 1825 * 86_400_000

    async def answer(_: str, __: int, question: bytes, ___: int) -> bytes:
        stamp = ((clock.true_ms + wrong_ms + 2_208_988_800_000) << 32) // 1000 + 1
        return b"\x24\x01" + bytes(22) + question[40:48] + 2 * stamp.to_bytes(8, "big")

    hal.exchange_udp = answer
    node = node_on(hal)
    assert await node._sync()
    clock.reboot(keeps_rtc=False)
    wrong_ms = 0
    node = node_on(hal)
    assert node.clock.floor_ms > clock.true_ms + 1824 * 86_400_000
    assert [await node._sync() for _ in range(3)] == [False, False, True]
    assert node.clock.base(hal.ticks_ms()) == (CLOCK_SNTP, clock.true_ms)
    clock.reboot(keeps_rtc=False)
    assert node_on(hal).clock.floor_ms // 1000 == clock.true_ms // 1000


@pytest.mark.parametrize("keepalive_s", [60, 3600])
def test_a_server_that_hears_nothing_is_given_up(board: Any, keepalive_s: int) -> None:
    """It takes the connection and says no more: over TLS not even a CONNECT gets out then."""
    clock = VirtualClock(SimBoard.build_ms)
    hal: Any = virtual.Board(clock, virtual.Server(b""), 8)
    attempts: list[int] = []

    class Deaf:
        async def read(self, limit: int) -> bytes:
            return await asyncio.Future()

        async def write(self, data: bytes) -> None:
            await asyncio.Future()

        def close(self) -> None: ...

    async def connect(*_: object) -> Deaf:
        attempts.append(clock.true_ms)
        return Deaf()

    hal.connect = connect
    config = {**start.configured(board, {}), "keepalive_s": keepalive_s}
    run_virtually(clock, run_for(Node(hal, config, Turns()), 500))
    assert hal.lines == []  # "stuck: uplink"
    assert hal.fed >= 499
    assert len(attempts) >= 4


async def test_inputs_are_taken_once_however_often_sensing_dies(board: Any) -> None:
    """A line of a gpiochip is busy for who asks again, and a chip has eight pulse counters."""
    taken: list[str] = []

    class Counter:
        def take(self, into: object) -> int:
            return 0

    def counter(port: str, _: int) -> Counter:
        assert port not in taken
        taken.append(port)
        return Counter()

    class Faulty(Turns):
        @override
        def poll(self, uptime_ms: int) -> None:
            super().poll(uptime_ms)
            if self.turns == 42:
                raise ValueError(self.turns)

    board.counter = counter
    node = Node(board, start.configured(board, {}) | {"input": "17"}, Faulty())
    await run_for(node, 1.8)
    assert node._driver.turns > 42
    assert node.health.get("crashes") == 1


async def test_commands(board: Any) -> None:
    node = node_on(board)
    assert told(node, COMMAND, {"do": "ping"})["rows"] == 0
    wrongs: list[object] = [{"do": "explode"}, {}, {"do": 5}, []]
    for wrong in wrongs:
        assert told(node, COMMAND, wrong)["ok"] == 0
    assert told(node, COMMAND, {"do": "reset", "hard": 1}) == {"ok": 1}
    with pytest.raises(SystemExit):
        await node.run()
    assert board.reset_reason() != SOFT
