"""Frames in documents of network servers: which codec reads them, and what becomes of them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config.foreign import ForeignSection
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.trial import Outcome, try_message
from gateway.errors import ConfigError, RejectedError
from gateway.registry import Directory, Registry
from tests.unit.decode.support import PROFILES, RECEIVED_MS, record

FORMATS = build_foreign(ForeignSection(), PROFILES)
TOPIC = "application/7b1e/device/70b3d57ba0003bb8/event/up"
DEVICE = "70b3d57ba0003bb8"
MOMENT, MOMENT_MS = "2026-11-21T22:30:00Z", 1_795_300_200_000
# 100 %; 0x0118 = 280 tenths of a degree; 0x6d = 109 halves of a percent; 0x01c5 = 453 ppm
ROOM = "0175640367180104686d077dc501"
DESK_OR_DOOR = "017564030001"


def uplink(frame: str, *, port: int = 85, profile: str = "", **more: object) -> bytes:
    """Return an uplink event of ChirpStack 4."""
    data = base64.b64encode(bytes.fromhex(frame)).decode()
    device = {"deviceProfileName": profile or "Chirpstack default device profile"}
    rx = [{"rssi": -35, "snr": 11.5}]
    document = {"time": MOMENT, "deviceInfo": device, "fPort": port, "data": data, "rxInfo": rx}
    return json.dumps({**document, **more}).encode()


def outcome(payload: bytes, model: str = "", topic: str = TOPIC) -> Outcome:
    return try_message(FORMATS, topic, payload, RECEIVED_MS, PROFILES, model=model)


def values(got: Outcome, profile: str = "clim1") -> dict[str, float]:
    """Return the values of the one row of a profile."""
    (row,) = (one for one in got.readings if one.profile == profile)
    return {name: round(value, 9) for name, value in row.values.items()}


def test_a_declared_model_reads_what_the_frame_alone_does_not_tell() -> None:
    assert "which differ" in outcome(uplink(DESK_OR_DOOR)).detail
    assert values(outcome(uplink(DESK_OR_DOOR), "Milesight WS301")) == {"open": 1}
    assert values(outcome(uplink(DESK_OR_DOOR), "milesight vs341")) == {"occupied": 1}


@pytest.mark.parametrize("profile", ["WS301", "Milesight WS301 EU868", "ws301", "milesight-ws301"])
def test_the_name_of_the_device_profile_says_the_model(profile: str) -> None:
    assert values(outcome(uplink(DESK_OR_DOOR, profile=profile))) == {"open": 1}


def test_a_declared_model_comes_before_the_name_of_the_profile() -> None:
    got = outcome(uplink(DESK_OR_DOOR, profile="WS301"), "Milesight VS340")
    assert values(got) == {"occupied": 1}
    assert got.kept["codec"] == "milesight VS340"


def test_a_profile_that_is_called_as_a_model_by_chance_says_nothing() -> None:
    """Tektelic has a model Comfort: without its maker's name the word says nothing."""
    got = outcome(uplink(DESK_OR_DOOR, profile="comfort sensors"))
    assert (got.refused, "which differ" in got.detail) == ("unmapped", True)


def test_a_maker_in_the_name_leaves_its_models_only() -> None:
    got = outcome(uplink("010b012406701a9e000000", port=6, profile="dev-prof-Decentlab"))
    assert (got.refused, "by its shape" in got.detail) == ("unmapped", True)
    got = outcome(uplink("010b012406701a9e000000", port=6, profile="our Netvox things"))
    assert values(got) == {"temp": 16.48, "rh": 68.14}


def test_a_declared_model_that_no_codec_knows_is_named() -> None:
    got = outcome(uplink(ROOM), "Acme X9")
    assert got.refused == "unmapped"
    assert "'Acme X9'" in got.detail
    assert "[foreign] models" in got.detail


def test_a_model_may_be_declared_of_topics() -> None:
    section = ForeignSection(models={"application/7b1e/#": "Milesight WS301"})
    formats = build_foreign(section, PROFILES)
    got = try_message(formats, TOPIC, uplink(DESK_OR_DOOR), RECEIVED_MS, PROFILES)
    assert values(got) == {"open": 1}
    other = TOPIC.replace("7b1e", "7b1f")
    got = try_message(formats, other, uplink(DESK_OR_DOOR), RECEIVED_MS, PROFILES)
    assert got.refused == "unmapped"
    with pytest.raises(ValueError, match="is not an MQTT topic filter"):
        ForeignSection(models={"a/#/b": "x"})


