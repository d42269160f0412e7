"""The mapping files that ship: each runs the examples written in it."""

import pytest

from gateway.config.foreign import ForeignSection
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.family import SHIPPED, load_families
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.trial import run_examples
from gateway.model import Record
from gateway.ports import Route
from tests.unit.decode.support import PROFILES, RECEIVED_MS


class Directory:
    """A registry of one device."""

    def route(self, org: str, sector: str, device: str) -> Route:
        return Route(0, sector, is_registered=True)

    def foreign(self, topic: str, named: tuple[str, str], org: str, sector: str) -> Route:
        return Route(0, sector, is_registered=True)


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
