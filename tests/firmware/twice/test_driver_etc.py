"""The toll lane: tags, vehicles, and what is between a reader and its host."""

from fieldnode.drivers import Driver, load
from fieldnode.drivers.etc import crc_of, keyed_hash
from tests.firmware.twice.build_etc import answer, message, remainder, toc_tag
from tests.firmware.twice.streams import broken, dribbled
from tests.firmware.twice.support import Draw, count_of, raises

if False:  # for the type checker
    Row = tuple[int | None, ...]

KEY = "of the operator"
CAR, TRUCK = 1, 8  # vehicle types of a tag


def lane(key: str = KEY, **options: object) -> Driver:
    return load("etc", "etc1", dict(options, key=key))


def rows_at(driver: Driver, uptime_ms: int) -> "list[Row]":
    driver.poll(uptime_ms)
    rows: "list[Row]" = []
    while True:
        row = driver.take(uptime_ms)
        if row is None:
            return rows
        assert row[1] == 0
        rows.append(row[0])


def passes(driver: Driver, front_ms: int, rear_ms: int) -> None:
    driver.edge(0, 1, front_ms * 1000)
    driver.edge(0, 0, rear_ms * 1000)


def hash_of(tag: str) -> int:
    return keyed_hash(KEY.encode(), tag.encode())


def test_the_check_is_a_division_of_polynomials() -> None:
    # By hand: "A" is x^6 + 1, below the generator's degree, so it stays; "AA" likewise. With "1"
    # before them, 0x314141 = 0x31 x^16 + 0x4141, and x^16 leaves x^12 + x^5 + 1: 0x31 times that
    # is 0x31000 ^ 0x620 ^ 0x31, of which 0x3 x^16 leaves 0x3063 once more.
    assert crc_of(b"A") == 0x41
    assert crc_of(b"AA") == 0x4141
    assert crc_of(b"1AA") == 0x4141 ^ 0x1000 ^ 0x620 ^ 0x31 ^ 0x3063
    draw = Draw(3)
    for _ in range(count_of(100, 10_000)):
        text = draw.bytes(draw(77))
        assert crc_of(text) == remainder(text)


def test_the_hash_is_the_upper_53_bits_of_rfc_4231() -> None:
    # Test cases 1, 2 and 6 (a key of 131 bytes) begin with b0344c61d8db38…, 5bdcc146bf6075…, and
    # 60e431591ee0b6…: seven bytes, less three bits.
    cases = (
        (b"\x0b" * 20, b"Hi There", 0xB0344C61D8DB38),
        (b"Jefe", b"what do ya want for nothing?", 0x5BDCC146BF6075),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            0x60E431591EE0B6,
        ),
    )
    for key, text, begin in cases:
        assert keyed_hash(key, text) == begin >> 3


def test_a_tag_is_read_acknowledged_and_joined_with_its_vehicle() -> None:
    driver, tag = lane(), toc_tag(CAR, 480_314)
    driver.feed(message("0", tag), 1000)
    assert driver.poll(1010) == answer("0", "@")
    assert driver.poll(1020) is None
    passes(driver, 1200, 2500)
    assert rows_at(driver, 2600) == []  # the gap of a trailer's bar
    assert rows_at(driver, 2800) == [(0, 1500, 2, 0, 0, hash_of(tag))]  # from the first read on
    assert driver.at_ms == 2500
    assert (driver.telegrams, driver.errors) == (1, 0)


def test_a_vehicle_without_a_tag_is_told_from_one_that_could_not_be_read() -> None:
    driver = lane()
    passes(driver, 1000, 2000)
    assert rows_at(driver, 3000) == [(2, 1000, 0, 0, 0, None)]
    wrong = bytearray(message("2", toc_tag(CAR, 7)))
    wrong[9] ^= 1
    for _ in range(2):
        driver.feed(bytes(wrong), 5000)
        assert driver.poll(5010) == answer("2", "?")
    passes(driver, 5000, 6000)
    assert rows_at(driver, 7000) == [(4, 1000, 0, 0, 2, None)]
    assert driver.errors == 2


