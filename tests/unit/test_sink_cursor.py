"""The cursor: what is kept for a server that forgets, and what a power cut leaves of it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Position
from gateway.sinks.cursor import Cursor, load_cursor, save_cursor

WINDOW_MS = 300_000


def test_a_new_cursor_is_at_the_oldest_record(tmp_path: Path) -> None:
    assert load_cursor(tmp_path / "none").position == Position()


def test_a_saved_cursor_is_loaded_as_it_was(tmp_path: Path) -> None:
    cursor = Cursor(token="abc")
    for second in range(1000):
        cursor.advance(Position(second + 2, 1, second), second * 1000, WINDOW_MS)
    save_cursor(tmp_path / "cursor", cursor)
    assert load_cursor(tmp_path / "cursor") == cursor
    assert [file.name for file in tmp_path.iterdir()] == ["cursor"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1}', "null"])
def test_a_damaged_file_is_told_from_a_missing_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "cursor").write_text(text)
    with pytest.raises(ValueError):
        load_cursor(tmp_path / "cursor")


def test_a_cut_off_cursor_is_never_taken_for_another(tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    save_cursor(file, Cursor(Position(70_000, 65_000, 123)))
    text = file.read_text()
    assert json.loads(text)
    for size in range(len(text)):
        file.write_text(text[:size])
        with pytest.raises(ValueError):
            load_cursor(file)


@given(
    st.lists(st.integers(-400_000, 400_000), min_size=1, max_size=200),
    st.integers(0, 600_000),
)
def test_a_replay_covers_the_window_and_the_trail_is_short(
    steps_ms: list[int], window_ms: int
) -> None:
    cursor = Cursor()
    now_ms = 10_000_000
    acknowledged: list[tuple[int, int]] = []
    for number, step_ms in enumerate(steps_ms, start=2):
        now_ms += max(step_ms, 0)
        cursor.advance(Position(number), now_ms, window_ms)
        acknowledged.append((now_ms, number - 1))
        fresh = [record for at_ms, record in acknowledged if at_ms > now_ms - window_ms]
        if fresh:
            assert cursor.replay_from().number <= min(fresh)
        assert len(cursor.trail) <= 34
        assert cursor.replay_from().number <= cursor.position.number


def test_a_steady_flow_keeps_little_more_than_the_window() -> None:
    cursor = Cursor()
    for number in range(1, 2000):
        cursor.advance(Position(number + 1), number * 1000, WINDOW_MS)
    assert 300 <= cursor.position.number - cursor.replay_from().number <= 300 + 300 / 32 + 2


def test_a_clock_set_back_keeps_more_not_less() -> None:
    cursor = Cursor()
    for number in range(1, 1000):
        cursor.advance(Position(number + 1), number * 1000, WINDOW_MS)
    before = cursor.replay_from().number
    for number in range(1000, 1010):
        cursor.advance(Position(number + 1), number * 1000 - 900_000, WINDOW_MS)
    assert cursor.replay_from().number <= before + 20


def test_a_rewind_goes_back_and_may_go_back_again() -> None:
    cursor = Cursor()
    for number in range(1, 1000):
        cursor.advance(Position(number + 1), number * 1000, WINDOW_MS)
    target = cursor.replay_from()
    cursor.rewind()
    assert cursor.position == target
    cursor.advance(Position(target.number + 1), 1_000_500, WINDOW_MS)
    cursor.rewind()
    assert cursor.position == target
