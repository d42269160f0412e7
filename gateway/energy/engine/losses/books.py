"""Balances of days and models of places as memos; rows go by name, not by number."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.columns import pack_columns, unpack_columns
from gateway.energy import loss
from gateway.energy.engine.days.halfhours import SLOTS
from gateway.model import FloatArray, IntArray

NOT_YET = 1 << 40


class Models(NamedTuple):
    """What places lose by nature, row by row."""

    model: loss.LossModel
    stop_day: IntArray  # the day behind those it was fitted on; NOT_YET
    memory: FloatArray  # of ``loss.noise_memory``

    @classmethod
    def nothing(cls, nodes: int) -> "Models":
        """Return models that are still to be made."""
        unknown = np.full(nodes, np.nan)
        model = loss.LossModel(
            np.full((nodes, 3), np.nan),
            unknown,
            np.zeros(nodes),
            unknown.copy(),
            np.zeros(nodes, np.bool_),
        )
        return cls(model, np.full(nodes, NOT_YET, np.int64), np.zeros(nodes))


def pack_balance(of_day: loss.Balance, names: Sequence[str]) -> bytes:
    """Return a day's balance as bytes."""
    columns = {"in": of_day.in_wh, "out": of_day.out_wh}
    columns |= {"coverage": of_day.coverage, "measured": of_day.measured}
    return pack_columns(columns, names=list(names))


def places_of(data: bytes) -> list[str]:
    """Return the places that a day's balance is of."""
    return list(unpack_columns(data)[1]["names"])


def unpack_balance(data: bytes, names: Sequence[str]) -> loss.Balance:
    """Return a day's balance in the order of ``names``."""
    columns, told = unpack_columns(data)
    blank = {"in": np.nan, "out": 0.0, "coverage": 0.0, "measured": 0.0}
    ends, out, coverage, measured = (
        by_name(columns[key], told["names"], np.full((len(names), SLOTS), fill), names)
        for key, fill in blank.items()
    )
    return loss.Balance(ends, out, coverage, measured, SLOTS)


def pack_models(models: Models, names: Sequence[str]) -> bytes:
    """Return models as bytes."""
    columns: dict[str, NDArray[Any]] = dict(models.model._asdict())
    columns |= {"stop_day": models.stop_day, "memory": models.memory}
    return pack_columns(columns, names=list(names))


def unpack_models(
    data: bytes, names: Sequence[str], without: frozenset[str] = frozenset()
) -> Models:
    """Return models in the order of ``names``; of some none, that they are made again."""
    columns, told = unpack_columns(data)
    blank = Models.nothing(len(names))
    kept = [name if name not in without else "" for name in told["names"]]
    for name, column in blank.model._asdict().items():
        by_name(columns[name], kept, column, names)
    by_name(columns["stop_day"], kept, blank.stop_day, names)
    by_name(columns["memory"], kept, blank.memory, names)
    return blank


def by_name(
    column: NDArray[Any], told: Sequence[str], into: NDArray[Any], names: Sequence[str]
) -> NDArray[Any]:
    """Put rows of an earlier life where they belong now; return ``into``."""
    today = {name: place for place, name in enumerate(names)}
    for row, name in enumerate(told):
        if name in today:
            into[today[name]] = column[row]
    return into


def joined(days: Sequence[loss.Balance]) -> loss.Balance:
    """Return days side by side."""
    return loss.Balance(
        np.concatenate([day.in_wh for day in days], axis=1),
        np.concatenate([day.out_wh for day in days], axis=1),
        np.concatenate([day.coverage for day in days], axis=1),
        np.concatenate([day.measured for day in days], axis=1),
        SLOTS,
    )
