"""One way from a file to what is in it: which reader, by its content or by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.decode.foreign.naming import slug
from gateway.errors import ConfigError
from gateway.history import MAX_FILE_BYTES, FileRefusedError, Found
from gateway.history.captures import read_capture, read_p1_log
from gateway.history.espi import read_espi
from gateway.history.layout import Layout
from gateway.history.nem import read_nem
from gateway.history.table import read_table
from gateway.profiles import Profiles


class Hints(NamedTuple):
    """What the operator says of files."""

    format: str | None = None
    layout: Layout | None = None
    device: str | None = None  # of a P1 log; default: the file's name


FORMATS = ("nem", "green-button", "csv", "jsonl", "p1")
_NEM_RECORDS = (b"100,", b"200,", b"250,", b"300,")
_ZIP = b"PK\x03\x04"

_Read = Callable[[bytes, Path, Hints, Profiles], Found]


def read_file(file: Path, hints: Hints, profiles: Profiles) -> Found:
    """Return what a file holds.

    Raises:
        FileRefusedError: names line and reason.
        ConfigError: the layout does not fit the profile.
        OSError: the file cannot be read.
    """
    if file.stat().st_size > MAX_FILE_BYTES:
        raise FileRefusedError(1, f"more than {MAX_FILE_BYTES >> 20} MiB: split the file")
    data = file.read_bytes()
    name = hints.format or ("csv" if hints.layout is not None else _format_of(data))
    return _READERS[name](data, file, hints, profiles)


def _format_of(data: bytes) -> str:
    head = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:4096]
    if not head:
        raise FileRefusedError(1, "the file is empty")
    if head.startswith(_ZIP):
        raise FileRefusedError(1, "a zip archive: unpack it first")
    for marks, name in (
        (_NEM_RECORDS, "nem"),
        ((b"<",), "green-button"),
        ((b"{",), "jsonl"),
        ((b"/",), "p1"),
    ):
        if head.startswith(marks):
            return name
    raise FileRefusedError(1, "its format cannot be told: give --layout FILE or --format")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileRefusedError(line, "not UTF-8") from error


def _nem(data: bytes, _: Path, __: Hints, profiles: Profiles) -> Found:
    return read_nem(_text(data), profiles)


def _espi(data: bytes, _: Path, __: Hints, profiles: Profiles) -> Found:
    return read_espi(data, profiles)


def _csv(data: bytes, _: Path, hints: Hints, profiles: Profiles) -> Found:
    if hints.layout is None:
        raise ConfigError("a CSV file needs --layout FILE, which describes its columns")
    return read_table(_text(data), hints.layout, profiles)


def _jsonl(data: bytes, _: Path, __: Hints, ___: Profiles) -> Found:
    return read_capture(data)


def _p1(data: bytes, file: Path, hints: Hints, profiles: Profiles) -> Found:
    return read_p1_log(data, hints.device or slug(file.stem), profiles)


_READERS: Mapping[str, _Read] = {
    "nem": _nem,
    "green-button": _espi,
    "csv": _csv,
    "jsonl": _jsonl,
    "p1": _p1,
}
