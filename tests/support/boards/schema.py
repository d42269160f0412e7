"""Whether a board is in Grafana's own shape, strictly: no unknown key, right types, known words.

Grafana's SDK is generated from Grafana's schema. It reads leniently: a key that it does not know it
drops, a value of another type it keeps. So what is dropped is looked for by writing the board
again, and what is kept is compared with the types that the SDK declares.
"""

import enum
import json
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as model
from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

Path = tuple[Any, ...]
_OWN = "grafana_foundation_sdk.models"
# Whole numbers by the schema, but Grafana's map has always saved, and reads, degrees.
_DEGREES = frozenset({"lat", "lon"})


def shape_faults(board: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not in the schema, or of another type than there."""
    register_default_plugins()
    try:
        read = model.Dashboard.from_json(board)  # type: ignore[arg-type]  # it wants a dict
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"cannot be read: {error!r}"
        return
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    for path, value in leaves(board):
        # the model knows targets of Grafana's own annotations only
        is_ours = path[:2] == ("annotations", "list") and "target" in path
        if not is_ours and at(again, path) != value:
            yield f"not in the schema: {path} = {value!r}"
    yield from _type_faults(read, "")


def leaves(node: Any, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every plain value of a document and where it is; an empty part is a value, too."""
    parts = node.items() if isinstance(node, Mapping) else enumerate(node)
    found = False
    for key, value in parts:
        found = True
        if isinstance(value, Mapping | list):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value
    if not found:
        yield path, node


def at(node: Any, path: Path) -> object:
    """Return the value there; where there is none something that nothing equals."""
    for step in path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return KeyError
    return node


def _type_faults(value: Any, path: str) -> Iterator[str]:
    """Yield values of an object of the SDK, and of those within, that are of other types."""
    if isinstance(value, list | dict):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _type_faults(part, f"{path}[{key}]")
    elif type(value).__module__.startswith(_OWN) and not isinstance(value, enum.Enum):
        kind: Any = type(value)
        for name, hint in _hints(kind).items():
            part = getattr(value, name)
            unread = _unread(part, hint)
            if unread is not None:
                yield from _lost(part, unread, f"{path}.{name}")
                part = unread
            if not _fits(part, float if name in _DEGREES else hint):
                yield f"wrong type: {path}.{name} = {part!r}, not {hint}"
            yield from _type_faults(part, f"{path}.{name}")


def _unread(value: Any, hint: Any) -> list[Any] | None:
    """Return what the SDK should have made of plain dictionaries that it left as they are."""
    if not (isinstance(value, list) and value and isinstance(value[0], dict)):
        return None
    for choice in typing.get_args(hint) or (hint,):
        kinds = typing.get_args(choice)
        if kinds and getattr(kinds[0], "__module__", "").startswith(_OWN):
            return [kinds[0].from_json(one) for one in value]
    return None


def _lost(value: Any, read: list[Any], path: str) -> Iterator[str]:
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    for where, leaf in leaves(value):
        if at(again, where) != leaf:
            yield f"not in the schema: {path}{where} = {leaf!r}"


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    if value is None or isinstance(value, enum.Enum):
        return True
    for choice in typing.get_args(hint) or (hint,):
        if isinstance(choice, type) and issubclass(choice, enum.Enum):
            return value in {one.value for one in choice}  # read as the plain value
    try:
        check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError:
        return False
    return True
