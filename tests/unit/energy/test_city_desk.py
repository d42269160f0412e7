"""The city's desk: what simulated nodes send reaches a real engine, in virtual time."""

from pathlib import Path

from simulators.city.city import City, Order, Size
from tools.city_desk import HOUR_MS, START_MS, Setting, near, play, span_of

WHERE, DARK = "tba-0001", "transformer_outage"
SIZE, SPAN = Size(seed=5, meters=120, lanes=8), span_of(0.25)
ORDER = Order(
    DARK,
    {"where": WHERE, "from_ms": START_MS + 3 * HOUR_MS, "to_ms": START_MS + 4 * HOUR_MS},
)


def test_a_dark_transformer_is_told_within_a_minute_and_everything_is_accounted_for(
    tmp_path: Path,
) -> None:
    fine = near(City(SIZE, SPAN, [ORDER]))
    played = play(tmp_path, Setting(SIZE, SPAN, [ORDER], fine))
    (dark,) = [alarm for alarm in played.alarms() if alarm.kind == DARK]
    assert dark.place == f"transformer:{WHERE}"
    assert dark.found_ms - (START_MS + 3 * HOUR_MS) <= 60_000  # issue D
    assert dark.cleared_ms - (START_MS + 4 * HOUR_MS) <= 60_000
    found = played.score(slack_s=60)[DARK]
    assert (found["true_positive"], found["false_negative"]) == (1, 0)
    assert played.gateway.quarantined == 0
    totals = played.gateway.reader.accounting()
    # every meter reads each half hour; those of the dark transformer miss an hour
    assert totals.stored > 120 * 10
    assert totals.duplicate == totals.quarantined == 0
