"""Puts constants where they are used: ``inline(sources)`` (see shrink.py).

Constants are globals in capitals that are assigned once: integers, short texts and bytes.
"""

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from firmware.tools.program import Module

_LITERAL_BYTES_MAX = 64
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}

Literal = int | str | bytes


def inline(sources: "dict[str, str]", kept: "frozenset[str]") -> dict[str, str]:
    """Return the modules without their constants; those in ``kept`` keep theirs."""
    modules = {name: Module(name, source) for name, source in sources.items()}
    _find_constants(modules, kept)
    for module in modules.values():
        _inline(module, modules)
    return {name: module.text() for name, module in modules.items()}


def _find_constants(modules: "dict[str, Module]", kept: "frozenset[str]") -> None:
    """Learn what every module's constants are; one may be made of another's."""
    before, total = -1, 0
    while before != total:
        before = total
        for module in modules.values():
            _learn_imports(module, modules)
            if module.name not in kept:
                _learn_own(module)
        total = sum(len(module.known) for module in modules.values())


def _learn_imports(module: Module, modules: "dict[str, Module]") -> None:
    imports = [node for node in module.nodes if isinstance(node, ast.ImportFrom)]
    for of, alias in [(node.module or "", alias) for node in imports for alias in node.names]:
        name = alias.asname or alias.name
        if f"{of}.{alias.name}" in modules:
            module.modules[name] = f"{of}.{alias.name}"
        elif of in modules and alias.name in modules[of].constants:
            module.known[name] = modules[of].constants[alias.name]


def _learn_own(module: Module) -> None:
    stores = Counter(
        node.id for node in module.nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )  # fmt: skip
    for statement in module.tree.body:
        pairs = _assigned(statement)
        found = {name: _fold(value, module.known) for name, value in pairs}
        if pairs and all(
            value is not None and stores[name] == 1 and _CONSTANT.fullmatch(name)
            for name, value in found.items()
        ):
            known = {name: value for name, value in found.items() if value is not None}
            module.constants |= known
            module.known |= known


def _assigned(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Return the names that a statement assigns and their values, where that is plain to see."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return []
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        names = [one.id for one in target.elts if isinstance(one, ast.Name)]
        if len(names) == len(target.elts) == len(value.elts):
            return list(zip(names, value.elts, strict=True))
    return []


def _fold(node: ast.expr, known: "dict[str, Literal]") -> "Literal | None":
    """Return the value of an expression of literals and constants, None where it is none."""
    value: Literal | None = None
    if isinstance(node, ast.Constant):
        is_literal = isinstance(node.value, int | str | bytes) and not isinstance(node.value, bool)
        value = node.value if is_literal else None  # type: ignore[assignment]
    elif isinstance(node, ast.Name):
        value = known.get(node.id)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _fold(node.operand, known)
        value = -number if isinstance(number, int) else None
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left, right = _fold(node.left, known), _fold(node.right, known)
        if isinstance(left, int) and isinstance(right, int):
            value = _OPERATIONS[type(node.op)](left, right)
    is_long = isinstance(value, str | bytes) and len(value) > _LITERAL_BYTES_MAX
    return None if is_long else value


def _literal(value: Literal) -> str:
    return f"({value})" if isinstance(value, int) and value < 0 else repr(value)


def _inline(module: Module, modules: "dict[str, Module]") -> None:
    gone: set[ast.AST] = set()
    for statement in module.tree.body:
        names = {name for name, _ in _assigned(statement)}
        if names and names <= set(module.constants):
            module.replace(statement, "pass")
            gone.update(ast.walk(statement))
    module.nodes = [node for node in module.nodes if node not in gone]
    for node in module.nodes:
        if isinstance(node, ast.Name) and node.id in module.known:
            module.replace(node, _literal(module.known[node.id]))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            source = modules.get(module.modules.get(node.value.id, ""))
            if source and node.attr in source.constants:
                module.replace(node, _literal(source.constants[node.attr]))
        elif isinstance(node, ast.ImportFrom):
            _trim_import(module, node)


def _trim_import(module: Module, node: ast.ImportFrom) -> None:
    left = [alias for alias in node.names if (alias.asname or alias.name) not in module.known]
    if len(left) < len(node.names):
        names = ", ".join(f"{one.name} as {one.asname}" if one.asname else one.name for one in left)
        module.replace(node, f"from {node.module} import {names}" if left else "pass")
