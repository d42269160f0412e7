"""Ciphered pushes by others' code (dlms-cosem on OpenSSL): the driver finds what is in them."""

import pytest
from dlms_cosem.security import SecurityControlField, encrypt

from fieldnode.drivers import load
from fieldnode.drivers.glo import Gcm
from tests.faults import quick_or_soak
from tests.firmware import meters
from tests.firmware.expected_rows import row_of
from tests.firmware.test_drivers_oracle import amshan_values
from tests.firmware.twice import build_dlms
from tests.firmware.twice.streams import dribbled
from tests.firmware.twice.support import Draw

pytestmark = pytest.mark.timeout(600)


def _length(size: int) -> bytes:
    """Return a length as BER has it."""
    return bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")


@pytest.mark.parametrize("is_authenticated", [True, False])
def test_what_openssl_has_ciphered_is_read_as_in_the_clear(is_authenticated: bool) -> None:  # noqa: FBT001
    draw = Draw(26)
    for counter in range(quick_or_soak(200, 10_000)):
        key, authentication, title = draw.bytes(16), draw.bytes(16), draw.bytes(8)
        clear = (meters.aidon, meters.kamstrup, meters.kaifa)[draw(3)](draw)
        control = SecurityControlField(0, authenticated=is_authenticated, encrypted=True)
        body = control.to_bytes() + counter.to_bytes(4, "big")
        if is_authenticated:
            body += encrypt(control, title, counter, key, clear[3:], authentication)
        else:  # dlms-cosem knows no push without authentication
            body += encrypt(
                SecurityControlField(0, authenticated=True, encrypted=True),
                *(title, counter, key, clear[3:], authentication),
            )[:-12]
        text = build_dlms.hdlc(b"\xe6\xe7\x00\xdb\x08" + title + _length(len(body)) + body)
        driver = load("dlms", "em1", {"key": (key + authentication).hex()})
        for piece in dribbled(text, draw):
            driver.feed(piece, 0)
        values = amshan_values(build_dlms.hdlc(clear))
        row = row_of("em1", values)
        assert driver.take(0) == (None if row is None else (row, 0))


def test_tags_of_messages_of_every_length_are_openssl_s() -> None:
    draw = Draw(27)
    control = SecurityControlField(0, authenticated=True, encrypted=True)
    for size in range(quick_or_soak(80, 600)):
        key, authentication, title = draw.bytes(16), draw.bytes(16), draw.bytes(8)
        text, gcm, iv = draw.bytes(size), Gcm(key), title + size.to_bytes(4, "big")
        data = bytes(gcm.crypt(iv, text))
        data += gcm.tag(iv, control.to_bytes() + authentication, data)
        assert data == encrypt(control, title, size, key, text, authentication)
