"""DLMS push: known answers, dribbled and broken streams."""

from fieldnode.drivers import load
from tests.firmware.twice import build_dlms
from tests.firmware.twice.streams import dribbled, is_harmless, rows_of
from tests.firmware.twice.support import Draw, count_of

DLMS_ROW = (22_721_380, None, 280, 2276, 130, None)


def dlms_message() -> bytes:
    """Return a list in Aidon's manner."""
    scale = b"\x02\x02\x0f%s\x16%s"
    items = [
        b"\x02\x02" + build_dlms.obis(1, 1, 0, 2, 129, 255) + b"\x0a\x0bAIDON_V0001",
        b"\x02\x03"
        + build_dlms.obis(1, 0, 1, 7, 0, 255)
        + build_dlms.u32(280)
        + scale % (b"\0", b"\x1b"),
        b"\x02\x03"
        + build_dlms.obis(1, 0, 31, 7, 0, 255)
        + b"\x10\x00\x0d"
        + scale % (b"\xff", b"\x21"),
        b"\x02\x03"
        + build_dlms.obis(1, 0, 32, 7, 0, 255)
        + build_dlms.u16(2276)
        + scale % (b"\xff", b"\x23"),
        b"\x02\x02" + build_dlms.obis(0, 0, 1, 0, 0, 255) + b"\x09\x0c" + bytes(12),
        b"\x02\x03"
        + build_dlms.obis(1, 0, 1, 8, 0, 255)
        + build_dlms.u32(2_272_138)
        + scale % (b"\x01", b"\x1e"),
        b"\x02\x02"
        + build_dlms.obis(1, 0, 2, 8, 0, 255)
        + build_dlms.u32(7),  # no scaler: no value
    ]
    head = b"\xe6\xe7\x00\x0f\x40\x00\x00\x00\x00\x01"
    return head + bytes((len(items),)) + b"".join(items)


def test_dlms_gives_a_row() -> None:
    driver = load("dlms", "em1", {"parity": "even"})
    assert driver.line == (2400, 8, 0, 1)
    text = build_dlms.hdlc(dlms_message())
    assert rows_of(driver, [b"\x7e\x7e" + text]) == [(DLMS_ROW, 0)]
    joined = text[:-1] + text + b"\x7e" + text  # one flag between frames is enough
    assert rows_of(driver, dribbled(joined, Draw(4))) == [(DLMS_ROW, 0)] * 3
    assert driver.errors == 0


def test_dlms_segments_are_joined() -> None:
    message = dlms_message()
    text = build_dlms.hdlc(message[:60], is_segment=True) + build_dlms.hdlc(message[60:])
    assert rows_of(load("dlms", "em1"), dribbled(text, Draw(6))) == [(DLMS_ROW, 0)]
    lost = build_dlms.hdlc(message[:60], is_segment=True) + build_dlms.hdlc(message)
    driver = load("dlms", "em1")
    assert rows_of(driver, [lost]) == []
    assert driver.errors == 1
    endless = build_dlms.hdlc(message, is_segment=True)
    rows_of(driver, [endless] * 20)
    assert driver.errors > 1


def test_dlms_a_flag_in_the_data_does_not_swallow_the_next_frame() -> None:
    driver = load("dlms", "em1")
    text = build_dlms.hdlc(dlms_message())
    # the opening flag is lost; what follows the one in the data would be 1,000 bytes long
    cut = text[1:40] + b"\x7e\xa3\xe8" + text[43:]
    assert rows_of(driver, [cut, text, text]) == [(DLMS_ROW, 0), (DLMS_ROW, 0)]


def test_dlms_broken_streams() -> None:
    draw = Draw(14)
    text = build_dlms.hdlc(dlms_message())
    for _ in range(count_of(60, 2000)):
        is_harmless(load("dlms", "em1"), text, [(DLMS_ROW, 0)], draw)


def test_dlms_a_sound_check_over_nonsense_is_no_row() -> None:
    draw = Draw(15)
    message = dlms_message()
    deep = message[:9] + b"\x02\x01" * 9 + b"\x00"
    encrypted = b"\xe6\xe7\x00\xdb" + bytes(60)
    for text in (message[:-1], message + b"\0", deep, encrypted, b"\xe6\xe7\x00\x0f"):
        driver = load("dlms", "em1")
        assert rows_of(driver, [build_dlms.hdlc(text)]) == []
        assert driver.errors == 1
    for _ in range(count_of(100, 5000)):
        driver = load("dlms", "em1")
        rows_of(driver, [build_dlms.hdlc(message[:9] + draw.bytes(draw(60)))])


def test_dlms_makers_without_scalers() -> None:
    kamstrup = b"\xe6\xe7\x00\x0f\x00\x00\x00\x00\x00\x02\x07\x0a\x0eKamstrup_V0001"
    kamstrup += build_dlms.obis(1, 1, 1, 8, 0, 255) + build_dlms.u32(7_745_250)
    kamstrup += build_dlms.obis(1, 1, 31, 7, 0, 255) + build_dlms.u32(4512)
    kamstrup += build_dlms.obis(1, 1, 32, 7, 0, 255) + build_dlms.u16(223)
    rows = rows_of(load("dlms", "em1"), [build_dlms.hdlc(kamstrup)])
    assert rows == [((77_452_500, None, None, 2230, 4512, None), 0)]
    kaifa = b"\xe6\xe7\x00\x0f\x40\x00\x00\x00\x09\x0c" + bytes(12) + b"\x02\x09"
    kaifa += b"\x09\x07KFM_001\x09\x02xx\x09\x02yy"
    for value in (4904, 0, 0, 377, 14_571, 2193):
        kaifa += build_dlms.u32(value)
    rows = rows_of(load("dlms", "em1"), [build_dlms.hdlc(kaifa)])
    assert rows == [((None, None, 4904, 2193, 1457, None), 0)]
