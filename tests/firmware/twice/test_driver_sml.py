"""SML: known answers, dribbled and broken streams."""

from fieldnode.drivers import load
from tests.firmware.twice import build_sml
from tests.firmware.twice.streams import dribbled, is_harmless, rows_of
from tests.firmware.twice.support import Draw, count_of

SML_ROW = (28_514_090, 12, -1234, 2301, 57, None)


def sml_text() -> bytes:
    """Return a file with a text of four escape characters in it."""
    none = b"\x01"
    entry = build_sml.sml_entry
    name = build_sml.sml_octets(bytes((129, 129, 199, 130, 5, 255)))
    key = build_sml.sml_octets(b"\x1b" * 24)
    return build_sml.sml(
        [
            entry((1, 0, 1, 8, 0, 255), 30, -1, build_sml.sml_int(285_140_904, 5, 6)),
            entry((1, 0, 1, 8, 0, 1), 30, -1, build_sml.sml_int(1, 5, 6)),
            entry((1, 0, 2, 8, 0, 255), 30, 0, build_sml.sml_int(12, 8, 5)),
            entry((1, 0, 16, 7, 0, 255), 27, 0, build_sml.sml_int(-1234, 2, 5)),
            entry((1, 0, 32, 7, 0, 255), 35, -1, build_sml.sml_int(2301, 2, 6)),
            entry((1, 0, 31, 7, 0, 255), 33, -3, build_sml.sml_int(567, 3, 6)),
            build_sml.sml_list([name, none, none, none, none, key, none]),
        ]
    )


def test_sml_gives_a_row() -> None:
    driver = load("sml", "em1")
    assert driver.line == (9600, 8, None, 1)
    text = sml_text()
    assert b"\x1b" * 8 in text
    assert rows_of(driver, [b"\x1b\x1b", text]) == [(SML_ROW, 0)]
    assert rows_of(driver, dribbled(text * 3, Draw(2))) == [(SML_ROW, 0)] * 3
    assert driver.errors == 0


def test_sml_broken_streams() -> None:
    draw = Draw(13)
    text = sml_text()
    for _ in range(count_of(60, 2000)):
        is_harmless(load("sml", "em1"), text, [(SML_ROW, 0)], draw)


def test_sml_a_sound_check_over_nonsense_is_no_row() -> None:
    driver = load("sml", "em1")
    entry = build_sml.sml_entry((1, 0, 1, 8, 0, 255), 30, 0, build_sml.sml_int(5, 4, 6))
    deep = entry
    for _ in range(10):
        deep = build_sml.sml_list([deep])
    for body in (entry + b"\x76\x05", entry + b"\x8f\x8f\x8f\x8f", deep, b"", bytes(1100)):
        before = driver.errors
        assert rows_of(driver, [build_sml.sml_file(body)]) == []
        assert driver.errors == before + 1
    assert rows_of(driver, [build_sml.sml_file(entry)]) == [((5,) + (None,) * 5, 0)]
