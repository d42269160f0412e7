"""Blocks in both interpreters: the vectors of docs/protocol.md, and what is refused."""

import gc
import json
import os
import sys
import time
from binascii import unhexlify

from fieldnode.core import block, varint
from tests.firmware.twice.support import is_micropython, raises

_SCHEMAS = {"em1": (1, 6), "tl1": (5, 10)}


def vectors() -> "list[tuple[dict, bytes]]":  # type: ignore[type-arg]
    """Return the rows and the bytes of each vector, reading a line at a time."""
    here = __file__.rsplit("/", 1)[0]
    rows = encoded = kind = ""
    found = []
    with open(os.getenv("FIELDNODE_PROTOCOL") or here + "/../../../docs/protocol.md") as file:
        for line in file:
            if line.startswith("```") and kind == "hex":
                found.append((json.loads(rows), unhexlify(encoded)))
                encoded = ""
            if line.startswith("```"):
                kind = "" if kind else line[3:].strip()
            elif kind == "json" and line.startswith('{"p":'):
                rows = line
            elif kind == "hex":
                encoded += line.strip()
    return found


def test_vectors_of_the_protocol() -> None:
    count = 0
    for document, encoded in vectors():
        count += 1
        schema, columns = _SCHEMAS[document["p"]]
        log, boot, seq, n, clock, base_ms, read_schema = block.read_header(encoded)
        assert (log, boot, seq, read_schema) == (
            document["log"],
            document["b"],
            document["n"],
            schema,
        )
        assert n == len(document["r"])
        assert base_ms == document["t"] or clock == block.CLOCK_NONE
        rows = [(row[0], tuple(row[1:-1]), row[-1]) for row in document["r"]]
        assert block.read_rows(encoded, columns) == rows
        writer = block.BlockWriter(schema, columns)
        writer.open(log, boot, seq, clock, base_ms)
        for row in rows:
            assert writer.add(*row)
        assert writer.close() == encoded
    assert count == 5


def writer_of(size: int = 800) -> block.BlockWriter:
    writer = block.BlockWriter(1, 2, size)
    writer.open(7, 1, 0, block.CLOCK_SNTP, 0)
    return writer


def test_a_full_block_takes_no_row_and_stays_whole() -> None:
    writer = writer_of(60)
    rows: "list[tuple[int, tuple[int | None, ...], int]]" = []
    while writer.add(len(rows) * 1000, (len(rows) << 20, -1)):
        rows.append((len(rows) * 1000, (len(rows) << 20, -1), 0))
    encoded = writer.close()
    assert 4 <= len(rows) < 12
    assert len(encoded) <= 60
    assert block.read_rows(encoded, 2) == rows
    writer = writer_of()
    for number in range(255):
        assert writer.add(number, (0, 0))
    assert not writer.add(255, (0, 0))
    assert block.read_header(writer.close())[3] == 255


def test_what_is_no_row_is_refused_and_changes_nothing() -> None:
    writer = writer_of()
    writer.add(0, (1, 2))
    for row in (
        (1, (1,)),
        (1, (1, 2, 3)),
        (1, (1, 2), 256),
        (1, (1, 2), -1),
        (1, (1, (1 << 53) + 1)),
        (1, (-(1 << 53) - 1, None)),
    ):
        raises(ValueError, writer.add, *row)
    writer.add(1, (1 << 53, None), 255)
    assert block.read_rows(writer.close(), 2) == [(0, (1, 2), 0), (1, (1 << 53, None), 255)]


def test_what_is_no_block_is_refused() -> None:
    writer = writer_of()
    writer.add(0, (1, 2))
    good = writer.close()
    for bad in (b"", good[:28], b"\x20" + good[1:], good[:-1] + b"\0", good[:9] + b"x" + good[10:]):
        raises(ValueError, block.read_header, bad)
    raises(ValueError, block.read_rows, good, 1)
    raises(ValueError, block.read_rows, good, 3)
    raises(ValueError, block.read_rows, writer_of().close(), 2)


def test_32_readings_fit_170_bytes() -> None:
    writer = block.BlockWriter(1, 4)
    writer.open(7, 17, 48213, block.CLOCK_SNTP, 1_795_300_200_000)
    energy = 1_234_567
    for index in range(8):  # eight rows of voltage, current, power, energy: 32 readings
        energy += 2 + index % 3
        row = (2304 - index % 5, 371 + index % 4, 812 + 9 * (index % 3), energy)
        assert writer.add(index * 10_000, row)
    assert len(writer.close()) <= 170


def encode(writer: block.BlockWriter, rows: "list[tuple[int, tuple[int, int, int, int]]]") -> bytes:
    writer.open(7, 17, 48213, block.CLOCK_SNTP, 1_795_300_200_000)
    for row in rows:
        writer.add(*row)
    return writer.close()


def test_encoding_32_readings_is_cheap() -> None:
    writer = block.BlockWriter(1, 4)
    rows = [(n * 10_000, (2304 - n, 371 + n, 812 + 9 * n, 1_234_567 + 2 * n)) for n in range(8)]
    if is_micropython():
        encode(writer, rows)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()  # type: ignore[attr-defined]
        encode(writer, rows)
        garbage = gc.mem_alloc() - before  # type: ignore[attr-defined]
        gc.enable()
        assert garbage <= 600, garbage
    elif sys.gettrace():  # coverage makes it slow
        return
    # 40 µs, or as a thousand additions beside it: other work on the machine slows down both
    best_ns = least_ns = 1 << 60
    for attempt in range(600):
        began_ns = time.time_ns()
        for _ in range(5):
            encode(writer, rows)
        encoded_ns = time.time_ns()
        best_ns = min(best_ns, (encoded_ns - began_ns) // 5)
        add_a_thousand()
        least_ns = min(least_ns, time.time_ns() - encoded_ns)
        if best_ns <= 40_000 or best_ns <= 1.1 * least_ns:
            return
        if attempt % 20 == 19:
            time.sleep(0.1)
    raise AssertionError((best_ns, least_ns))


def add_a_thousand() -> int:
    total = 0
    for n in range(1000):
        total = (total + n * 3) & 0xFFFF
    return total


def test_varints() -> None:
    buffer = bytearray(12)
    for value in (0, 1, 127, 128, 300, 16_383, 16_384, (1 << 63) - 1):
        end = varint.put(buffer, 1, value)
        assert varint.get(bytes(buffer), 1, end) == (value, end)
        raises(ValueError, varint.get, bytes(buffer), 1, end - 1)
    raises(ValueError, varint.get, b"\x80\0", 0, 2)
    raises(ValueError, varint.get, b"\xff" * 9 + b"\1", 0, 10)
    for value in (0, -1, 1, -2, 2, 1 << 53, -(1 << 53)):
        assert varint.unzigzag(varint.zigzag(value)) == value
    assert [varint.zigzag(value) for value in (0, -1, 1, -2)] == [0, 1, 2, 3]
