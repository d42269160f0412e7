"""Makes a program small for a board without changing what it does.

Imported code costs a board's heap even where bytecode stays in flash: each distinct identifier is
an entry in a table that grows by doubling and never shrinks, each function an object, each global
a slot in a dict, each module all of these. So, in this order and over the whole program: constants
go where they are used (constants.py), functions that nobody names go away, what always runs
becomes one module (bundle.py), what only the program itself reads gets a name that costs nothing
(short_names.py), and classes forget two entries of theirs that nobody reads. What is tested is what
comes out of here, not what went in.
"""

import ast
from collections.abc import Iterator

from firmware.tools import bundle, constants, short_names
from firmware.tools.program import Module

DATA = frozenset({"fieldnode.built"})  # others read its constants


def shrink(
    sources: "dict[str, str]", root: str, apart: "frozenset[str]", users: "list[str]"
) -> dict[str, str]:
    """Return the program as few modules.

    Args:
        sources: module → source.
        root: module that all goes into that always runs.
        apart: modules that are loaded by name when they are wanted, or read from outside.
        users: sources outside of the program that use some of its names.
    """
    done = constants.inline(sources, DATA)
    done = bundle.bundle(done, root, apart)
    done = prune(done, users)
    done = short_names.rename(done, users)
    return {name: forget(source) for name, source in done.items()}


def forget(source: str) -> str:
    """Return a module whose classes begin with the removal of what every class is given.

    Their slots in the class's table, 16 bytes, are then those of its first two methods.
    """
    module = Module("", source)
    for node in module.nodes:
        if isinstance(node, ast.ClassDef):
            first = node.body[0]
            line = min(
                [first.lineno, *(one.lineno for one in getattr(first, "decorator_list", []))]
            )
            module.insert(line, first.col_offset, "del __module__, __qualname__")
    return module.text()


def prune(sources: "dict[str, str]", users: "list[str]") -> dict[str, str]:
    """Return the program without functions and methods whose name nobody mentions."""
    outside = {name for user in users for name in _mentioned(list(ast.walk(ast.parse(user))))}
    modules = [Module(name, source) for name, source in sources.items()]
    is_shorter = True
    while is_shorter:
        named = outside.union(*(_mentioned(module.nodes) for module in modules))
        for module in modules:
            for node in _unnamed(module.tree, named):
                module.replace(node, "pass")
        is_shorter = any(module.edits for module in modules)
        modules = [Module(one.name, one.text()) if one.edits else one for one in modules]
    return {module.name: module.source for module in modules}


def _unnamed(top: ast.AST, named: "set[str]") -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(top):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and not node.name.startswith("__") and node.name not in named:
            yield node
        else:
            yield from _unnamed(node, named)


def _mentioned(nodes: "list[ast.AST]") -> "set[str]":
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found
