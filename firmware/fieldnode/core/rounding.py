"""Rounding of integers: floats are banned in the core."""


def rounded(total: int, count: int) -> int:
    """Return the quotient, rounded half away from zero, without a float."""
    half = count // 2
    return (total + half) // count if total >= 0 else -((half - total) // count)
