"""Losses with a name: balance, what must be lost, what should not be, and who may hide it.

In order: ``metered`` → ``balance`` (with coverage) → ``fit`` on clean days → ``day_loss`` for each
day → ``cusum`` over all days since → ``suspects`` where it alarms. ``wiring`` warns of meters that
hang on another transformer. All are functions of columns: for late data, run the day again and
then ``cusum``. What is worth keeping is ``LossModel``, a ``DayLoss`` and a ``VoltageTally`` a day.
"""

from gateway.energy.loss.balance import Balance, Metered, balance, metered, usual_energy
from gateway.energy.loss.cusum import Course, alarm_sigmas, cusum, stacked
from gateway.energy.loss.doubt import clock_course, doubt_wh2
from gateway.energy.loss.model import DayLoss, LossModel, day_loss, fit
from gateway.energy.loss.moves import Move, Pull, moves
from gateway.energy.loss.nnls import nnls
from gateway.energy.loss.policy import LossPolicy
from gateway.energy.loss.suspects import (
    Signs,
    Suspect,
    Suspicion,
    noise_memory,
    suspects,
    tampered,
)
from gateway.energy.loss.wiring import Verdict, VoltageTally, joined, references, tally, verdict

__all__ = [
    "Balance",
    "Course",
    "DayLoss",
    "LossModel",
    "LossPolicy",
    "Metered",
    "Move",
    "Pull",
    "Signs",
    "Suspect",
    "Suspicion",
    "Verdict",
    "VoltageTally",
    "alarm_sigmas",
    "balance",
    "clock_course",
    "cusum",
    "day_loss",
    "doubt_wh2",
    "fit",
    "joined",
    "metered",
    "moves",
    "nnls",
    "noise_memory",
    "references",
    "stacked",
    "suspects",
    "tally",
    "tampered",
    "usual_energy",
    "verdict",
]
