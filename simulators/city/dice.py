"""Randomness of whole arrays that depends on nothing but its numbers (see ``chance``)."""

import numpy as np
from numpy.typing import NDArray

from simulators.chance import mix

Words = NDArray[np.uint64]
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def stir(state: Words, part: NDArray[np.int64] | Words | int) -> Words:
    """Return 64 well-mixed bits of a state and a part, element by element (SplitMix64)."""
    added = np.asarray(part).astype(np.uint64)
    with np.errstate(over="ignore"):  # a product modulo 2⁶⁴ is what is wanted
        word = state + added * _STEP + _STEP
        word = (word ^ (word >> np.uint64(30))) * _FIRST
        word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


def keys(seed: int, kind: int, count: int) -> Words:
    """Return one key for each thing of a kind."""
    return stir(np.full(count, mix(seed, kind), dtype=np.uint64), np.arange(count, dtype=np.int64))


def units(words: Words) -> NDArray[np.float64]:
    """Return numbers in [0, 1) of mixed bits."""
    return (words >> np.uint64(11)).astype(np.float64) * (1.0 / (1 << 53))


def throw(words: Words, part: NDArray[np.int64] | Words | int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each key and part."""
    return units(stir(words, part))


def normal(words: Words, part: int) -> NDArray[np.float64]:
    """Return a standard normal number for each key (sum of twelve, tails end at 6)."""
    state = stir(words, part)
    return sum((throw(state, k) for k in range(12)), np.zeros(words.shape)) - 6.0