def test_a_model_may_be_declared_in_the_registry(tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(
        f"""[[device]]
id = "door-3"
org = "evn"
sector = "env"
topics = ["{TOPIC}"]
model = "Milesight WS301"
""",
        "utf-8",
    )
    directory = Directory(Registry.load(file), enrols=False, max_devices=10)
    decoders, out = Decoders(PROFILES, foreign=FORMATS), Collector()
    decoders.decode(record(uplink(DESK_OR_DOOR), TOPIC.encode()), directory, out)
    (door,) = (one for one in out.batches() if one.readings.profile == "clim1")
    assert directory.name_of(int(door.readings.device_index[0])).device == "door-3"
    assert directory.model("application/7b1e/device/another/event/up") == ""


def test_the_version_of_a_device_of_the_things_stack_says_the_model() -> None:
    version = {"brand_id": "milesight-iot", "model_id": "ws301"}
    frame = base64.b64encode(bytes.fromhex(DESK_OR_DOOR)).decode()
    uplink = {"f_port": 85, "frm_payload": frame, "version_ids": version}
    payload = json.dumps({"received_at": MOMENT, "uplink_message": uplink}).encode()
    assert values(outcome(payload, topic="v3/app@ttn/devices/door/up")) == {"open": 1}


def test_what_the_network_server_has_decoded_is_not_decoded_again() -> None:
    got = outcome(uplink(ROOM, object={"temperature": 3.5}))
    assert values(got) == {"temp": 3.5}
    assert "codec" not in got.kept


@pytest.mark.parametrize("nothing", [{}, None])
def test_a_server_without_a_codec_leaves_the_frame_to_us(nothing: object) -> None:
    assert values(outcome(uplink(ROOM, object=nothing))) == {"temp": 28, "rh": 54.5, "co2": 453}


def test_chirpstack_3_says_decoded_values_in_a_text() -> None:
    """``objectJSON`` of the application server's JSON marshaler."""
    text = json.dumps({"temperature": 21.5})
    assert values(outcome(uplink(ROOM, objectJSON=text))) == {"temp": 21.5}
    assert outcome(uplink(ROOM, objectJSON="[1]")).refused == "encoding"


@pytest.mark.parametrize("nothing", ["", "{}", " { } ", "null"])
def test_chirpstack_3_without_a_codec_says_an_empty_text(nothing: str) -> None:
    """The values of the frame must not be lost beside it."""
    assert values(outcome(uplink("0367ceff", objectJSON=nothing), "AM307")) == {"temp": -5}
    assert outcome(uplink("", objectJSON=nothing), "AM307").refused == "unmapped"


def test_a_reading_that_the_sensor_had_stored_is_a_row_of_its_own_time() -> None:
    # 0x65411a78 = 1698765432 s: 223 tenths, 110 halves, 400 ppm
    got = outcome(uplink(f"{ROOM}20ce781a4165df006e9001"), "AM103")
    rooms = [one for one in got.readings if one.profile == "clim1"]
    assert [(one.time_ms, one.device) for one in rooms] == [
        (MOMENT_MS, DEVICE),
        (1_698_765_432_000, DEVICE),
    ]
    assert rooms[1].values == {
        "temp": pytest.approx(22.3),
        "rh": pytest.approx(55),
        "co2": pytest.approx(400),
    }
    assert [one.time_ms for one in got.readings if one.profile == "node1"] == [MOMENT_MS]


def test_a_stored_time_of_a_clock_that_was_never_set_is_not_used() -> None:
    got = outcome(uplink("20ce0a000000df006e9001"), "AM103")
    (room,) = (one for one in got.readings if one.profile == "clim1")
    assert room.is_stamped


def test_a_meter_s_time_is_of_its_registers_not_of_the_radio() -> None:
    got = outcome(
        uplink("0101673c29240203673c25dc03040000000004050000e9d00b0a00", port=1, profile="EM2101")
    )
    times = {one.profile: one.time_ms for one in got.readings}
    assert times == {"plug1": 1_731_995_100_000, "node1": MOMENT_MS}
    assert values(got, "plug1") == {"ea_imp": 59856}


def test_a_second_channel_is_a_part_of_its_device() -> None:
    frame = "02198f0007000402580bf0000100000258dece00000c33"
    got = outcome(uplink(frame, port=1), "DL-DLR2-010")
    counts = {one.device: one.values for one in got.readings if one.profile == "clim1"}
    assert counts == {DEVICE: {"count": 68592}, f"{DEVICE}-1": {"count": 57038}}


def test_any_channel_of_cayenne_is_a_part_of_its_device() -> None:
    got = outcome(uplink("00670110056700ff", port=3, profile="Cayenne LPP"))
    rooms = {one.device: one.values for one in got.readings if one.profile == "clim1"}
    assert rooms == {
        DEVICE: {"temp": pytest.approx(27.2)},
        f"{DEVICE}-5": {"temp": pytest.approx(25.5)},
    }


def test_a_value_that_comes_twice_is_kept_twice() -> None:
    got = outcome(uplink("036701000367ceff"), "AM102")
    assert values(got) == {"temp": -5}
    assert got.kept["object"] == {"before": {"temperature": [0.1]}}


@pytest.mark.parametrize(
    ("model", "frame", "said"),
    [
        ("CT101", "0967ffff", {"temperature": "read failed"}),
        ("CT105", "0967fdff", {"temperature": "over range"}),
        ("EM500-SWL", "0377ffff", {"water_level": "collection failed"}),
        ("EM500-SWL", "0377fdff", {"water_level": "out of range"}),
    ],
)
def test_a_value_that_could_not_be_read_is_a_word_and_no_measurement(
    model: str, frame: str, said: dict[str, str]
) -> None:
    got = outcome(uplink(frame), model)
    assert not any(row.profile in {"plug1", "wq1"} for row in got.readings)
    assert got.kept["object"] == said


def test_a_stored_level_that_could_not_be_read_is_no_row() -> None:
    # 0x65411a78 = 1698765432 s: not read, and a minute later 291 cm
    frame = "20ce781a4165ffff20ceb41a41652301"
    got = outcome(uplink(frame), "EM500-SWL")
    levels = [
        (one.time_ms, round(one.values["level"], 6)) for one in got.readings if one.profile == "wq1"
    ]
    assert levels == [(1_698_765_492_000, 2.91)]


@pytest.mark.parametrize("frame", ["0264", "010fa0", "01ffce070e10"])
def test_an_entry_of_elsys_may_be_of_anybody(frame: str) -> None:
    """Types are one byte and most bytes are one: whose the frame is must be said."""
    assert outcome(uplink(frame, port=5)).refused == "unmapped"
    assert outcome(uplink(frame, port=5), "Elsys ERS").refused in {None, "schema"}
    assert values(outcome(uplink("0264", port=5, profile="ELSYS ERS2"))) == {"rh": 100}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (uplink(ROOM, data="!!"), "encoding"),
        (uplink(ROOM, data="A" * 2000), "too_large"),
        (uplink("", data=base64.b64encode(bytes(300)).decode()), "too_large"),
        (uplink(ROOM, data=17), "unmapped"),
        (uplink(""), "unmapped"),
        (uplink(ROOM, fPort="x"), "schema"),
        (uplink(ROOM, fPort=True), "schema"),
        (uplink(ROOM, fPort=256), "schema"),
    ],
)
def test_what_is_no_frame_is_refused(payload: bytes, reason: str) -> None:
    assert outcome(payload, "AM103").refused == reason


