"""The modules of a program as trees, and changes to their text that keep every line in place."""

import ast
from typing import Any, NamedTuple


class _Edit(NamedTuple):
    line: int
    start: int
    end_line: int
    end: int
    text: str


class Module:
    """One module: its tree without what only a type checker sees, and what is to be changed."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.tree = ast.parse(source)
        self.tree.body = [node for node in self.tree.body if not _is_never(node)]
        for node in ast.walk(self.tree):
            _drop_annotations(node)
        self.nodes = list(ast.walk(self.tree))
        self.constants: dict[str, int | str | bytes] = {}  # its own
        self.known: dict[str, int | str | bytes] = {}  # and those that it imports
        self.modules: dict[str, str] = {}  # alias → module of ours
        self.edits: set[_Edit] = set()
        self.added: dict[int, str] = {}  # statement before a line

    def replace(self, node: ast.AST, text: str) -> None:
        """Put ``text`` in place of a node, with as many lines."""
        spot: Any = node
        text += "\n" * (spot.end_lineno - spot.lineno)
        self.edits.add(
            _Edit(spot.lineno, spot.col_offset, spot.end_lineno, spot.end_col_offset, text)
        )

    def rename(self, line: int, start: int, old: str, new: str) -> None:
        """Put one identifier in place of another."""
        self.edits.add(_Edit(line, start, line, start + len(old), new))

    def insert(self, line: int, indent: int, text: str) -> None:
        """Put a statement before a line."""
        self.added[line] = " " * indent + text

    def text(self) -> str:
        """Return the source with the changes."""
        lines = [line.encode() for line in self.source.split("\n")]
        for edit in sorted(self.edits, reverse=True):
            first, last = edit.line - 1, edit.end_line - 1
            joined = lines[first][: edit.start] + edit.text.encode() + lines[last][edit.end :]
            lines[first : last + 1] = joined.split(b"\n")
        for line in sorted(self.added, reverse=True):
            lines.insert(line - 1, self.added[line].encode())
        return b"\n".join(lines).decode()


def _drop_annotations(node: ast.AST) -> None:
    """Forget what MicroPython does not compile, so that no name seems to be used there."""
    if isinstance(node, ast.arg):
        node.annotation = None
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.returns = None
    elif isinstance(node, ast.AnnAssign):
        node.annotation = ast.Constant(None)


def _is_never(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and not node.test.value
