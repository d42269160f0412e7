"""Columns as bytes: what memos and the states of engines are made of."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

State = TypeVar("State")


def pack_columns(columns: Mapping[str, NDArray[Any]], **more: object) -> bytes:
    """Return columns and a few plain values as bytes."""
    raw = {name: (one.dtype.str, one.shape, one.tobytes()) for name, one in columns.items()}
    return msgspec.msgpack.encode({"columns": raw, **more})


def unpack_columns(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return columns, writable, and the plain values."""
    body = msgspec.msgpack.decode(data)
    columns = {
        name: np.frombuffer(raw, np.dtype(kind)).reshape(shape).copy()
        for name, (kind, shape, raw) in body["columns"].items()
    }
    return columns, body


def to_bytes(state: object) -> bytes:
    """Return a tree of named tuples, dicts, lists, numbers and arrays as bytes."""
    return msgspec.msgpack.encode(state, enc_hook=_to_plain)


def from_bytes(data: bytes, kind: type[State]) -> State | None:
    """Return such a tree, None where the bytes are of another shape; arrays are writable."""
    try:
        return msgspec.msgpack.decode(data, type=kind, dec_hook=_to_array)
    except (msgspec.DecodeError, ValueError, TypeError):
        return None


def _to_plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value)} cannot be kept")


def _to_array(_kind: type, value: Any) -> object:  # noqa: ANN401  # as msgspec found it
    name, shape, data = value
    return np.frombuffer(data, np.dtype(name)).reshape(shape).copy()