def test_what_comes_again_since_our_answer_was_lost_counts_once() -> None:
    driver, tag = lane(), toc_tag(TRUCK, 9)
    for _ in range(3):
        driver.feed(message("4", tag), 1000)
        assert driver.poll(1010) == answer("4", "@")
    driver.feed(message("6", tag + "%00-0-01-1"), 1100)  # read again, with auxiliary data
    passes(driver, 1200, 2500)
    assert rows_at(driver, 3000) == [(0, 1500, 4, 0, 1, hash_of(tag))]
    driver.feed(message("8", tag), 3100)  # from behind
    passes(driver, 8000, 9000)
    assert rows_at(driver, 9500) == [(2, 1000, 0, 0, 0, None)]


def test_a_damaged_message_that_comes_again_sound_is_a_retry() -> None:
    driver, tag = lane(), toc_tag(CAR, 11)
    driver.feed(message("0", tag).replace(b"3E", b"3D"), 1000)
    driver.feed(message("0", tag), 1200)
    passes(driver, 1100, 2500)
    assert rows_at(driver, 3000) == [(0, 1400, 2, 0, 1, hash_of(tag))]


def test_tags_and_vehicles_meet_in_their_order() -> None:
    driver = lane()
    tags = [toc_tag(CAR, number) for number in range(3)]
    driver.feed(message("0", tags[0]), 1000)
    driver.edge(0, 1, 1_100_000)
    driver.feed(message("2", tags[1]), 1800)  # who follows is read before the first has left
    driver.edge(0, 0, 2_000_000)
    driver.edge(0, 1, 2_500_000)
    driver.feed(message("4", tags[2]), 2600)
    driver.edge(0, 0, 3_500_000)
    passes(driver, 4000, 5000)
    found = rows_at(driver, 6000)
    assert [row[5] for row in found] == [hash_of(tag) for tag in tags]
    assert [row[1] for row in found] == [1000, 1700, 2400]


def test_a_tag_of_the_next_lane_is_nobody_s() -> None:
    driver = lane()
    driver.feed(message("0", toc_tag(CAR, 5)), 1000)
    assert rows_at(driver, 11_000) == []
    passes(driver, 12_000, 13_000)
    assert rows_at(driver, 14_000) == [(2, 1000, 0, 0, 0, None)]
    assert driver.errors == 1


def test_a_tag_waits_as_long_as_its_vehicle_does() -> None:
    driver, tag = lane(), toc_tag(CAR, 5)
    driver.feed(message("0", tag), 1000)
    driver.edge(0, 1, 1_500_000)
    assert rows_at(driver, 60_000) == []
    driver.edge(0, 0, 61_000_000)
    assert rows_at(driver, 62_000) == [(0, 60_000, 2, 0, 0, hash_of(tag))]


def test_axles_give_the_class_that_the_lane_has_measured() -> None:
    driver, tag = lane(), toc_tag(CAR, 21)
    driver.feed(message("0", tag), 900)
    driver.edge(0, 1, 1_000_000)
    # 18 km/h: 2 m between the sensors are 400 ms; 5.9 m between the axles of a bus are 1180 ms
    for at_ms, channel in ((1200, 1), (1600, 2), (2380, 1), (2780, 2)):
        driver.edge(channel, 1, at_ms * 1000)
        driver.edge(channel, 0, at_ms * 1000 + 5000)
    driver.edge(0, 0, 3_300_000)
    assert rows_at(driver, 4000) == [(0, 2400, 2, 3, 0, hash_of(tag))]
    passes(driver, 20_000, 21_000)  # the class is not handed on
    assert rows_at(driver, 22_000)[0][3] == 0


