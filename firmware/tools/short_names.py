"""Names that cost nothing for what only a program itself reads (shrink.py).

The .mpy format counts on names that every MicroPython has in its flash; any other is an entry in a
table of the heap. Attributes, globals and arguments never meet, so each kind takes its names from
these few: a class may have an attribute ``append``, a function an argument ``len`` that it does
not call.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Any

from firmware.tools.program import Module

# Of the "static qstrs" of the .mpy format, version 6 (docs.micropython.org, "MicroPython .mpy
# files"), those that are names of nothing special.
FREE = (
    *("end", "key", "value", "index", "start", "stop", "step", "count", "next", "items", "keys"),
    *("values", "sep", "args", "little", "find", "rfind", "rindex", "format", "join", "split"),
    *("rsplit", "strip", "lstrip", "rstrip", "lower", "upper", "islower", "isupper", "isalpha"),
    *("isdigit", "isspace", "startswith", "endswith", "replace", "append", "extend", "insert"),
    *("remove", "pop", "popitem", "clear", "copy", "sort", "reverse", "setdefault", "update"),
    *("get", "set", "send", "throw", "open", "close", "read", "write", "readinto", "readline"),
    *("abs", "all", "any", "bool", "builtins", "bytearray", "bytecode", "bytes", "callable"),
    *("chr", "classmethod", "const", "dict", "dir", "divmod", "eval", "exec", "from_bytes"),
    *("getattr", "globals", "hasattr", "hash", "id", "int", "isinstance", "issubclass"),
    *("iter", "len", "list", "locals", "main", "map", "micropython", "object", "ord", "pow"),
    *("print", "range", "repr", "round", "setattr", "sorted", "staticmethod", "str", "sum"),
    *("super", "to_bytes", "tuple", "type", "zip"),
)

# What an object of ours and one of the TLS library have alike (hal/link_mp.py).
FOREIGN = frozenset({"psk_identity", "psk_key"})

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def rename(sources: "dict[str, str]", users: "list[str]") -> dict[str, str]:
    """Rename what is reached only by ``self``, globals that nobody imports, and arguments.

    ``users`` are sources outside of the program that use some of its names.
    """
    modules = [Module(name, source) for name, source in sources.items()]
    outside = [node for user in users for node in ast.walk(ast.parse(user))]
    _rename_public(modules, outside)
    modules = [Module(module.name, module.text()) for module in modules]
    everything = [node for module in modules for node in module.nodes] + outside
    _rename_attributes(modules, _foreign(everything), _stored(everything))
    keywords = {node.arg or "" for node in everything if isinstance(node, ast.keyword)}
    for module in modules:
        for function in _outermost(module.tree):
            _rename_arguments(module, function, keywords)
    modules = [Module(module.name, module.text()) for module in modules]
    everything = [node for module in modules for node in module.nodes] + outside
    read = {node.attr for node in everything if isinstance(node, ast.Attribute)}
    imports = [node for node in everything if isinstance(node, ast.ImportFrom)]
    read |= {alias.name for node in imports for alias in node.names} | _strings(everything)
    for module in modules:
        _rename_globals(module, read)
    return {module.name: module.text() for module in modules}


def _strings(nodes: "list[ast.AST]") -> "set[str]":
    """Return texts: a name in one may be asked for by it."""
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return {value for value in values if isinstance(value, str)}


# Attributes. ---------------------------------------------------------------------------------


def _is_own(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self"


def _foreign(nodes: "list[ast.AST]") -> "set[str]":
    """Return the names that are reached in another way than by ``self``."""
    found = {node.attr for node in nodes if isinstance(node, ast.Attribute) and not _is_own(node)}
    return found | _strings(nodes)


def _rename_public(modules: "list[Module]", outside: "list[ast.AST]") -> None:
    """Rename what others reach of our objects, where the name says that it is none of Python's.

    Those are names of several words that a class of ours defines, unless a module that is not ours
    has one of that name, too, or the TLS library (FOREIGN).
    """
    everything = [node for module in modules for node in module.nodes] + outside
    tops = [node for module in modules for node in module.nodes if isinstance(node, ast.ClassDef)]
    uses = [use for module in modules for top in module.nodes if isinstance(top, ast.ClassDef)
            for use in _own_uses(module, top)]  # fmt: skip
    defined = {name for *_, name in uses if "_" in name.strip("_") and not name.startswith("_")}
    kept = FOREIGN | _strings(everything) | {node.name for node in tops}
    kept |= {node.arg or "" for node in everything if isinstance(node, ast.keyword)}
    kept |= {node.attr for node in outside if isinstance(node, ast.Attribute)}
    for module in modules:
        kept |= _of_modules(module)
    attributes = [node.attr for node in everything if isinstance(node, ast.Attribute)]
    counts = Counter(name for name in attributes if name in defined - kept)
    taken = {*attributes, *(name for *_, name in uses)} | kept
    free = [name for name in FREE if name not in taken]
    short = dict(zip([name for name, _ in counts.most_common()], free, strict=False))
    for module, line, start, name in uses:
        if name in short:
            module.rename(line, start, name, short[name])
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and node.attr in short:
                end: Any = node.end_col_offset
                line = node.end_lineno or 0
                module.rename(line, end - len(node.attr), node.attr, short[node.attr])


def _of_modules(module: Module) -> "set[str]":
    """Return the names that are reached by the name of something imported."""
    imports = [node for node in module.nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    bound = {alias.asname or alias.name for node in imports for alias in node.names}
    attributes = [node for node in module.nodes if isinstance(node, ast.Attribute)]
    return {node.attr for node in attributes if getattr(node.value, "id", "") in bound}


def _stored(nodes: "list[ast.AST]") -> "set[str]":
    """Return the names that are assigned in another way than by ``self``."""
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and not _is_own(node)]
    return {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}


def _base_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _families(modules: "list[Module]") -> Iterator[list[tuple[Module, ast.ClassDef]]]:
    """Yield the classes that inherit from each other, together."""
    family: dict[str, str] = {}

    def head(name: str) -> str:
        while family.setdefault(name, name) != name:
            name = family[name]
        return name

    found = [
        (module, node)
        for module in modules
        for node in module.nodes
        if isinstance(node, ast.ClassDef)
    ]
    for _, node in found:
        for base in node.bases:
            family[head(_base_name(base))] = head(node.name)
    for name in sorted({head(node.name) for _, node in found}):
        yield [(module, node) for module, node in found if head(node.name) == name]


def _rename_attributes(modules: "list[Module]", foreign: "set[str]", stored: "set[str]") -> None:
    """``stored``: names that somebody else gives an object."""
    for family in _families(modules):
        names = {node.name for _, node in family}
        bases = {_base_name(base) for _, node in family for base in node.bases}
        if not bases <= names:
            continue  # a base of somebody else has names of its own
        uses = [use for module, top in family for use in _own_uses(module, top)]
        counts = Counter(
            name for *_, name in uses if name not in foreign and not name.startswith("__")
        )
        taken = {name for *_, name in uses} - counts.keys() | stored
        taken |= {one.id for _, top in family for one in ast.walk(top) if isinstance(one, ast.Name)}
        free = [name for name in FREE if name not in taken]
        short = dict(zip([name for name, _ in counts.most_common()], free, strict=False))
        for module, line, start, name in uses:
            if name in short:
                module.rename(line, start, name, short[name])


def _own_uses(module: Module, top: ast.ClassDef) -> Iterator[tuple[Module, int, int, str]]:
    """Yield where a class names attributes and methods of its own."""
    for node in ast.walk(top):
        if isinstance(node, ast.Attribute) and _is_own(node):
            end: Any = node.end_col_offset
            yield module, node.end_lineno or 0, end - len(node.attr), node.attr
    for statement in top.body:
        if isinstance(statement, Definition):
            yield module, statement.lineno, _name_at(statement), statement.name
    targets = [one for node in top.body if isinstance(node, ast.Assign) for one in node.targets]
    for target in targets:
        if isinstance(target, ast.Name):
            yield module, target.lineno, target.col_offset, target.id


def _name_at(node: Definition) -> int:
    words = {ast.FunctionDef: "def ", ast.AsyncFunctionDef: "async def ", ast.ClassDef: "class "}
    return node.col_offset + len(words[type(node)])


# Globals. ------------------------------------------------------------------------------------


def _rename_globals(module: Module, read: "set[str]") -> None:
    """Name globals as above, and when that is used up like attributes that are there anyway."""
    used = {node.id for node in module.nodes if isinstance(node, ast.Name)}
    used |= {node.arg for node in module.nodes if isinstance(node, ast.arg)}
    defined = {node.name: node for node in module.tree.body if isinstance(node, Definition)}
    used |= defined.keys()
    variables = [
        target.id
        for node in module.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in ast.walk(node)
        if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
    ]
    free = Counter(node.attr for node in module.nodes if isinstance(node, ast.Attribute))
    for name in used | {name for name in free if name.startswith("__")} | {*FREE}:
        del free[name]
    names = [name for name in [*defined, *variables] if name not in read]
    pool = [name for name in FREE if name not in used]
    pool += [name for name, _ in free.most_common()]
    short = dict(zip(names, pool, strict=False))
    for name, node in defined.items():
        if name in short:
            module.rename(node.lineno, _name_at(node), name, short[name])
    for node in module.nodes:
        if isinstance(node, ast.Name) and node.id in short:
            module.rename(node.lineno, node.col_offset, node.id, short[node.id])


# Arguments. ----------------------------------------------------------------------------------


def _outermost(tree: ast.AST) -> Iterator[Function]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node
        else:
            yield from _outermost(node)


def _arguments(nodes: "list[ast.AST]") -> "dict[str, None]":
    return dict.fromkeys(node.arg for node in nodes if isinstance(node, ast.arg))


def _rename_arguments(module: Module, function: Function, keywords: "set[str]") -> None:
    nodes = list(ast.walk(function))
    taken = {"self"} | keywords
    taken |= {node.id for node in nodes if isinstance(node, ast.Name)} - _arguments(nodes).keys()
    taken |= {getattr(node, "name", "") for node in module.tree.body}
    for one in nodes:
        if isinstance(one, Function):  # defaults are of the world outside
            outside = [*one.args.defaults, *filter(None, one.args.kw_defaults)]
            inside = [name for value in outside for name in ast.walk(value)]
            taken |= {name.id for name in inside if isinstance(name, ast.Name)}
    names = [name for name in _arguments(nodes) if name not in taken]
    free = [name for name in FREE if name not in taken]
    short = dict(zip(names, free, strict=False))
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in short:
            module.rename(node.lineno, node.col_offset, node.id, short[node.id])
        elif isinstance(node, ast.arg) and node.arg in short:
            module.rename(node.lineno, node.col_offset, node.arg, short[node.arg])
