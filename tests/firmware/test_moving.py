"""A new address from afar: on trial until there was a connection, through cuts at any write."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from fieldnode import start
from fieldnode.app import Node
from fieldnode.core.health import Health
from fieldnode.core.uplink import DESIRED
from fieldnode.hal.simboard import SimBoard
from fieldnode.ladder import CYCLE_MS, RESET_MS, Ladder

OLD, NEW = "old.example", "new.example"
_CONFIG = {"org": "evn", "device": "meter-1", "host": OLD, "tls": "none", "password": "first"}


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Any]:
    hal = SimBoard(str(tmp_path), 16)
    hal.kv_put("config", json.dumps(_CONFIG).encode())
    yield hal
    hal.flash._image.close()


def node_on(board: Any) -> Node:
    """Return the node as it starts."""
    return Node(board, start.configured(board, {}))


def told(node: Node, document: object) -> Any:
    """Return what a node answers to lane k."""
    node._do(DESIRED, b"17", json.dumps(document).encode())
    return json.loads(node.uplink._replies[-1][1])


def hours_without(board: Any, hours: float) -> list[tuple[int, bool, str]]:
    """Return when a node resets that reaches nobody, whether hard, and where it turns then."""
    resets: list[tuple[int, bool, str]] = []
    at_ms, end_ms = 0, hours * 3_600_000
    while at_ms < end_ms:
        asked: list[bool] = []
        ladder, up_ms = Ladder(board, Health(), start.configured(board, {}), asked.append), 0
        while not asked and at_ms < end_ms:
            up_ms, at_ms = up_ms + 1000, at_ms + 1000
            ladder.climb(up_ms, is_up=False, since_ms=0)
        if asked:
            resets.append((at_ms, asked[0], start.configured(board, {})["host"]))
    return resets


def test_a_host_that_is_not_there_is_left_for_the_one_before(board: Any) -> None:
    node = node_on(board)
    answer = told(node, {"host": NEW, "report_s": 60})
    assert (answer["refused"], answer["config"]["host"]) == ({}, NEW)
    assert node._reset_ms  # the answer goes out first
    resets = hours_without(board, 0.5)
    turns = [(n * CYCLE_MS, True, host) for n, host in enumerate((OLD, NEW, OLD), 1)]
    assert resets == turns  # it may also be the way there that is down, so both have their turns
    node = node_on(board)
    node.connector._connected()
    assert node.config["report_s"] == 60
    answer = told(node, {"host": NEW, "report_s": 60})  # retained: it is said again
    assert answer["refused"] == {"host": "no connection with it"}
    assert (answer["config"]["host"], node._reset_ms) == (OLD, 0)
    assert [host for _, _, host in hours_without(board, 1)] == [OLD]  # the ladder as ever


def test_what_failed_is_tried_again_when_something_else_was_said_in_between(board: Any) -> None:
    told(node_on(board), {"host": NEW})
    hours_without(board, 0.2)
    node = node_on(board)
    node.connector._connected()
    assert told(node, {"host": NEW})["refused"] == {"host": "no connection with it"}
    assert told(node, {})["refused"] == {}
    assert told(node, {"host": NEW}) | {"config": 0} == {"ok": 1, "refused": {}, "config": 0}
    node = node_on(board)
    node.connector._connected()
    assert (node.config["host"], board.kv_get("app.moving")) == (NEW, None)
    assert hours_without(board, 0.6)[0] == (RESET_MS, False, NEW)  # it was reached: it stays


def test_a_second_move_before_any_connection_goes_back_to_the_good_one(board: Any) -> None:
    told(node_on(board), {"host": NEW})
    told(node_on(board), {"password": "second"})
    hours_without(board, 0.2)
    config = start.configured(board, {})
    assert (config["host"], config["password"]) == (OLD, "first")


def test_a_secret_is_on_trial_too_and_a_key_is_hexadecimal(board: Any) -> None:
    node = node_on(board)
    answer = told(node, {"psk": "no key", "password": "second"})
    assert answer["refused"] == {"psk": "not hexadecimal"}
    assert "second" not in json.dumps(answer)
    hours_without(board, 0.2)
    assert start.configured(board, {})["password"] == "first"
    assert told(node_on(board), {"psk": "00ff"})["refused"] == {}


class _CutError(Exception):
    pass


class _CutBoard(SimBoard):
    """The power goes in front of the ``cut_at``-th write of a key; 0: never."""

    cut_at = writes = 0

    @override
    def kv_put(self, key: str, value: bytes | None) -> None:
        self.writes += 1
        if self.writes == self.cut_at:
            raise _CutError
        super().kv_put(key, value)


def live(board: Any, reachable: str) -> None:
    """Let a node live from its start until it is told the retained NEW, resets, or is cut."""
    with contextlib.suppress(_CutError):
        node = node_on(board)
        if node.config["host"] == reachable:
            node.connector._connected()
            told(node, {"host": NEW})
        else:
            hours_without(board, CYCLE_MS / 3_600_000)


@pytest.mark.parametrize("reachable", [OLD, NEW])
def test_power_cuts_at_any_write_leave_a_node_that_finds_its_server(
    tmp_path: Path, reachable: str
) -> None:
    """Writes of keys are atomic (hal/base.py); between any two of them the power may go."""
    for cut_at in itertools.count(1):
        (tmp_path / str(cut_at)).mkdir()
        board: Any = _CutBoard(str(tmp_path / str(cut_at)), 16)
        board.kv_put("config", json.dumps(_CONFIG).encode())
        if reachable == NEW:  # nobody could tell it again
            live(board, OLD)
        board.writes, board.cut_at = 0, cut_at
        for _ in range(6):
            live(board, reachable)
        board.flash._image.close()
        assert start.configured(board, {})["host"] == reachable, cut_at
        if board.writes < cut_at:
            break
    assert cut_at > 1
