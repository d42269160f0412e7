"""Readings as Parquet, where pyarrow is installed (extra ``[parquet]``)."""

import importlib
import importlib.util
import io
from http import HTTPStatus
from typing import Any

import numpy as np

from gateway.api.documents import ProblemError
from gateway.api.table import BEFORE, Table
from gateway.views.engineering import engineer


def to_parquet(table: Table) -> bytes:
    """Return a Parquet file with typed columns; units are in the metadata of the columns.

    Raises:
        ProblemError: 501 where pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        detail = "Parquet needs pyarrow on the gateway: pip install 'infragate[parquet]'"
        raise ProblemError(HTTPStatus.NOT_IMPLEMENTED, detail, "format")
    # only when somebody asks: it costs 70 MB of memory, a quarter of a small Pi
    pa: Any = importlib.import_module("pyarrow")
    fixed: dict[str, tuple[Any, Any]] = {
        "time": (pa.timestamp("ms", tz="UTC"), table.batch.time_ms),
        "received": (pa.timestamp("ms", tz="UTC"), table.batch.received_ms),
        "device": (pa.string(), None),
        "reasons": (pa.list_(pa.string()), None),
    }
    own = dict(zip(table.names[len(BEFORE) :], enumerate(table.profile.columns), strict=False))
    arrays, fields = [], []
    for name, cells in zip(table.names, table.columns, strict=True):
        metadata = None
        if name in own:
            place, column = own[name]
            shown = engineer(column, table.batch.values[:, place])
            # always float64: a type that hangs on the rows would differ from page to page
            array = pa.array(shown, mask=np.isnan(shown))
            metadata = {"unit": column.unit}
        else:
            kind, values = fixed.get(name, (pa.int64(), None))
            array = pa.array(cells if values is None else values, type=kind)
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata=metadata))
    out = io.BytesIO()
    whole = pa.table(arrays, schema=pa.schema(fields))
    importlib.import_module("pyarrow.parquet").write_table(whole, out)
    return out.getvalue()
