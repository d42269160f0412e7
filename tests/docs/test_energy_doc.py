"""The rules in words are those of the catalogue."""

from pathlib import Path

from gateway.energy.vee.catalogue import RULES
from gateway.model import Reason

TEXT = (Path(__file__).parents[2] / "docs" / "energy.md").read_text("utf-8")


def test_all_twenty_rules_are_told() -> None:
    assert [rule.number for rule in RULES] == [f"V{number:02d}" for number in range(1, 21)]
    assert [rule.reason for rule in RULES] == [Reason(1 << bit) for bit in range(20)]
    told = [line for line in TEXT.splitlines() if line.startswith("| V")]
    assert told == [
        f"| {rule.number} | {rule.title} | {rule.severity.replace('_', ' ')} |" for rule in RULES
    ]
