"""Randomness that depends on nothing but its numbers, so that a seed names a whole city."""

_MASK = (1 << 64) - 1


def mix(*parts: int) -> int:
    """Return 64 well-mixed bits of ``parts`` (SplitMix64, Steele 2014)."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def unit(*parts: int) -> float:
    """Return a number in [0, 1) that ``parts`` decide."""
    return mix(*parts) / (1 << 64)


def between(low: float, high: float, *parts: int) -> float:
    """Return a number in [low, high) that ``parts`` decide."""
    return low + (high - low) * unit(*parts)
