"""Times of foreign messages: by a declared rule, and never guessed."""

from datetime import UTC, datetime

import pytest

from gateway.decode.foreign.family import SHIPPED, TimeForm, load_families
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.times import CLOCK_INVALID, compile_clock, time_of
from gateway.decode.foreign.trial import try_message
from gateway.errors import RejectedError
from tests.unit.decode.support import PROFILES, RECEIVED_MS


def read(value: object, zone: str | None = None, *, form: str = "rfc3339") -> int:
    clock = compile_clock(TimeForm(path="t", format=form), zone)
    return time_of(clock, {"t": value}, RECEIVED_MS)[0]


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def test_an_offset_is_believed_and_a_time_without_one_needs_a_zone() -> None:
    assert read("2026-11-21T22:30:00+07:00") == ms("2026-11-21T15:30:00+00:00")
    assert read("2026-11-21T22:30:00Z", "Asia/Ho_Chi_Minh") == ms("2026-11-21T22:30:00+00:00")
    assert read("2026-11-21T22:30:00") == 0  # stamped, and graded so
    assert read("2026-11-21T22:30:00", "Asia/Ho_Chi_Minh") == ms("2026-11-21T22:30:00+07:00")


def test_every_second_of_a_day_is_read_as_the_library_reads_it() -> None:
    """Hours are remembered: also around midnight, and on the days that clocks are changed."""
    clock = compile_clock(TimeForm(path="t"), "Europe/Berlin")
    for day in ("2026-03-29", "2026-06-01", "2026-10-25"):
        for second in range(0, 86_400, 433):
            text = f"{day}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            if text.startswith(("2026-03-29T02", "2026-10-25T02")):
                continue
            assert clock.instant(text, 0, 0) == ms(_berlin(text)), text


def _berlin(text: str) -> str:
    is_summer = "2026-03-29T03" <= text < "2026-10-25T02"  # by the rule of the European Union
    return f"{text}+02:00" if is_summer else f"{text}+01:00"


def test_an_hour_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RejectedError, match="does not exist in zone"):
        read("2026-03-29T02:30:00", "Europe/Berlin")


@pytest.mark.parametrize("value", ["1970-01-01T00:00:12Z", "2000-01-01T00:03:00Z", 12, 1.5])
def test_a_clock_that_nobody_has_set_is_no_time(value: object) -> None:
    assert read(value, form="any") == 0


def test_unix_times_in_seconds_and_milliseconds_are_told_apart_where_that_is_said() -> None:
    wanted = ms("2026-11-21T22:30:00+00:00")
    assert read(1_795_300_200, form="any") == wanted
    assert read(1_795_300_200_000, form="any") == wanted
    assert read(1_795_300_200.25, form="unix_s") == wanted + 250


def test_what_is_no_time_refuses_the_message() -> None:
    with pytest.raises(RejectedError):
        read("yesterday", "UTC")


def test_a_time_far_from_that_of_the_network_is_told_so() -> None:
    """The network server heard it two days after the time that is in it."""
    family = load_families(SHIPPED)["chirpstack"]
    formats = [MappedFamily(family, Options(PROFILES, (), None, "site"))]
    uplink = (
        '{"time":"2026-11-19T22:30:00Z","object":{"temperature":21.5},'
        '"rxInfo":[{"rssi":-80,"nsTime":"2026-11-21T22:30:00Z"}]}'
    )
    topic = "application/1/device/70b3d57ba0003bb8/event/up"
    got = try_message(formats, topic, uplink.encode(), RECEIVED_MS, PROFILES)
    assert {row.status for row in got.readings} == {CLOCK_INVALID}
    near = uplink.replace("2026-11-19T22:30:00Z", "2026-11-21T22:28:30Z").encode()
    got = try_message(formats, topic, near, RECEIVED_MS, PROFILES)
    assert {row.status for row in got.readings} == {0}
