"""docs/devices.md is what the mapping files say."""

from gateway.decode.foreign.family import CODECS, SHIPPED, load_families
from gateway.decode.foreign.lorawan.forms import load_codec_files
from tests.unit.decode.test_lorawan_field import FATES
from tools import devices_doc


def test_the_document_is_made_from_the_mapping_files() -> None:
    text = devices_doc.DOCUMENT.read_text("utf-8")
    assert devices_doc.render(text) == text, "run python tools/devices_doc.py"


def test_every_family_has_a_line_and_an_example() -> None:
    text = devices_doc.DOCUMENT.read_text("utf-8")
    for family in load_families(SHIPPED).values():
        assert f"| `{family.family}` |" in text
        assert f"### {family.title}" in text


def test_every_maker_has_a_line_and_an_example() -> None:
    text = devices_doc.DOCUMENT.read_text("utf-8")
    for file in load_codec_files(SHIPPED / CODECS).values():
        assert f"| `{file.codec}` |" in text
        assert f"#### {file.title}" in text


def test_the_table_of_lorawan_rows_has_the_figures_of_the_tests() -> None:
    text = devices_doc.DOCUMENT.read_text("utf-8")
    for maker, (declared, undeclared) in FATES.items():
        figures = sum(declared.values()), declared["right"], undeclared.get("right", 0)
        rows, right, by_shape = figures
        assert f"| {maker} | {rows} | {right} | {by_shape} |" in text
    total = sum(sum(declared.values()) for declared, _ in FATES.values())
    right = sum(declared["right"] for declared, _ in FATES.values())
    assert (
        total,
        f"| LoRaWAN frames in ChirpStack and The Things Stack, {total} | {right} | {right} |"
        in text,
    ) == (320, True)
