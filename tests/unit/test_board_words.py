"""What the board says, and what its lines leave out."""

import re
from pathlib import Path

import numpy as np
import pytest

from gateway.board.chart import MOST_POINTS, broken, thinned
from gateway.board.frame import MAIN
from gateway.board.looks.alarms import SEVERITY_WORDS
from gateway.board.numbers import age_text, duration_text, grouped, soon_text, value_text
from gateway.board.place import SPANS_MS
from gateway.board.reasons import meanings
from gateway.board.words import ENGLISH, TONES, VIETNAMESE
from gateway.model import QuarantineReason, Reason
from gateway.profiles import load_profiles
from gateway.store.alarms import State
from gateway.transport.health import DayStatus
from gateway.transport.series import Method
from gateway.views.fleet import DeviceState
from gateway.views.health import PROCESSES

PROFILES = load_profiles()
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def test_both_languages_have_every_word_and_every_blank_in_it() -> None:
    assert ENGLISH.keys() == VIETNAMESE.keys()
    for key, text in ENGLISH.items():
        blanks = re.findall(r"{\w+}", text)
        assert sorted(blanks) == sorted(re.findall(r"{\w+}", VIETNAMESE[key])), key
        assert VIETNAMESE[key]


def test_every_process_state_and_reason_of_the_gateway_has_its_words() -> None:
    wanted = {f"does_{name}" for name in PROCESSES}
    wanted |= {f"reason_{one}" for one in QuarantineReason}
    wanted |= {str(one) for one in DeviceState} | {tone.word for tone in TONES.values()}
    wanted |= {f"severity_{word}" for word in SEVERITY_WORDS.values()}
    wanted |= {f"alarm_{state}" for state in (*State, "suppressed", "withdrawn")}
    wanted |= {f"status_{one.name.lower()}" for one in DayStatus}
    wanted |= {f"method_{one.name.lower()}" for one in Method}
    wanted |= {f"span_{span}" for span in SPANS_MS} | {f"nav_{name}" for name in MAIN}
    assert wanted - ENGLISH.keys() == set()


def test_every_kind_of_alarm_in_the_documents_has_a_name() -> None:
    kinds: set[str] = set()
    for name in ("energy", "transport"):
        text = (Path(__file__).parents[2] / "docs" / f"{name}.md").read_text("utf-8")
        table = text.partition("## Alarms")[2].partition("\n## ")[0]
        for line in table.splitlines():
            kinds |= set(re.findall(r"`(\w+)`", line.split("|")[1])) if line[:3] == "| `" else set()
    assert len(kinds) > 30
    assert {f"kind_{one}" for one in kinds} - ENGLISH.keys() == set()


@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_reason_has_a_meaning(language: str) -> None:
    everything = meanings(sum(Reason), language)
    assert len(everything) == len(set(everything)) == len(Reason)
    assert meanings(0, language) == []


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [
        (9_900, "now"),
        (59_000, "< 1 min"),
        (61_000, "1\u00a0min ago"),
        (121_000, "2\u00a0min ago"),
        (DAY_MS, "24\u00a0h ago"),
        (9 * DAY_MS, "9\u00a0d ago"),
    ],
)
def test_ages_are_said_in_their_largest_unit_and_do_not_flicker(age_ms: int, text: str) -> None:
    assert age_text(age_ms, ENGLISH) == text


def test_numbers_are_grouped_and_durations_short() -> None:
    assert grouped(1_234_567) == "1\u202f234\u202f567"
    assert duration_text(90_500) == "90\u00a0s"
    assert soon_text(0.25) == "250\u00a0ms"
    assert soon_text(2.5) == "2.5\u00a0s"


@pytest.mark.parametrize(
    ("profile", "column", "value", "text"),
    [
        ("em1", "ea_imp", 15_302_897, "15\u202f302.897\u00a0kWh"),
        ("em1", "ea_imp", 812, "812\u00a0Wh"),
        ("em1", "u", 230.4, "230.4\u00a0V"),
        ("em1", "pf", 0.94, "0.940"),
        ("em1", "p", -812, "-812\u00a0W"),
        ("tl1", "occ", 0.043, "4.3\u00a0%"),
        ("pv1", "class", 2, "car"),
        ("em1", "i", None, "–"),
    ],
)
def test_a_value_is_said_as_its_trade_says_it(
    profile: str, column: str, value: float | None, text: str
) -> None:
    known = PROFILES[profile]
    place = known.column_index(column)
    assert place is not None
    assert value_text(known.columns[place], value) == text


def test_a_silence_breaks_the_line_and_a_late_reading_does_not() -> None:
    times_ms = np.array([0, 5, 10, 22, 27, 32, 92, 97, 102]) * 1000
    values = np.arange(9.0)
    shown_ms, shown = broken(times_ms, values)
    assert np.flatnonzero(np.isnan(shown)).tolist() == [6]
    assert shown_ms.tolist() == [*times_ms[:6], 32_001, *times_ms[6:]]
    assert shown[~np.isnan(shown)].tolist() == values.tolist()


def test_a_long_line_keeps_its_extremes_and_its_ends() -> None:
    times_ms = np.arange(86_400) * 1000
    values = np.sin(times_ms / 1e6)
    values[[777, 50_000]] = 9.5, -9.5
    shown_ms, shown = thinned(times_ms, values)
    assert len(shown) == MOST_POINTS
    assert (shown.min(), shown.max()) == (-9.5, 9.5)
    assert (shown_ms[0], shown_ms[-1]) == (0, 86_399_000)
    assert (np.diff(shown_ms) > 0).all()
