"""Load of transformers and feeders against their ratings, and what would help.

A day's ``tally`` is kept, ``joined`` adds days up, ``profile`` gives loading, duration, load
factor, imbalance, power factor and reverse flow, ``advise`` ranks what to do, with the numbers
that say so. For late data, tally that day again.
"""

from gateway.energy.load.advice import Advice, advise
from gateway.energy.load.policy import LoadPolicy
from gateway.energy.load.profile import Profile, profile
from gateway.energy.load.tally import (
    BIN_PU,
    BINS,
    VOLT_BINS,
    Course,
    Overload,
    Tally,
    apparent_va,
    course_of,
    joined,
    overloads,
    tally,
    voltage_counts,
)

__all__ = [
    "BINS",
    "BIN_PU",
    "VOLT_BINS",
    "Advice",
    "Course",
    "LoadPolicy",
    "Overload",
    "Profile",
    "Tally",
    "advise",
    "apparent_va",
    "course_of",
    "joined",
    "overloads",
    "profile",
    "tally",
    "voltage_counts",
]
