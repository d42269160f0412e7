"""The mapping files that ship: each runs the examples written in it."""

from pathlib import Path

import pytest

from gateway.config.foreign import ForeignSection
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.family import SHIPPED, load_families, parse_family
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.trial import run_examples, try_message
from gateway.errors import ConfigError
from gateway.model import Record
from gateway.ports import Route
from tests.unit.decode.support import PROFILES, RECEIVED_MS


class Directory:
    """A registry of one device."""

    def route(self, org: str, sector: str, device: str) -> Route:
        return Route(0, sector, is_registered=True)

    def foreign(self, topic: str, named: tuple[str, str], org: str, sector: str) -> Route:
        return Route(0, sector, is_registered=True)

    def model(self, topic: str) -> str:
        return ""

    def zone(self, topic: str) -> str | None:
        return None


FAMILIES = load_families(SHIPPED)


@pytest.mark.parametrize("name", FAMILIES)
def test_examples_of_a_mapping_file_become_what_it_says(name: str) -> None:
    family = FAMILIES[name]
    assert family.example, "a mapping without an example is not known to work"
    assert run_examples(family, Options(PROFILES, (), None, "site"), RECEIVED_MS) == []


@pytest.mark.parametrize("name", FAMILIES)
def test_every_reading_of_a_mapping_file_has_columns_of_a_profile(name: str) -> None:
    for message in FAMILIES[name].message:
        for reading in message.reading:
            known = {column.name for column in PROFILES[reading.profile].columns}
            assert reading.columns.keys() <= known


def test_an_example_that_is_wrong_is_named() -> None:
    family = FAMILIES["tasmota"]
    example = family.example[0]
    row = example.reading[0].model_copy(update={"values": {"p": 124}})
    wrong = family.model_copy(update={"example": (example.model_copy(update={"reading": (row,)}),)})
    (problem,) = run_examples(wrong, Options(PROFILES, (), None, "site"), RECEIVED_MS)
    assert problem.startswith("tasmota: example 0 (tele/plug_12/SENSOR): columns [")


def test_two_values_within_a_millisecond_are_two_readings() -> None:
    """Topics of one value each: both rows are stamped, and a time is who they are."""
    decoders = Decoders(PROFILES, foreign=build_foreign(ForeignSection(), PROFILES))
    directory, out = Directory(), Collector()
    for number, (key, value) in enumerate((("power", "42"), ("energy", "600"), ("power", "43"))):
        topic = f"shellies/plug-1/relay/0/{key}".encode()
        decoders.decode(Record(number, RECEIVED_MS, 0, 0, topic, value.encode()), directory, out)
    (batch,) = out.batches()
    assert batch.is_stamped.all()
    assert (batch.readings.time_ms - RECEIVED_MS).tolist() == [0, 1, 2]


def test_a_file_is_called_as_its_family_is() -> None:
    # the names that [foreign] families may say are known without reading the files
    assert list(FAMILIES) == sorted(file.stem for file in SHIPPED.glob("*.toml"))


def test_what_a_configuration_gets_wrong_is_found_without_what_ships(tmp_path: Path) -> None:
    def build(**keys: object) -> None:
        build_foreign(ForeignSection.model_validate(keys), PROFILES, own_only=True)

    build(families=["tasmota", "sparkplug"])
    with pytest.raises(ConfigError, match=r"families: 'tasmoda' is unknown: .*tasmota"):
        build(families=["tasmoda"])
    (tmp_path / "mine.toml").write_text('family = "mine"\n')
    with pytest.raises(ConfigError, match=r"mine\.toml: title"):
        build(mappings=tmp_path)


DOOR = """
family = "door"
title = "door"
source = "a test"
[[message]]
name = "m"
topic = ["door"]
[[message.reading]]
profile = "clim1"
[message.reading.columns]
open = { path = "closed", codes = { true = 0, false = 1 } }
temp = "temp"
"""


def formats_of(text: str, folder: Path) -> list[MappedFamily]:
    family = parse_family(text, folder / "own.toml")
    return [MappedFamily(family, Options(PROFILES, (), None, "site"))]


@pytest.mark.parametrize(("closed", "wanted"), [("true", 0), ("false", 1)])
def test_yes_and_no_may_have_codes_of_their_own(closed: str, wanted: int, tmp_path: Path) -> None:
    """Also of the second message of its kind, which is read by what the first has taught."""
    formats = formats_of(DOOR, tmp_path)
    for temp in (20.5, 21.5, 22.5):
        payload = f'{{"closed":{closed},"temp":{temp}}}'.encode()
        (row,) = try_message(formats, "door", payload, RECEIVED_MS, PROFILES).readings
        assert row.values == {"open": wanted, "temp": temp}


ROOMS = """
family = "rooms"
title = "rooms"
source = "a test"
[[message]]
name = "m"
topic = ["rooms"]
[[message.reading]]
profile = "clim1"
at = "*"
[message.reading.columns]
temp = "temp"
"""


@pytest.mark.parametrize("room", ["a\\\\b", 'a\\"b', "a\\u0001", "a\\u2028"])
def test_a_key_that_json_escapes_is_read_as_any_other(room: str, tmp_path: Path) -> None:
    """What has been read once is read by a type of its own, whose fields may not be named so."""
    formats = formats_of(ROOMS, tmp_path)
    for temp in (20.5, 21.5, 22.5):
        payload = f'{{"{room}":{{"temp":{temp}}}}}'.encode()
        (row,) = try_message(formats, "rooms", payload, RECEIVED_MS, PROFILES).readings
        assert row.values == {"temp": temp}
