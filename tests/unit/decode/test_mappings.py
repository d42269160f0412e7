"""The mapping files that ship: each runs the examples written in it."""

import pytest

from gateway.decode.foreign.family import SHIPPED, load_families
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.trial import run_examples
from tests.unit.decode.support import PROFILES, RECEIVED_MS

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
