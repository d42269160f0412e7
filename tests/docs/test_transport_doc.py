"""What detector health may say is named in the words of docs/transport.md."""

from pathlib import Path

from gateway.transport.health import ALARM_KIND, SEVERITY, Fault
from simulators.score.source import ALARMS

TEXT = (Path(__file__).parents[2] / "docs" / "transport.md").read_text("utf-8")


def test_every_alarm_of_a_detector_is_told_with_its_severity() -> None:
    told = {
        line.split("`")[1]: int(line.rstrip(" |").rpartition("|")[2])
        for line in TEXT.splitlines()
        if line.startswith(("| `detector_", "| `lane_unused"))
    }
    assert told == {ALARM_KIND[fault]: SEVERITY[fault] for fault in Fault}


def test_what_may_be_true_of_an_alarm_is_known_to_the_score() -> None:
    unscored = {ALARM_KIND[Fault.IMPOSSIBLE]}  # no scenario makes such rows
    assert {ALARM_KIND[fault] for fault in Fault} - unscored <= ALARMS.keys()
