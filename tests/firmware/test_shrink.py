"""A program made small for a board does what it did (nodes run out of such images elsewhere)."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.tools import program, tool

shrink: Any = tool("shrink").shrink
_PROGRAM = {
    "start": """
import sys
from pack import shapes
from pack.shapes import EDGE, Square as Shape, area_of
from pack import data

_TWICE = 2 * EDGE
_WORDS = ("a", "b")

class Box(Shape):
    def __init__(self, edge: "int" = EDGE) -> None:
        super().__init__(edge)
        self._lid = self._hidden = edge

    def volume(self) -> "int":
        return self._grown(area_of(self), times=self._lid)

    def _grown(self, value, times):
        return (lambda value: value * times)(value) + self._hidden - self.edge

def unused():
    return unused()

def main(edge=_TWICE):
    print(Box(edge).volume(), shapes.EDGE, shapes.area_of(Box()), data.NAME, _WORDS[1])
    late = __import__("pack.late", None, None, ["x"])
    print(late.told(-1))
""",
    "pack": "",
    "pack.shapes": """
EDGE, _FLAG = 1 << 3, -1

class Square:
    def __init__(self, edge):
        self.edge = edge
        self._kept = edge

    def area(self):
        return self.full_edge() * self.edge * -_FLAG

    def full_edge(self):
        return self._kept

def area_of(shape):
    return shape.full_edge() and shape.area()
""",
    "pack.data": "NAME = 'given'\n",
    "pack.late": "_AGE = 5\ndef told(_x, by=_AGE):\n    return _late(_x) + by\n"
    "def _late(x):\n    return x * 2\n",
}


def write(folder: Path, sources: "dict[str, str]") -> None:
    for name, text in sources.items():
        path = folder.joinpath(*name.split("."))
        path = path / "__init__.py" if name == "pack" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("interpreter", [sys.executable, "micropython"])
def test_the_same_answers_with_fewer_names(interpreter: str, tmp_path: Path) -> None:
    small = shrink(_PROGRAM, "start", frozenset({"pack.data", "pack.late"}), ["start.main()"])
    assert set(small) == {"start", "pack", "pack.data", "pack.late"}
    gone = {
        "unused",
        "_hidden",
        "_grown",
        "EDGE",
        "_TWICE",
        "_FLAG",
        "Square",
        "Box",
        "area_of",
        "full_edge",
    }
    assert [name for name in gone if name in small["start"]] == []
    answers = []
    for name, sources in (("as written", _PROGRAM), ("small", small)):
        write(tmp_path / name, sources)
        runner = program("micropython") if interpreter == "micropython" else interpreter
        done = subprocess.run(
            [runner, "-c", "import start; start.main()"],
            cwd=tmp_path / name,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        answers.append(done.stdout + done.stderr)
    assert answers == ["4096 8 64 given b\n3\n"] * 2


def test_a_name_that_means_two_things_is_refused() -> None:
    sources = {
        "start": "from one import f\nfrom two import g\n",
        "one": "def f():\n    return 1\n",
        "two": "def f():\n    return 2\ndef g():\n    f = 3\n    return f\n",
    }
    with pytest.raises(ValueError, match="two: f is a variable and a global"):
        shrink(sources, "start", frozenset(), ["start.f", "start.g"])
