"""What rooms of the engine ask of earlier findings; ``store.derived.DerivedReader`` answers."""

from collections.abc import Sequence
from typing import Protocol

from gateway.ports import Memo, Result


class RecallsMemos(Protocol):
    """What days left behind for others."""

    def memos(self, domain: str, name: str, first: int, stop: int) -> Sequence[Memo]:
        """Return memos by number."""


class RecallsResults(Protocol):
    """What was told."""

    def results(
        self, domain: str, asked: Result, limit: int, after: tuple[int, str] = ...
    ) -> Sequence[Result]:
        """Return lines of a series that begin within a time."""
