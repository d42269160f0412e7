"""The floor plan in words names every room there is."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FACES = {"__init__.py", "__main__.py", "__pycache__"}
MOST_LINES = 300


def test_every_room_is_explained() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = {path for path in (ROOT / "gateway").iterdir() if path.name not in FACES}
    names = {f"`{room.name}/`" if room.is_dir() else f"`{room.name}`" for room in rooms}
    assert {name for name in names if name not in text} == set()


def test_no_module_is_longer_than_a_person_reads_at_once() -> None:
    folders = ("gateway", "simulators", "firmware", "tools")
    modules = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert len(modules) > 100
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in modules}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
