"""Puts modules of a program together into one: ``bundle(sources, root, apart)``.

On a board every imported module costs some hundred bytes of heap besides its content: its names
and path, its dict, its tables, and what it imports from others a second time. So an image has one
module of what always runs; what is loaded when it is wanted (``apart``) stays by itself.
"""

import ast
from collections.abc import Iterator

_UNDECIDED = "micropython"  # an ``if`` about the interpreter is decided here


def bundle(sources: "dict[str, str]", root: str, apart: "frozenset[str]") -> dict[str, str]:
    """Return the program with ``root`` and all that it imports as one module of that name.

    Raises:
        ValueError: a name means two things, and it is not plain which one where; or the bundle
            needs, to begin, a module apart that imports from it.
    """
    trees = {name: _tree(source) for name, source in sources.items()}
    order = list(dict.fromkeys(_closure(root, trees, apart)))
    bound: dict[str, object] = {}  # global of the bundle → what it is
    names: dict[tuple[str, str], str] = {}  # module and its global → global of the bundle
    for module in order:
        for name in _defined(trees[module]):
            names[module, name] = _free(name, bound, (module, name))
    body: list[ast.stmt] = []
    for module in order:
        body += _moved(module, trees[module], names, bound)
    outside = {name: source for name, source in sources.items() if name not in order}
    made = {name: _pointed(name, source, root, names) for name, source in outside.items()}
    early = {target for name in order for target in _imports(trees[name]) if target in outside}
    if circular := sorted(name for name in early if made[name] != outside[name]):
        raise ValueError(f"{circular[0]} imports from {root}, which imports it")
    made |= {name: "" for name in order if any(one.startswith(name + ".") for one in sources)}
    made[root] = ast.unparse(ast.fix_missing_locations(ast.Module(body, [])))
    return made


def _tree(source: str) -> ast.Module:
    tree = ast.parse(source)
    body: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Constant):
            continue  # if False: for the type checker
        if isinstance(node, ast.If) and _UNDECIDED in ast.unparse(node.test):
            body += node.body
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            body.append(node)
    tree.body = body
    return tree


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield what may be modules among what a module imports."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module or ""


def _pointed(module: str, source: str, root: str, names: "dict[tuple[str, str], str]") -> str:
    """Return a module that stays apart with its imports of what is in the bundle now.

    Raises:
        ValueError: it has a global of its own of such a name.
    """
    tree = _tree(source)
    aliases: dict[str, str] = {}
    wanted: dict[str, str] = {}  # name here → in the bundle
    body = [left for node in tree.body for left in _without(node, names, wanted, aliases)]
    if not wanted and not aliases:
        return source
    for use in ast.walk(tree):
        if isinstance(use, ast.Attribute) and getattr(use.value, "id", "") in aliases:
            name = names[aliases[getattr(use.value, "id", "")], use.attr]
            wanted[name] = name
    if hidden := sorted({*_defined(tree)} & wanted.keys()):
        raise ValueError(f"{module}: {hidden[0]} means two things")
    pairs = [ast.alias(new, old if old != new else None) for old, new in wanted.items()]
    body.insert(0, ast.ImportFrom(root, pairs, 0))
    moved = [_Mover({}, aliases, names).visit(node) for node in body]
    return ast.unparse(ast.fix_missing_locations(ast.Module(moved, [])))


def _without(
    node: ast.stmt,
    names: "dict[tuple[str, str], str]",
    wanted: "dict[str, str]",
    aliases: "dict[str, str]",
) -> list[ast.stmt]:
    """Note what a statement imports that is in the bundle; return what is left of it."""
    if not isinstance(node, ast.ImportFrom):
        return [node]
    inside = {of for of, _ in names}
    left = []
    for alias in node.names:
        name, of = alias.asname or alias.name, node.module or ""
        if (of, alias.name) in names:
            wanted[name] = names[of, alias.name]
        elif f"{of}.{alias.name}" in inside:
            aliases[name] = f"{of}.{alias.name}"
        else:
            left.append(alias)
    return [ast.ImportFrom(node.module, left, 0)] if left else []


def _closure(module: str, trees: "dict[str, ast.Module]", apart: "frozenset[str]") -> Iterator[str]:
    """Yield what a module imports of the program, first what has to be there first, and itself."""
    for name in _imports(trees[module]):
        if name in trees and name not in apart:
            yield from _closure(name, trees, apart)
    yield module


def _defined(tree: ast.Module) -> list[str]:
    """Return the globals that a module makes itself."""
    names = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names += [
                one.id
                for one in ast.walk(node)
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
            ]
    return names


def _free(name: str, bound: "dict[str, object]", meaning: object) -> str:
    while bound.setdefault(name, meaning) != meaning:
        name += "_"
    return name


def _moved(
    module: str,
    tree: ast.Module,
    names: "dict[tuple[str, str], str]",
    bound: "dict[str, object]",
) -> list[ast.stmt]:
    """Return the statements of a module as they are in the bundle."""
    renamed = {name: new for (of, name), new in names.items() if of == module}
    aliases: dict[str, str] = {}
    body: list[ast.stmt] = []
    inside = {of for of, _ in names}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            body += _imported(node, inside, names, bound, renamed, aliases)
        elif "__all__" not in _defined(ast.Module([node], [])):
            body.append(node)
    for name, new in renamed.items():
        names.setdefault((module, name), new)  # what it imports, others may import from it
    mover = _Mover(renamed, aliases, names)
    changed = {old for old, new in renamed.items() if old != new}
    for node in body:
        _check_hidden(module, node, changed | aliases.keys())
    return [mover.visit(node) for node in body]


def _imported(
    node: "ast.Import | ast.ImportFrom",
    inside: "set[str]",
    names: "dict[tuple[str, str], str]",
    bound: "dict[str, object]",
    renamed: "dict[str, str]",
    aliases: "dict[str, str]",
) -> list[ast.stmt]:
    """Note what an import binds; return what is left of it."""
    source = node.module if isinstance(node, ast.ImportFrom) else None
    left: list[ast.stmt] = []
    for alias in node.names:
        name = alias.asname or alias.name
        if source and (source, alias.name) in names:
            renamed[name] = names[source, alias.name]
        elif source and f"{source}.{alias.name}" in inside:
            aliases[name] = f"{source}.{alias.name}"
        else:
            meaning = (source, alias.name)
            is_new = name not in bound
            new = renamed[name] = _free(name, bound, meaning)
            one = ast.alias(alias.name, new if new != alias.name else None)
            made = ast.ImportFrom(source, [one], 0) if source else ast.Import([one])
            left += [made] if is_new or new != name else []
    return left


def _check_hidden(module: str, top: ast.stmt, names: "set[str]") -> None:
    """Refuse a function's own variable that has the name of something that is renamed."""
    for function in ast.walk(top):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            own = node.arg if isinstance(node, ast.arg) else ""
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own = node.id
            if own in names:
                raise ValueError(f"{module}: {own} is a variable and a global")


class _Mover(ast.NodeTransformer):
    """Renames the globals of one module."""

    def __init__(
        self,
        renamed: "dict[str, str]",
        aliases: "dict[str, str]",
        names: "dict[tuple[str, str], str]",
    ) -> None:
        self._renamed = renamed
        self._aliases = aliases
        self._names = names
        self._depth = 0

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._renamed.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id in self._aliases:
            name = self._names[self._aliases[node.value.id], node.attr]
            return ast.copy_location(ast.Name(name, node.ctx), node)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._define(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        self._define(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self._define(node)
        return node

    def _define(self, node: "ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef") -> None:
        if not self._depth:
            node.name = self._renamed.get(node.name, node.name)
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
