"""What an alert is, before it is YAML."""

from dataclasses import dataclass
from typing import Literal

from dashboards.query import Ask
from dashboards.spec import Text


@dataclass(frozen=True)
class Alert:
    """One rule: a question without variables, and which answers need somebody.

    Attributes:
        key: unique, and part of its uid.
        ask: one number for each group.
        window_s: how far it looks back.
        beyond: fires above the second or below the first; None: no such bound.
        lasting_s: for so long, before it fires.
        no_data: what silence means.
        severity: ``warning``, ``serious`` or ``critical``, a label to route by.
        board, panel: where it is seen.
        runbook: what to do, as steps.
    """

    key: str
    title: Text
    ask: Ask
    window_s: int
    beyond: tuple[float | None, float | None]
    lasting_s: int
    severity: Literal["warning", "serious", "critical"]
    board: str
    panel: str
    runbook: Text
    no_data: Literal["OK", "Alerting"] = "OK"

    def fires(self, value: float) -> bool:
        """Return whether an answer is beyond the bounds."""
        low, high = self.beyond
        return (low is not None and value < low) or (high is not None and value > high)
