"""How a line treats telegrams: in pieces, and broken."""

from fieldnode.drivers import Driver
from tests.firmware.twice.support import Draw

if False:  # for the type checker
    from collections.abc import Iterable, Iterator


def rows_of(driver: Driver, pieces: "Iterable[bytes]", uptime_ms: int = 0) -> "list[object]":
    """Feed the pieces, 10 ms apart, and return the rows."""
    rows: "list[object]" = []
    for piece in pieces:
        driver.poll(uptime_ms)
        driver.feed(piece, uptime_ms)
        row = driver.take(uptime_ms)
        if row:
            rows.append(row)
        uptime_ms += 10
    return rows


def dribbled(data: bytes, draw: Draw) -> "Iterator[bytes]":
    """Cut the data into pieces of 0…20 bytes."""
    at = 0
    while at < len(data):
        size = draw(20)
        yield data[at : at + size]
        at += size


def broken(data: bytes, draw: Draw) -> bytes:
    """Flip up to three bits, or cut, lose or insert some bytes."""
    how = draw(4)
    out = bytearray(data)
    at = draw(len(out))
    if how == 0:
        for _ in range(1 + draw(3)):
            out[draw(len(out))] ^= 1 << draw(8)
        return bytes(out)
    if how == 1:
        return data[:at]
    if how == 2:
        return data[:at] + data[at + 1 + draw(8) :]
    return data[:at] + draw.bytes(1 + draw(8)) + data[at:]


def is_harmless(driver: Driver, text: bytes, good: "list[object]", draw: Draw) -> None:
    """Feed something broken, then the sound text: only the sound one may give a row."""
    damaged = broken(text, draw)
    before = driver.errors
    rows = rows_of(driver, dribbled(damaged, draw))
    assert not rows or rows == good, rows
    if not rows and len(damaged) >= len(text):
        rows_of(driver, [text])  # it may be eaten as the end of the broken one
        # what begins in no way a telegram is noise between two, not an error
        assert driver.errors > before or damaged[:8] != text[:8]
    for _ in range(3):
        rows_of(driver, [text])
    assert rows_of(driver, dribbled(text, draw)) == good
