"""Times of foreign messages: by a declared rule, and never guessed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.foreign import ForeignSection
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.family import SHIPPED, TimeForm, load_families, parse_family
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.times import CLOCK_INVALID, compile_clock, time_of
from gateway.decode.foreign.trial import try_message
from gateway.errors import ConfigError, RejectedError
from gateway.model import Record
from gateway.registry import Directory, Registry
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


def test_of_several_formats_the_first_that_reads_it_is_taken() -> None:
    """HomeWizard tells the time of a meter behind its port as a number, later as text."""
    form = TimeForm(path="t", format=("rfc3339", "%y%m%d%H%M%S"))

    def moment(value: object, zone: str | None) -> int:
        return time_of(compile_clock(form, zone), {"t": value}, RECEIVED_MS)[0]

    for value in (260606140010, "260606140010", "2026-06-06T14:00:10"):
        assert moment(value, "Europe/Amsterdam") == ms("2026-06-06T14:00:10+02:00")
        assert moment(value, None) == 0
    assert moment("2026-06-06T14:00:10+07:00", None) == ms("2026-06-06T14:00:10+07:00")
    with pytest.raises(RejectedError, match="does not exist in zone"):
        moment("2026-03-29T02:30:00", "Europe/Berlin")
    with pytest.raises(RejectedError, match="260606149910"):  # no minute 99
        moment(260606149910, "Europe/Berlin")


PLANT = """
family = "plant"
title = "plant"
source = "a test"
[[message]]
name = "m"
topic = ["plant"]
time = { path = "sent", format = "unix_s" }
[[message.reading]]
profile = "gas1"
at = "gas"
time = { path = "read_at" }
[message.reading.columns]
vol = "m3"
"""


@pytest.mark.parametrize(
    ("zone", "gas", "times"),
    [
        ("Europe/Berlin", {"m3": 5, "read_at": "2026-11-21T21:00:00"}, ["2026-11-21T20:00+00:00"]),
        # nobody knows when it was read: not when it was sent either
        (None, {"m3": 5, "read_at": "2026-11-21T21:00:00"}, ["stamped"]),
        (None, {"m3": 5}, ["2026-11-21T22:30+00:00"]),
        ("Europe/Berlin", {"read_at": "2026-11-21T21:00:00"}, []),  # a time alone is no reading
        (None, {"read_at": "2026-11-21T21:00:00"}, []),
    ],
)
def test_a_reading_with_a_time_of_its_own_does_not_take_that_of_its_message(
    zone: str | None, gas: dict[str, object], times: list[str], tmp_path: Path
) -> None:
    formats = [
        MappedFamily(parse_family(PLANT, tmp_path / "plant.toml"), Options(PROFILES, (), zone, "s"))
    ]
    payload = json.dumps({"sent": 1_795_300_200, "serial": "7", "gas": gas}).encode()
    got = try_message(formats, "plant", payload, RECEIVED_MS, PROFILES)
    wanted = [None if one == "stamped" else ms(one) for one in times]
    assert [None if row.is_stamped else row.time_ms for row in got.readings] == wanted


LOCAL = "2026-11-21T22:30:00"
ZONES = """
[[device]]
id = "plug-hanoi"
org = "evn"
sector = "energy"
topics = ["tele/plug_1/#", "han/1", "wmbusmeters/1", "1.vlog", "x/TrafficFlowObserved"]
zone = "Asia/Ho_Chi_Minh"
"""


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("tele/plug_1/SENSOR", '{"Time":"LOCAL","ENERGY":{"Total":1.5}}'),
        (
            "wmbusmeters/1",
            '{"media":"water","meter":"x","id":"1","total_m3":1.5,"timestamp":"LOCAL"}',
        ),
        (
            "x/TrafficFlowObserved",
            '{"id":"a","type":"TrafficFlowObserved","intensity":1,"dateObserved":"LOCAL"}',
        ),
        ("1.vlog", "296,9930,22:30:00,45,20\n"),
    ],
)
def test_the_registry_names_the_zone_of_a_device(topic: str, payload: str, tmp_path: Path) -> None:
    """22:30 in Ha Noi is 15:30 UTC; in Berlin, where the others of the site are, 21:30 UTC."""
    file = tmp_path / "registry.toml"
    file.write_text(ZONES, "utf-8")
    directory = Directory(Registry.load(file), enrols=True, max_devices=100)
    decoders = Decoders(
        PROFILES, foreign=build_foreign(ForeignSection(zone="Europe/Berlin"), PROFILES)
    )
    received_ms = ms("2026-11-21T22:00:00+00:00")

    def hour() -> str:
        out = Collector()
        record = Record(
            1, received_ms, 0, 1, topic.encode(), payload.replace("LOCAL", LOCAL).encode()
        )
        decoders.decode(record, directory, out)
        moment = datetime.fromtimestamp(int(out.batches()[0].readings.time_ms[0]) / 1000, UTC)
        return moment.strftime("%H:%M")

    assert hour() == hour() == "15:30"
    directory.reload(None)
    decoders.forget_routes()
    assert hour() == "21:30"


def test_an_unknown_zone_is_refused_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(ZONES.replace("Ho_Chi_Minh", "Atlantis"), "utf-8")
    with pytest.raises(ConfigError, match="unknown zone 'Asia/Atlantis'"):
        Registry.load(file)
