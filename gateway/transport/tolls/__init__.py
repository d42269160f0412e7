"""Toll lanes: how many pay by tag, how well tags are read, which lane or reader is down."""

from gateway.transport.tolls.figures import Figures, Periods, Silence, figures, silences
from gateway.transport.tolls.passages import Lanes, Outcome, Passages, is_repeated, passages
from gateway.transport.tolls.policy import TollPolicy
from gateway.transport.tolls.readers import ReaderChange, ReaderState, watch_readers

__all__ = [
    "Figures",
    "Lanes",
    "Outcome",
    "Passages",
    "Periods",
    "ReaderChange",
    "ReaderState",
    "Silence",
    "TollPolicy",
    "figures",
    "is_repeated",
    "passages",
    "silences",
    "watch_readers",
]
