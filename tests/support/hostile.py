"""What a broken device or an attacker sends: JSONTestSuite, and payloads and names of our own."""

import json
import tarfile
from typing import NamedTuple

from tests.shared import SHARED

MIB = 1 << 20


class Bad(NamedTuple):
    """A payload of lane t that must not be stored, and the reason it is refused for."""

    name: str
    payload: bytes
    reason: str


def must_fail() -> list[tuple[str, bytes]]:
    """Return the 188 files of JSONTestSuite that are not JSON."""
    return [file for file in _suite() if file[0].startswith("n_")]


def must_pass() -> list[tuple[str, bytes]]:
    """Return the 95 files of JSONTestSuite that are JSON."""
    return [file for file in _suite() if file[0].startswith("y_")]


def _suite() -> list[tuple[str, bytes]]:
    assert SHARED is not None
    found = []
    with tarfile.open(SHARED / "data" / "conformance" / "json" / "JSONTestSuite.tar.gz") as suite:
        for member in suite.getmembers():
            file = suite.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                found.append((member.name.rpartition("/")[2], file.read()))
    return found


def row(power: str, *, more: str = "", profile: str = "em1", time_ms: int = 1) -> bytes:
    """Return a message of one row whose power is written as given."""
    head = f'{{"p":{json.dumps(profile)},"n":1,"t":{time_ms}{more}'
    return f'{head},"r":[[0,1234567,0,{power},2304,371,982,0]]}}'.encode()


DIGITS = "7" * 5000
DEEP = 100_000
ROWS = "[0,1234567,0,812,2304,371,982,0],"

NUMBERS = (
    Bad("NaN", row("NaN"), "encoding"),
    Bad("Infinity", row("Infinity"), "encoding"),
    Bad("-Infinity", row("-Infinity"), "encoding"),
    Bad("1e999", row("1e999"), "schema"),
    Bad("-1e999", row("-1e999"), "schema"),
    Bad("1e5000 sevens", row(f"1e{DIGITS}"), "schema"),
    Bad("5,000 digits", row(DIGITS), "schema"),
    Bad("minus 5,000 digits", row(f"-{DIGITS}"), "schema"),
    Bad("5,000 decimals", row(f"0.{DIGITS}"), "schema"),
    Bad("a time of 5,000 digits", row("812").replace(b'"t":1', f'"t":{DIGITS}'.encode()), "schema"),
)
KEYS = (
    Bad("profile twice", row("812", more=',"p":"em1"'), "schema"),
    Bad("number twice", row("812", more=',"n":2'), "schema"),
    Bad("rows twice", row("812", more=',"r":[]'), "schema"),
    Bad("twice in an unknown key", row("812", more=',"x":{"a":1,"a":2}'), "schema"),
    Bad("escaped to the same key", row("812", more=',"\\u0070":"em1"'), "schema"),
)
DEPTHS = (
    Bad("[ without end", b"[" * DEEP, "encoding"),
    Bad("{ without end", b'{"a":' * DEEP, "encoding"),
    Bad("100,000 arrays", b"[" * DEEP + b"]" * DEEP, "encoding"),
    Bad("100,000 objects", b'{"a":' * DEEP + b"1" + b"}" * DEEP, "encoding"),
    Bad("in a row", row("[" * DEEP + "]" * DEEP), "too_large"),
    Bad("in an unknown key", row("1", more=',"x":' + "[" * DEEP + "]" * DEEP), "too_large"),
    Bad("in an unknown key, small", row("1", more=',"x":' + "[" * 9000 + "]" * 9000), "encoding"),
    Bad("CBOR", b"\xa1\x61x" + b"\x81" * DEEP + b"\x01", "too_large"),
    Bad("CBOR, small", b"\xa1\x61x" + b"\x81" * 9000 + b"\x01", "encoding"),
)
SIZES = (  # the listener takes packets of 1 MiB, topic and header included
    Bad("1 MB of zeros", b"0" * 1_000_000, "encoding"),
    Bad("1 MB of NUL", b"\0" * 1_000_000, "encoding"),
    Bad("1 MB of digits", b"7" * 1_000_000, "schema"),
    Bad("1 MB without an end", b'"' + b"a" * 1_000_000, "encoding"),
    Bad("1 MB of text", b'"' + b"a" * 1_000_000 + b'"', "schema"),
    Bad("1 MB of escapes", b'"' + b"\\u0041" * 166_000 + b'"', "schema"),
    Bad("1 MB that is not UTF-8", b'{"p":"' + b"\xff" * 1_000_000 + b'"}', "encoding"),
    Bad("1 MB of profile name", row("812", profile="p" * 1_000_000), "profile"),
    Bad("1 MB of unknown text", row("812", more=f',"x":"{"a" * 1_000_000}"'), "too_large"),
    Bad("1 MB of colons", row("812", more=f',"x":"{":" * 1_000_000}"'), "too_large"),
    Bad(
        "1 MB of unknown keys",
        row("812", more=",").replace(
            b",,", ("," + ",".join(f'"{n}":1' for n in range(90_000)) + ",").encode()
        ),
        "too_large",
    ),
    Bad("1 MB of lists", b"[" + b"[]," * 330_000 + b"1]", "schema"),
    Bad(
        "30,000 rows", row("812").replace(b"[[", b"[" + ROWS.encode() * 30_000 + b"["), "too_large"
    ),
    Bad("120 KB of CBOR lists", b"\xa1\x61r\x9f" + b"\x80" * 120_000 + b"\xff", "too_large"),
    Bad("120 KB of CBOR numbers", b"\xa1\x61r\x9f" + b"\x01" * 120_000 + b"\xff", "too_large"),
    Bad("CBOR text of 2⁶⁴ bytes", b"\xa1\x61p\x7b" + b"\xff" * 8, "encoding"),
    Bad("CBOR list of 2⁶⁴ items", b"\xa1\x61r\x9b" + b"\xff" * 8, "encoding"),
    Bad("1 MB of a block", b"\x10" + b"\xff" * 1_000_000, "checksum"),
)
IDENTIFIERS = (
    "em1\n,host=x",
    "em1,host=x",
    "em1\\",
    "em1\\,host\\=x",
    "em1 p=1",
    "em1\0",
    "⚡",
    "#em1",
)
PROFILES = (
    *(Bad(f"profile {name!r}", row("812", profile=name), "profile") for name in IDENTIFIERS),
    Bad("half a surrogate pair", row("812").replace(b"em1", b"\\ud83d"), "encoding"),
)

ALL = (*NUMBERS, *KEYS, *DEPTHS, *SIZES, *PROFILES)

# device, organisation or sector of a topic, and what a mapping makes of them
NAMES = (
    "a,host=x",
    "a\\",
    "a\nb",
    "a b",
    "⚡",
    "a=b",
    "A",
    "x" * 65,
    "-a",
    "a",
    "a\x7f",
    "ä",
    "../../a",
)
