"""Every time in the payloads of the field: by a declared rule, or refused with its message.

``tools/field_times`` finds the times that name no instant and learns, by moving each, what it is
used for. Whether it finds all of them is judged here by three cruder looks at the same text, which
know nothing of its rules: every quoted text with a date or a clock in it, every number that could
be Unix time, every key whose name speaks of time.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import pytest

from gateway.decode.foreign.family import SHIPPED, load_families
from tests.shared import SHARED, needs_shared
from tests.unit.decode.support import PROFILES
from tests.unit.decode.test_lorawan_field import declared, telemetry
from tools import field_times
from tools.field_times import Leaf

pytestmark = needs_shared

CLOCK_LIKE = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d|\dT\d\d", re.ASCII)
OFFSET = re.compile(r"\d(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# addresses of radios, hosts with a port: their colons are no clock's
ADDRESS = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}\Z|(?:ws://)?\d+(?:\.\d+){3}:\d+(?:/.*)?\Z")
TIMELY = re.compile(
    r"time|date|clock|stamp|since|remain|ago\Z|\bage\b|epoch|expire|_ts\Z|\Ats\Z|_at\Z|airtime",
    re.IGNORECASE,
)
YEAR_2000_S, YEAR_2100_S = 946_684_800, 4_102_444_800
INSTANTS = {"unixtime", "last_sync_ts", "minute_ts", "last_updated_ts"}  # Unix times
UPLINK = "uplinkId"  # ChirpStack draws it at random
NO_TIMES = {  # settings and states; a timer that is not running was started at 0
    *("reconnect_timeout_max", "reconnect_timeout_min", "timeout"),
    *("update_period", "has_update", "has_timer", "timer_started", "show_clock"),
}


@cache
def rows() -> tuple[dict[str, Any], ...]:
    assert SHARED is not None
    return tuple(field_times.field_rows(SHARED / "data"))


@cache
def leaves(number: int) -> tuple[Leaf, ...]:
    return tuple(field_times.leaves_of(rows()[number]))


def test_every_text_with_a_date_or_a_clock_is_an_instant_or_found() -> None:
    instants = found = 0
    for number, row in enumerate(rows()):
        texts = Counter(text for text in QUOTED.findall(row["payload"]) if CLOCK_LIKE.search(text))
        texts -= Counter({text: n for text, n in texts.items() if ADDRESS.match(text)})
        whole = Counter({text: n for text, n in texts.items() if OFFSET.search(text)})
        local = Counter(str(one.value) for one in leaves(number) if isinstance(one.value, str))
        local -= Counter({text: n for text, n in local.items() if not CLOCK_LIKE.search(text)})
        assert texts == whole + local, row["id"]
        instants, found = instants + whole.total(), found + local.total()
    # with an offset: 384 of ChirpStack, 702 of The Things Stack, 2 of firmware builds; the others:
    # 19 + 16 dates, 18 times of day, 4 durations
    assert (instants, found) == (1088, 57)


def test_every_number_that_could_be_a_time_has_a_key_that_says_what_it_is() -> None:
    for number, row in enumerate(rows()):
        known = {one.path for one in leaves(number)}
        for path, value in field_times.walk(parsed(row)):
            if path in known or type(value) not in {int, float}:
                continue
            size = abs(float(str(value)))
            if YEAR_2000_S <= size <= YEAR_2100_S or YEAR_2000_S <= size / 1000 <= YEAR_2100_S:
                assert path[-1] in INSTANTS | {UPLINK}, (row["id"], path, value)


def test_every_key_that_speaks_of_time_is_known() -> None:
    said: set[str] = set()
    for number, row in enumerate(rows()):
        known = {one.path for one in leaves(number)}
        for path, value in field_times.walk(parsed(row)):
            key = str(path[-1]) if path else ""
            is_other = value is None or isinstance(value, str)  # texts: above
            if path in known or is_other or not TIMELY.search(key):
                continue
            said.add(key)
            assert key in INSTANTS | NO_TIMES, (row["id"], path, value)
    assert said == INSTANTS | NO_TIMES


def test_each_takes_a_declared_rule() -> None:
    """'' would be a time that changed something which no rule lets it change."""
    assert SHARED is not None
    found = field_times.count(SHARED / "data", PROFILES)
    by_fate: Counter[tuple[bool, str]] = Counter()
    for (form, _, fate), number in found.items():
        by_fate[form == "relative", fate] += number
    assert by_fate == {
        (False, "time"): 26,
        (False, "event"): 4,
        (False, "report"): 19,
        (False, "absent"): 1,  # of a gas meter that says no value
        (False, "dropped"): 5,
        (False, "refused"): 16,
        (True, "column"): 7,
        (True, "report"): 394,
        (True, "refused"): 35,
    }
    shelly = load_families(SHIPPED)["shelly-gen2"]
    dropped = {path for message in shelly.message for path in message.drop}
    assert {"time", "sys.time"} <= dropped, "by name, beside unixtime"


def test_the_local_unix_time_of_a_plug_is_an_hour_beside_its_own_clock() -> None:
    """Its zone says Rome, +1 h in February: such a number names no instant by itself."""
    ahead = []
    for row in rows():
        if row["family"] == "shelly-fixture":
            status = json.loads(row["payload"]).get("status", {})
            ahead += [one["timestamp"] - status["unixtime"] for one in status.get("meters", ())]
    assert ahead == [3600, 3600]


def test_no_count_of_these_rows_reaches_97_times_without_zone() -> None:
    """It is a figure of the collection that these rows are three quarters of.

    Every leaf counted, and expected values and P1 telegrams besides, there are 80. Of the
    relative ones 7 become a column, the uptimes of five Shellys and two Tasmota plugs.
    """
    assert SHARED is not None
    local = [one for number in range(len(rows())) for one in leaves(number) if not one.is_relative]
    expected = [
        value
        for row in rows()
        for _, value in field_times.walk(row.get("expected"))
        if isinstance(value, str) and CLOCK_LIKE.search(value)
        if not ADDRESS.match(value.upper()) and not OFFSET.search(value)
        if not re.match(r"\dT", value)  # a duration
    ]
    telegrams = (SHARED / "data" / "devices" / "p1_dev.jsonl").read_text("utf-8")
    without_flag = re.findall(r"\((?:\d{12}|\d{10})\)", telegrams)
    assert (len(local), len(expected)) == (71, 5)
    assert len(local) + len(expected) + len(without_flag) < 97
    numbers: dict[str, list[int]] = {}
    for row in rows():
        family, _, number = row["id"].rpartition("-")
        numbers.setdefault(family, []).append(int(number))
    assert (sum(map(len, numbers.values())), sum(map(max, numbers.values()))) == (408, 541)


def test_no_reading_has_a_time_that_its_payload_does_not_name() -> None:
    """Whatever the zone: an instant that stands there, or the time of receipt, graded so."""
    fates = field_times.Fates(PROFILES)
    checked = 0
    for number, row in enumerate(rows()):
        if row["family"].startswith("lorawan"):
            continue
        named = set(instants_in(parsed(row)))
        local = {instant_ms(one) for one in leaves(number)}
        without, within = fates.outcomes(row)
        told = [(one, named) for one in without.readings]
        told += [(one, named | local) for one in within.readings]
        assert all(one.is_stamped or one.time_ms in times for one, times in told), row["id"]
        checked += len(told)
    assert checked > 100


def test_no_reading_of_a_frame_has_another_time_than_its_network_or_its_maker_says() -> None:
    """Stored readings have times of their own in the frame; the others that of the uplink."""
    fates = field_times.Fates(PROFILES)
    checked = 0
    for row in rows():
        if not row["family"].startswith("lorawan"):
            continue
        uplink = parsed(row)
        said = uplink.get("time") or uplink["received_at"]
        named = {int(datetime.fromisoformat(cut(said)).timestamp() * 1000)}
        named |= {time_ms for time_ms, _ in telemetry(row)}
        for got in fates.outcomes({**row, "note": declared(row["note"])}):
            times = {one.time_ms for one in got.readings}
            assert times <= named, (row["id"], times - named)
            assert not any(one.is_stamped for one in got.readings), row["id"]
            checked += len(times)
    assert checked > 600


def cut(moment: str) -> str:
    """Return RFC 3339 text with no more than six digits of a second."""
    return re.sub(r"(\.\d{6})\d+", r"\1", moment)


def parsed(row: Mapping[str, Any]) -> Any:
    """Return a payload; of the two that are no strict JSON nothing."""
    try:
        return json.loads(row["payload"])
    except ValueError:
        return None


def instant_ms(leaf: Leaf) -> int:
    """Return what a local date and time is in the declared zone; 0 for other forms."""
    if leaf.form == "YYMMDDhhmmss":
        found = datetime.strptime(f"{leaf.value}+0200", "%y%m%d%H%M%S%z")  # all are of June
    elif leaf.form == "date and time":
        summer = "+02:00" if "03-31" < leaf.value[5:10] < "10-25" else "+01:00"
        found = datetime.fromisoformat(leaf.value + summer)
    else:
        return 0
    return round(found.timestamp() * 1000)


def instants_in(node: object) -> Iterator[int]:
    """Return what numbers and texts with an offset say, in Unix ms."""
    for _, value in field_times.walk(node):
        if isinstance(value, int | float):
            yield from (round(value * 1000), round(value))
        elif isinstance(value, str) and OFFSET.search(value):
            with contextlib.suppress(ValueError):
                yield round(datetime.fromisoformat(cut(value)).timestamp() * 1000)


@pytest.mark.parametrize("value", ["2026-11-21T22:30:00", "2026-11-21 22:30"])
def test_a_time_is_moved_as_it_is_written(value: str) -> None:
    leaf = Leaf("r", "f", "date and time", ("Time",), value)
    assert field_times.moved(leaf) == value.replace("22:30", "23:37")
