"""What the board says, and what its lines leave out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gateway.board.chart import MOST_POINTS, broken, lone, on_clock, thinned
from gateway.board.frame import MAIN
from gateway.board.looks.alarms import SEVERITY_WORDS
from gateway.board.numbers import (
    age_text,
    duration_text,
    grouped,
    journey_text,
    soon_text,
    value_text,
)
from gateway.board.parts.facts import fact_text
from gateway.board.parts.plots import Series, lines
from gateway.board.parts.when import day_text, moment_text
from gateway.board.place import SPANS_MS
from gateway.board.policy import NAME, load_board_policies
from gateway.board.reasons import meanings
from gateway.board.words import ENGLISH, TONES, VIETNAMESE, named
from gateway.config.http import HttpSection
from gateway.energy.outage.policy import Weights
from gateway.model import QuarantineReason, Reason
from gateway.policies import load_policies
from gateway.profiles import load_profiles
from gateway.store.alarms import State
from gateway.transport.assets.policy import AssetPolicy
from gateway.transport.health import DayStatus
from gateway.transport.series import Method
from gateway.views.fleet import DeviceState
from gateway.views.health import PROCESSES

PROFILES = load_profiles()
ROOT = Path(__file__).parents[2]
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
    wanted |= {f"alarm_{state}" for state in (*State, "suppressed", "follows", "withdrawn")}
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
    ("seconds", "text"),
    [(44.6, "45 s"), (185.2, "3 min 05 s"), (1199.7, "20 min"), (2070, "34 min")],
)
def test_a_journey_is_told_to_the_second_while_that_says_something(
    seconds: float, text: str
) -> None:
    assert journey_text(seconds).replace("\u00a0", " ") == text


def test_charts_go_by_the_clock_of_the_site_whatever_the_browsers_machine_says() -> None:
    """22:30 UTC is 05:30 of the next day in Vietnam; in Berlin summer time ends at 01:00 UTC."""
    at_ms = 1_795_300_200_000
    vietnam, berlin = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/Berlin")
    assert on_clock(at_ms, vietnam) == at_ms + 7 * HOUR_MS
    change_ms = 1_792_890_000_000  # 2026-10-25T01:00Z
    assert on_clock(change_ms - 1, berlin) == change_ms - 1 + 2 * HOUR_MS
    assert on_clock(change_ms, berlin) == change_ms + HOUR_MS
    told = lines([Series("u", [[at_ms, 230.0]])], "V", (at_ms - HOUR_MS, at_ms), vietnam)
    assert told["useUTC"]
    assert told["series"][0]["data"] == [[at_ms + 7 * HOUR_MS, 230.0]]
    assert (told["xAxis"]["min"], told["xAxis"]["max"]) == (
        at_ms + 6 * HOUR_MS,
        at_ms + 7 * HOUR_MS,
    )


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


def test_a_device_that_measures_more_often_than_before_was_not_silent_before() -> None:
    """Half hours of a day, then every 5 s; the line breaks once, where an hour and a half is mute.

    The one reading within another silence stands alone, and has a dot.
    """
    halves, fives = np.arange(48) * 1_800_000, 47 * 1_800_000 + np.arange(1, 101) * 5000
    mute = np.concatenate((halves[:20], halves[23:], fives, fives[-1] + [60_000, 120_000, 125_000]))
    shown_ms, shown = broken(mute, np.ones(len(mute)))
    holes = shown_ms[np.isnan(shown)].tolist()
    assert holes == [halves[19] + 1, fives[-1] + 1, fives[-1] + 60_001]
    assert shown_ms[lone(shown)].tolist() == [fives[-1] + 60_000]


def test_a_long_line_keeps_its_extremes_and_its_ends() -> None:
    times_ms = np.arange(86_400) * 1000
    values = np.sin(times_ms / 1e6)
    values[[777, 50_000]] = 9.5, -9.5
    shown_ms, shown = thinned(times_ms, values)
    assert len(shown) == MOST_POINTS
    assert (shown.min(), shown.max()) == (-9.5, 9.5)
    assert (shown_ms[0], shown_ms[-1]) == (0, 86_399_000)
    assert (np.diff(shown_ms) > 0).all()


def test_all_that_shipped_data_files_name_is_known_in_vietnamese() -> None:
    """Titles of profiles and columns, meanings of codes, what the work list asks for."""
    policies = load_policies("assets", AssetPolicy)
    wanted = {
        action.action
        for name in policies.names
        for edition in policies.editions(name)
        for action in (
            *edition.work,
            edition.cause.power,
            edition.cause.comms,
            edition.cause.device,
        )
    }
    for profile in PROFILES.values():
        wanted.add(profile.title)
        for column in profile.columns:
            wanted |= {column.title, *column.codes.values()}
    assert {one for one in wanted if named(VIETNAMESE, one) == one} == set()
    assert named(ENGLISH, "Voltage") == "Voltage"
    assert named(VIETNAMESE, "a site's own") == "a site's own"


# what the page of an alarm has a table of its own for, or says in a list
_NO_FACTS = {"suspects", "names", "facts", "nats", "withdrawn", "queue_stations", "reasons"}


def test_every_number_behind_an_alarm_has_a_word() -> None:
    """Keys of all that is called evidence where alarms are made."""
    found: set[str] = set()
    for room in ("energy", "transport", "alarms"):
        for file in (ROOT / "gateway" / room).rglob("*.py"):
            tree = ast.parse(file.read_text("utf-8"))
            found.update(key for node in ast.walk(tree) for key in evidence_keys(node))
    assert len(found) > 60
    assert {f"fact_{one}" for one in found - _NO_FACTS} - ENGLISH.keys() == set()


def test_every_weight_of_an_outage_has_a_word() -> None:
    """The page shows each that spoke, by the name that the policy gives it."""
    names = {one for one in Weights.model_fields if not one.endswith("_max")}
    assert len(names) > 8
    assert {f"fact_{one}" for one in names} - ENGLISH.keys() == set()


def test_how_many_could_have_shown_an_outage_is_a_number_and_no_share() -> None:
    assert fact_text("available", 214, ENGLISH) == "214"
    assert fact_text("coverage", 0.998, ENGLISH) == "99.8\u00a0%"


def evidence_keys(node: ast.AST) -> Iterator[str]:
    """Yield the keys of a dictionary that is assigned to, or handed over as, evidence."""
    places: list[ast.AST | None] = []
    match node:
        case (
            ast.Assign(targets=[ast.Name(id="evidence")], value=value)
            | ast.AnnAssign(target=ast.Name(id="evidence"), value=value)
            | ast.keyword(arg="evidence", value=value)
        ):
            places = [value]
        case ast.Call(func=ast.Name(id="Condition" | "Finding"), args=arguments):
            places = list(arguments)
        case ast.Call(func=ast.Name(id="_made"), keywords=keywords):
            yield from (one.arg for one in keywords if one.arg)
        case _:
            pass
    parts = [part for place in places if place is not None for part in ast.walk(place)]
    for part in parts:
        if isinstance(part, ast.Dict):
            yield from (str(one.value) for one in part.keys if isinstance(one, ast.Constant))


@pytest.mark.parametrize(
    ("zone", "day", "moment"),
    [
        ("Asia/Ho_Chi_Minh", "2026-06-02", "2026-06-02 01:30:00"),
        ("Europe/Lisbon", "2026-06-01", "2026-06-01 19:30:00"),  # UTC+1 in summer
    ],
)
def test_days_and_moments_are_those_of_the_site(zone: str, day: str, moment: str) -> None:
    at_ms = 1_780_338_600_000  # 2026-06-01T18:30Z
    assert day_text(at_ms, ZoneInfo(zone)) == day
    assert moment_text(at_ms, ZoneInfo(zone)) == moment


def test_a_zone_that_nobody_knows_is_refused() -> None:
    assert HttpSection().time_zone == "Asia/Ho_Chi_Minh"
    for name in ("Asia/Hanoi2", "../etc/passwd", ""):
        with pytest.raises(ValueError, match="time zone"):
            HttpSection(time_zone=name)


def test_from_where_on_a_number_has_a_colour_is_a_dated_file() -> None:
    policy = load_board_policies().at(NAME, 1_780_338_600_000)
    assert (policy.good_coverage, policy.full_disk) == (0.9, 0.9)
