"""Columns as bytes, by name: what memos are made of."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray


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
