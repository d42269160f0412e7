"""docs/devices.md is what the mapping files say."""

from gateway.decode.foreign.family import SHIPPED, load_families
from tools import devices_doc


def test_the_document_is_made_from_the_mapping_files() -> None:
    text = devices_doc.DOCUMENT.read_text("utf-8")
    assert devices_doc.render(text) == text, "run python tools/devices_doc.py"


def test_every_family_has_a_line_and_an_example() -> None:
    text = devices_doc.DOCUMENT.read_text("utf-8")
    for family in load_families(SHIPPED).values():
        assert f"| `{family.family}` |" in text
        assert f"### {family.title}" in text
