"""What was played is not played again; what other sources gave is forgotten."""

from pathlib import Path

import pytest

from tools import plays


def _square(job: tuple[str, int]) -> int:
    """Return the square, and leave a line that says so."""
    folder, number = job
    with (Path(folder) / "played").open("a") as log:
        log.write(f"{number}\n")
    return number * number


def test_a_play_is_kept_until_a_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gateway").mkdir()
    source = tmp_path / "gateway" / "loss.py"
    source.write_text("x = 1")
    monkeypatch.setattr(plays, "_ROOT", tmp_path)
    monkeypatch.setattr(plays, "_KEPT", tmp_path / "var")
    played = tmp_path / "played"

    def play(*numbers: int) -> list[int]:
        plays.folder_of_sources.cache_clear()
        played.write_text("")
        return list(plays.each(_square, [(str(tmp_path), n) for n in numbers]))

    assert play(3, 1, 2) == [9, 1, 4]
    assert sorted(played.read_text().split()) == ["1", "2", "3"]
    assert play(2, 4, 3) == [4, 16, 9]
    assert played.read_text().split() == ["4"]
    source.write_text("x = 2")
    assert play(2, 4) == [4, 16]
    assert sorted(played.read_text().split()) == ["2", "4"]
    assert len(list((tmp_path / "var").iterdir())) == 1
