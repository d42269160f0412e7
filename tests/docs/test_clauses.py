"""docs/clauses.md and the marks of the tests say the same; every central clause has a word."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.shared import SHARED, needs_shared

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
PAGE = (ROOT / "docs" / "clauses.md").read_text("utf-8")
_ROW = re.compile(r"^\| ([\d.A-Za-z, -]+?) \|.*?\|([^|]*)\|$", re.MULTILINE)


def clauses_of(marks: list[ast.expr]) -> Iterator[str]:
    for mark in marks:
        for call in ast.walk(mark):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr == "clause":
                yield from (ast.literal_eval(one) for one in call.args)


def marks_in(file: Path) -> Iterator[tuple[str, str]]:
    """Yield clause and test; a mark of the whole file is under the file's name."""
    name = file.relative_to(TESTS).as_posix()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((one, f"{name}::{node.name}") for one in clauses_of(node.decorator_list))
        elif isinstance(node, ast.Assign):
            yield from ((one, name) for one in clauses_of([node.value]))


def marked() -> dict[str, set[str]]:
    """Return the tests of each clause, as they are marked."""
    found = defaultdict(set)
    for file in TESTS.rglob("test_*.py"):
        for clause, test in marks_in(file):
            found[clause].add(test)
    return dict(found)


def written() -> dict[str, set[str]]:
    """Return the tests of each clause, as the page has them."""
    rows = _ROW.findall(PAGE.split("## Not done")[0])
    return {clause: set(re.findall(r"`([^`]+)`", last)) for clause, last in rows if "`" in last}


def test_page_and_tests_agree() -> None:
    assert written() == marked()


@needs_shared
def test_every_central_clause_has_a_word() -> None:
    assert SHARED is not None
    study = (SHARED / "reference" / "domain.md").read_text("utf-8")
    central = re.findall(r"^\| ((?:749|942|1437)\.\S+)[^|]*\| \*\*C\*\*", study, re.MULTILINE)
    assert len(central) > 30
    assert [clause for clause in central if clause.rstrip(",") not in PAGE] == []
