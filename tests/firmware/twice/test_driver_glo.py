"""Ciphered pushes: GCM by published vectors, and what a driver lets in."""

from fieldnode.drivers import Driver, load
from fieldnode.drivers.glo import Gcm
from tests.firmware.twice.build_dlms import hdlc, obis, u32
from tests.firmware.twice.support import raises

ENCRYPTION, AUTHENTICATION = bytes(range(16)), bytes(range(0xD0, 0xE0))
TITLE = b"MMM\0\0\xbc\x61\x4e"
SCALE = b"\x02\x02\x0f\x00\x16\x1e"  # structure of 2: scaler 10^0, unit Wh
LIST = b"\x01\x01\x02\x03" + obis(1, 0, 1, 8, 0, 255) + u32(123_456) + SCALE
PUSH = b"\x0f\x00\x00\x00\x01\x00" + LIST
ROW = ((123_456, None, None, None, None, None), 0)


def of_hex(text: str) -> bytes:
    return bytes([int(text[at : at + 2], 16) for at in range(0, len(text), 2)])


def ciphered(
    counter: int, control: int = 0x30, push: bytes = PUSH, key: bytes = ENCRYPTION
) -> bytes:
    """Return a push on the line; ``test_driver_dlms_glo.py`` has another's code do the same."""
    gcm, number = Gcm(key), counter.to_bytes(4, "big")
    data = bytes(gcm.crypt(TITLE + number, push))
    if control & 0x10:
        data += gcm.tag(TITLE + number, bytes([control]) + AUTHENTICATION, data)
    body = bytes([control]) + number + data
    return hdlc(b"\xe6\xe7\x00\xdb\x08" + TITLE + bytes([len(body)]) + body)


def meter(secret: bytes = ENCRYPTION + AUTHENTICATION) -> Driver:
    return load("dlms", "em1", {"key": "".join(["%02x" % byte for byte in secret])})


def said(driver: Driver, text: bytes) -> object:
    driver.feed(text, 0)
    return driver.take(0)


def test_gcm_is_that_of_its_specification() -> None:
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test case 4
    gcm = Gcm(of_hex("feffe9928665731c6d6a8f9467308308"))
    iv, aad = of_hex("cafebabefacedbaddecaf888"), of_hex("feedfacedeadbeef" * 2 + "abaddad2")
    plain = of_hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    cipher = of_hex(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
    )
    assert gcm.crypt(iv, plain) == cipher
    assert gcm.crypt(iv, cipher) == plain
    assert gcm.tag(iv, aad, cipher) == of_hex("5bc94fbc3221a5db94fae95a")  # 12 of 16 bytes


def test_gcm_is_that_of_the_green_book() -> None:
    # DLMS UA 1000-2, the example of a ciphered get-request: C8 1E 30 01234567 …
    gcm, iv = Gcm(ENCRYPTION), TITLE + of_hex("01234567")
    cipher = bytes(gcm.crypt(iv, of_hex("c0010000080000010000ff0200")))
    assert cipher == of_hex("411312ff935a47566827c467bc")
    assert gcm.tag(iv, b"\x30" + AUTHENTICATION, cipher) == of_hex("7d825c3be4a77c3fcc056b6b")


def test_a_push_is_opened_whether_authenticated_or_only_encrypted() -> None:
    driver = meter()
    assert said(driver, ciphered(5)) == ROW
    assert said(driver, ciphered(6, 0x20)) == ROW
    assert said(meter(ENCRYPTION), ciphered(7, 0x20)) == ROW
    assert (driver.telegrams, driver.errors) == (2, 0)


def test_what_is_old_wrong_or_in_the_clear_is_refused() -> None:
    driver = meter()
    assert said(driver, ciphered(5)) == ROW
    other = bytes(15) + b"\1"
    for text in (
        ciphered(5),  # once more
        ciphered(4),
        ciphered(6, key=other),
        ciphered(6, 0x20, key=other),
        ciphered(6, 0x10),  # only authenticated
        ciphered(6, 0xB0),  # compressed
        ciphered(6, 0x31),  # suite 1
        ciphered(6, push=b"\xc0" + PUSH[1:]),  # another service
        hdlc(b"\xe6\xe7\x00" + PUSH),
    ):
        assert said(driver, text) is None
    assert driver.errors == 9
    assert said(driver, ciphered(6)) == ROW
    assert (
        said(meter(ENCRYPTION), ciphered(9)) is None
    )  # the key that it is to be proved by is missing
    assert said(load("dlms", "em1"), ciphered(9)) is None


def test_each_bit_of_an_authenticated_push_counts() -> None:
    sound = ciphered(5)
    start = sound.find(b"\xdb") + 11
    for at in range(start, len(sound) - 3, 7):
        message = bytearray(sound[sound.find(b"\xe6") : -3])
        message[at - sound.find(b"\xe6")] ^= 1 << at % 8
        assert said(meter(), hdlc(bytes(message))) is None, at


def test_a_secret_that_is_no_key_is_named() -> None:
    for secret in ("00", "zz" * 16, "00" * 17):
        raises(ValueError, load, "dlms", "em1", {"key": secret})
