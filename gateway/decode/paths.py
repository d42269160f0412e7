"""Paths into a JSON document: ``ENERGY.Power``, ``values[0].v``, ``[-1]``, ``["a.b"].c``.

A path that begins with ``$.`` starts at the whole message, also inside ``rows``. The empty path
is the document itself.
"""

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]

MISSING = object()  # not None: null is a value that a device may send

_STEP = re.compile(r'(?:^|(?<=.)\.)([^.\[\]"]+)|\[(-?\d{1,6})\]|\["([^"]*)"\]')


def parse_path(text: str) -> Path:
    """Return the steps of a path.

    Raises:
        ValueError: it cannot be read.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"path {text!r} cannot be read from {text[at:]!r} on")
        name, index, quoted = match.groups()
        steps.append(int(index) if index is not None else (name or quoted))
        at = match.end()
    return tuple(steps)


def find(node: object, path: Path) -> object:
    """Return what lies at a path, MISSING where there is nothing."""
    for step in path:
        if type(node) is dict:
            node = node.get(step, MISSING)
        elif type(node) is list and type(step) is int and -len(node) <= step < len(node):
            node = node[step]
        else:
            return MISSING
    return node


def leaves(node: object) -> Iterator[Path]:
    """Return the path of each value that is neither object nor array."""
    waiting: list[tuple[Path, object]] = [((), node)]
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, dict):
            waiting += [((*path, key), value) for key, value in found.items()]
        elif isinstance(found, list):
            waiting += [((*path, index), value) for index, value in enumerate(found)]
        else:
            yield path
