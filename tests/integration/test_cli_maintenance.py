"""Maintenance windows on the command line: open ones, past ones, and who did what."""

import json
from pathlib import Path

import pytest

from tests.support.alarm_board import room_of
from tests.support.alarms import Room
from tests.support.clients import cli


@pytest.fixture
def room(tmp_path: Path) -> Room:
    (tmp_path / "infragate.toml").write_text('[gateway]\ndata_dir = "data"\n')
    return room_of(tmp_path / "data")


def run(room: Room, *arguments: str) -> str:
    config = str(room.folder.parent / "infragate.toml")
    done = cli("alarms", "maintenance", *arguments, "-c", config)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_window_is_listed_while_it_lasts_and_afterwards_with_who_ended_it(room: Room) -> None:
    work = ("feeder:f-1", "--for", "4h", "--reason", "new cable", "--who", "Anna")
    run(room, "add", *work)
    room.step(60)
    assert room.one().suppressed
    (shown,) = run(room, "list").splitlines()
    assert "now" in shown
    assert "new cable (by Anna)" in shown
    run(room, "end", shown.split()[0], "--who", "Bình")
    room.step(60)
    assert not room.one().suppressed
    assert run(room, "list") == ""
    past = json.loads(run(room, "list", "--state", "past", "--json"))
    assert (past["state"], past["by"], past["ended_by"]) == ("past", "Anna", "Bình")
    assert "ended by Bình" in run(room, "list", "--state", "all")
