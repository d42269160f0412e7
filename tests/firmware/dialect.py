"""Finds in a module what MicroPython lacks or does differently without saying so.

The list is from 88 probes of the unix port 1.29 (firmware notes, §1.2): mpy-cross refuses most
wrong syntax, so what is here is what compiles and fails later, or only on a board.
"""

import ast
from collections.abc import Iterator

ALLOCATION_MAX_BYTES = 1024  # 4 KiB failed by fragmentation in a 36 KB heap
CORE_IMPORTS = {"array", "binascii", "errno", "hashlib", "json", "struct"}
_ATTRIBUTES = {
    "add_note", "bit_length", "cast", "hexdigest", "isascii", "iter_unpack", "monotonic",
    "path", "perf_counter", "removeprefix", "removesuffix",
}  # fmt: skip
_ABSENT = {
    "__future__", "abc", "collections", "contextlib", "dataclasses", "datetime", "enum",
    "functools", "hmac", "itertools", "logging", "pathlib", "threading", "typing", "unittest",
}  # fmt: skip
_KEYWORDS = {"to_bytes": "signed", "from_bytes": "signed", "zip": "strict", "deque": "maxlen"}
_SYNTAX = (ast.Match, ast.TryStar)


def faults(source: str, *, is_core: bool) -> list[str]:
    """Return ``line: what`` of each fault."""
    tree = ast.parse(source)
    hidden = {id(node) for block in ast.walk(tree) if _is_never(block) for node in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        checks = [_general(node), _sizes(node)] + ([_core(node)] if is_core else [])
        found |= {(node.lineno, what) for check in checks for what in check}  # type: ignore[attr-defined]
    return [f"{line}: {what}" for line, what in sorted(found)]


def _is_never(node: ast.AST) -> bool:
    """Whether this is ``if False:``, which holds imports for the type checker."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and not node.test.value


def _general(node: ast.AST) -> Iterator[str]:
    yield from _flat(node)
    if isinstance(node, ast.Call):
        yield from _call(node)
    if isinstance(node, ast.FunctionDef):
        yield from _function(node)
    for name in _imported(node):
        if name.split(".")[0] in _ABSENT:
            yield f"import {name}"


def _flat(node: ast.AST) -> Iterator[str]:
    if isinstance(node, _SYNTAX):
        yield type(node).__name__
    if isinstance(node, ast.Attribute) and node.attr in _ATTRIBUTES:
        yield node.attr
    if isinstance(node, ast.ClassDef) and node.keywords:
        yield "class keyword"
    if isinstance(node, ast.Dict) and None in node.keys:
        yield "** in a dict"
    if isinstance(node, ast.Raise) and node.cause:
        yield "raise from"  # compiles, and prints a warning at each raise


def _call(node: ast.Call) -> Iterator[str]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if _KEYWORDS.get(name) in {keyword.arg for keyword in node.keywords}:
        yield f"{name}({_KEYWORDS[name]}=)"
    if name == "isinstance" and isinstance(node.args[1], ast.BinOp):
        yield "isinstance with |"


def _function(node: ast.FunctionDef) -> Iterator[str]:
    if node.args.posonlyargs:
        yield "positional-only"
    if node.name == "__init_subclass__":
        yield "__init_subclass__ is never called"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _core(node: ast.AST) -> Iterator[str]:
    """Core computes with integers (floats are single precision on ESP32) and touches nothing."""
    if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
        yield "float literal"
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        yield "true division"
    if isinstance(node, ast.Name) and node.id in {"float", "open", "print", "input", "eval"}:
        yield node.id
    for name in _imported(node):
        if name not in CORE_IMPORTS and not name.startswith("fieldnode.core"):
            yield f"core imports {name}"


def _sizes(node: ast.AST) -> Iterator[str]:
    size = 0
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes | str):
        size = len(node.value)
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"bytes", "bytearray"}:
        size = _number(node.args[0]) if node.args else 0
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        unit = node.left.value if isinstance(node.left, ast.Constant) else None
        size = len(unit) * _number(node.right) if isinstance(unit, bytes | str) else 0
        size = _number(node.right) * 4 if isinstance(node.left, ast.List) else size
    if size > ALLOCATION_MAX_BYTES:
        yield f"allocates {size} bytes"


def _number(node: ast.AST) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    return 0
