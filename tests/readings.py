"""Builds the batches that decoders hand on, a reading at a time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.model import DecodedBatch, IntArray, ReadingBatch
from gateway.profiles import load_profiles

PROFILES = load_profiles()
T0_MS = 1_795_300_200_000
NAN = float("nan")


class Given(NamedTuple):
    """A reading as a test gives it; the rest is ordinary."""

    values: Sequence[float]
    time_ms: int = T0_MS
    age_ms: int = 0
    device: int = 0
    seq: int = 0
    boot: int = -1
    status: int = 0
    is_backlog: bool = False
    is_registered: bool = True
    is_stamped: bool = False
    max_age_ms: int = 0


def decoded(profile: str, *given: Given) -> DecodedBatch:
    def column(values: Sequence[int]) -> IntArray:
        return np.array(values, np.int64)

    zeros = column([0] * len(given))
    readings = ReadingBatch(
        profile,
        column([g.device for g in given]),
        zeros.copy(),
        column([g.seq for g in given]),
        column([g.time_ms for g in given]),
        column([g.time_ms + g.age_ms for g in given]),
        np.array([g.values for g in given], np.float64),
        column([g.status for g in given]),
        zeros.copy(),
        zeros.copy(),
        np.arange(1, len(given) + 1),
    )
    return DecodedBatch(
        readings,
        column([g.boot for g in given]),
        np.array([g.is_backlog for g in given]),
        np.array([g.is_registered for g in given]),
        np.array([g.is_stamped for g in given]),
        column([g.max_age_ms for g in given]),
    )