def test_the_padding_of_base64_may_be_left_out() -> None:
    data = base64.b64encode(bytes.fromhex("036701000368")[:4]).decode()
    assert data.endswith("=")
    assert values(outcome(uplink("", data=data.rstrip("=")), "AM102")) == {"temp": 0.1}


def test_of_a_frame_that_is_cut_off_nothing_is_stored_and_no_device_enrolled() -> None:
    directory, out = Directory(None, enrols=True, max_devices=10), Collector()
    decoders = Decoders(PROFILES, foreign=FORMATS)
    cut = uplink(f"{ROOM}20ce781a4165df006e90", profile="AM103")
    with pytest.raises(RejectedError, match="ends within entry 20ce"):
        decoders.decode(record(cut, TOPIC.encode()), directory, out)
    assert (list(out.batches()), out.events, directory.new_rows()) == ([], [], [])


OWN = """codec = "acme"
title = "Acme tank sensor"
source = "its data sheet"
[[layout]]
models = ["T1"]
ports = [2]
[layout.entries]
"" = [{ name = "level", as = "u16le", unit = "cm", to = "wq1.level" }]
[[example]]
model = "acme T1"
port = 2
frame = "2c01"
values = { level = 300 }
columns = { "wq1.level" = 3 }
"""


def own_formats(folder: Path, text: str) -> Any:
    (folder / "lorawan").mkdir()
    (folder / "lorawan" / "acme.toml").write_text(text, "utf-8")
    return build_foreign(ForeignSection(mappings=folder), PROFILES)


def test_a_new_sensor_is_one_file(tmp_path: Path) -> None:
    formats = own_formats(tmp_path, OWN)
    payload = uplink("2c01", port=2, profile="Acme T1")
    got = try_message(formats, TOPIC, payload, RECEIVED_MS, PROFILES)
    assert values(got, "wq1") == {"level": 3}


def test_a_file_of_ones_own_wins_over_one_that_ships(tmp_path: Path) -> None:
    text = OWN.replace('"acme"', '"milesight"').replace('"T1"', '"WS301"')
    formats = own_formats(tmp_path, text)
    payload = uplink("2c01", port=2, profile="WS301")
    got = try_message(formats, TOPIC, payload, RECEIVED_MS, PROFILES)
    assert values(got, "wq1") == {"level": 3}


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('as = "u16le"', 'as = "u17"', "'u17' is no kind of value"),
        ("wq1.level", "wq1.height", "there is no column wq1.height"),
        ('"cm"', '"V"', "convert|unit|voltage"),
        ('"" = [', '"0g" = [', "is not a tag"),
        ("ports = [2]", "port = [2]", "port"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        own_formats(tmp_path, OWN.replace(right, wrong))
