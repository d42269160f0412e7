"""The codec files that ship: each runs the examples written in it."""

import pytest

from gateway.decode.foreign.family import CODECS, SHIPPED
from gateway.decode.foreign.lorawan.codecs import Codecs
from gateway.decode.foreign.lorawan.forms import (
    CodecExample,
    CodecFile,
    FieldForm,
    load_codec_files,
)
from gateway.decode.foreign.lorawan.trial import run_codec_examples
from gateway.errors import ConfigError
from tests.unit.decode.support import PROFILES

ACME = {
    "codec": "acme",
    "title": "Acme",
    "source": "its data sheet",
    "layout": [{"ports": [2], "entries": {"01": [{"as": "skip:1"}]}}],
}
FILES = load_codec_files(SHIPPED / CODECS)


@pytest.mark.parametrize("maker", FILES)
def test_examples_of_a_codec_file_become_what_it_says(maker: str) -> None:
    file = FILES[maker]
    assert file.example, "a codec without an example is not known to work"
    assert run_codec_examples(file, PROFILES) == []


def test_all_models_of_all_files_compile_and_go_to_columns_that_there_are() -> None:
    Codecs(FILES.values(), PROFILES).check()


@pytest.mark.parametrize("to", ["clim1.nothing", "nobody.temp", "clim1.rh"])
def test_a_column_that_is_not_there_or_is_of_another_unit_is_named(to: str) -> None:
    file = FILES["elsys"]
    (layout,) = file.layout
    field = FieldForm.model_validate({"name": "t", "as": "i16", "unit": "°C", "to": to})
    wrong = layout.model_copy(update={"entries": {"01": (field,)}})
    with pytest.raises(ConfigError, match="codec elsys: "):
        Codecs([file.model_copy(update={"layout": (wrong,)})], PROFILES).check()


def test_one_name_does_not_go_to_two_columns() -> None:
    """A room's temperature would be a road's as well."""
    file = FILES["elsys"]
    (layout,) = file.layout
    fields = [
        FieldForm.model_validate({"name": "t", "as": "u8", "to": to})
        for to in ("clim1.temp", "wx1.temp")
    ]
    entries = {"01": (fields[0],), "02": (fields[1],)}
    wrong = file.model_copy(update={"layout": (layout.model_copy(update={"entries": entries}),)})
    with pytest.raises(ConfigError, match=r"t goes to wx1\.temp and elsewhere"):
        Codecs([wrong], PROFILES).check()


def test_an_example_that_is_wrong_is_named() -> None:
    file = FILES["elsys"]
    example = file.example[0].model_copy(update={"values": {"temperature": 22.7}})
    wrong = file.model_copy(update={"example": (example,)})
    problems = run_codec_examples(wrong, PROFILES)
    assert any("temperature is 22.6, not 22.7" in problem for problem in problems)


def test_a_frame_of_an_example_is_hexadecimal() -> None:
    with pytest.raises(ValueError, match="'zz' is not hexadecimal"):
        CodecExample.model_validate({"port": 2, "frame": "zz"})


def test_an_example_that_shows_nothing_is_named() -> None:
    file = CodecFile.model_validate(
        {**ACME, "example": [{"model": "acme", "port": 2, "frame": "0100"}]}
    )
    (problem,) = run_codec_examples(file, PROFILES)
    assert problem == "acme: example 0 (acme): the frame says nothing, so the example shows nothing"