def test_the_type_of_the_tag_becomes_a_class_of_the_profile() -> None:
    # undefined, automobile, motorcycle, pickup, van, minibus, bus, mobile home, truck, ≥ 9: long
    expected = (0, 2, 1, 2, 2, 3, 3, 0, 4, 5, 5, 5, 5, 5, 5, 5, 0, 5, 0)
    driver = lane(presence=0)
    digits = "02468ACE"
    for kind in range(len(expected)):
        tag = toc_tag(kind, 1000 + kind)
        tag = tag if kind % 2 else "31B0" + tag  # with and without the protocol control word
        driver.feed(message(digits[kind % 8], tag), 100_000 * kind)
        (row,) = rows_at(driver, 100_000 * kind + 10_000)
        assert row[:5] == (0, None, expected[kind], 0, 0), kind
    for other in ("KING 1302", "3E" + "Z" * 22, "E2" + toc_tag(CAR, 1)[2:]):  # no 6C TOC tag
        driver.feed(message("0", other), 9_000_000)
        (row,) = rows_at(driver, 9_010_000)
        assert (row[2], row[5]) == (0, hash_of(other))


def test_no_key_no_hash_and_what_the_reader_says_of_itself_is_no_tag() -> None:
    driver = lane("", presence=0)
    driver.feed(message("0", "KING 1302"), 0)
    assert rows_at(driver, 10_000) == [(0, None, 0, 0, 0, None)]
    for text in ("Error06", "Done", "Model E4 Series Ver 1.00 SN08001P"):
        driver.feed(message("2", text), 20_000)
    assert rows_at(driver, 40_000) == []
    assert driver.errors == 1


def test_without_a_light_curtain_every_tag_is_a_passage_however_fast_they_come() -> None:
    driver = lane(presence=0)
    tags = [toc_tag(CAR, number) for number in range(12)]
    for number in range(12):
        text = message("02468ACE"[number % 8], tags[number])
        driver.feed(text.replace(b"3E", b"3D"), 1000 + 50 * number)  # damaged, and once more
        driver.feed(text, 1020 + 50 * number)
    found = rows_at(driver, 10_000)
    assert [row[4:] for row in found] == [(1, hash_of(tag)) for tag in tags]
    assert driver.errors == 12


def test_the_basic_protocol_has_no_check_and_its_rows_are_suspect() -> None:
    driver = lane(presence=0, unchecked=1)
    assert driver.line == (9600, 8, None, 1)
    driver.feed(b"#KING 1302\r\n", 0)
    assert driver.poll(10_000) is None
    assert driver.take(10_000) == ((0, None, 0, 0, 0, hash_of("KING 1302")), 1)


def test_broken_messages_are_no_tags() -> None:
    draw = Draw(8)
    for number in range(count_of(150, 10_000)):
        driver, tag = lane(presence=0), toc_tag(draw(18), draw(1 << 28))
        text = message("02468ACE"[draw(8)], tag)
        for piece in dribbled(broken(text, draw), draw):
            driver.feed(piece, 0)
        found = rows_at(driver, 10_000)
        driver.feed(b"\r" + message("0", "AFTERWARDS"), 30_000)  # it may have lost its end only
        found += rows_at(driver, 40_000)
        assert found.pop()[5] == hash_of("AFTERWARDS")
        assert [row[5] for row in found] in ([], [hash_of(tag)]), number


def test_nothing_grows_without_bounds() -> None:
    driver = lane()
    for number in range(100):
        driver.feed(b"#" + b"x" * 200 + message("02468ACE"[number % 8], "TAG %d" % number), 1000)
        passes(driver, 10_000 * number, 10_000 * number + 5000)
    assert len(rows_at(driver, 2_000_000)) == 16
    driver.edge(3, 1, 0)  # a sensor too many
    driver.edge(3, 0, 9)


def test_options() -> None:
    assert "profile" in raises(ValueError, load, "etc", "pv1")
    assert "baud" in raises(ValueError, load, "etc", "etc1", {"baud": 1})
    assert load("etc", "etc1", {"baud": 38_400}).line == (38_400, 8, None, 1)
