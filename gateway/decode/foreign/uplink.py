"""The frame in the document of a network server, where no codec of the server has read it.

What our codec makes of a frame is put where the server would have put it; the message is then read
by its mapping file as ever, with the codec's columns beside the radio's. Readings that the sensor
had stored follow as messages of their own, each with its time.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from gateway.decode.foreign.compiled import Message, compile_message
from gateway.decode.foreign.family import FrameForm, MessageForm
from gateway.decode.foreign.lorawan.codecs import Frame
from gateway.decode.foreign.lorawan.table import MAX_FRAME_BYTES, Table
from gateway.decode.foreign.lorawan.tagged import Said
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.times import EARLIEST_MS
from gateway.decode.paths import MISSING, Path, find, parse_path
from gateway.decode.wire import MAX_INT, reject
from gateway.model import QuarantineReason

_MAX_MESSAGES = 1024  # compiled for a model each; there are not so many models
_MAX_BASE64 = 4 * MAX_FRAME_BYTES
_MAX_PORT = 255
Document = dict[str, object]
_values_decoder: msgspec.json.Decoder[Document | None] = msgspec.json.Decoder(Document | None)


class View(NamedTuple):
    """A document and the message form that reads it."""

    message: Message
    root: Document
    time_ms: int | None  # of a stored reading, 0 = none that can be used; None: the message's own


class _Paths(NamedTuple):
    """A frame form, its paths parsed."""

    data: Path
    port: Path
    into: Path
    text: Path | None
    names: tuple[tuple[Path, ...], ...]


class Uplinks:
    """Reads frames for the messages of one mapping file."""

    def __init__(self, name: str, options: Options) -> None:
        self._name, self._options = name, options
        self._messages: dict[tuple[str, str, bool], Message] = {}
        self._paths: dict[str, _Paths] = {}  # by message, as many as the file has

    def views(self, message: Message, root: Document, declared: Callable[[], str]) -> list[View]:
        """Return what is to be read of a document, the message itself first.

        Raises:
            RejectedError: it has a frame that cannot be read.
        """
        form = message.form.frame
        if form is None:
            return [View(message, root, None)]
        paths = self._paths.get(message.form.name)
        if paths is None:
            paths = self._paths[message.form.name] = _parsed_paths(form)
        if _is_read(find(root, paths.into)):
            return [View(message, root, None)]
        text = MISSING if paths.text is None else find(root, paths.text)
        said = _parsed(text) if type(text) is str and text else None
        # {} and null: the network server has no codec, the frame says it
        if said is not None and _is_read(said):
            return [View(message, _with(root, paths.into, said), None)]
        codecs = self._options.codecs
        port, data = find(root, paths.port), find(root, paths.data)
        if codecs is None or type(data) is not str or not data:
            reject(QuarantineReason.UNMAPPED, f"{form.into} is not there, nor a frame to be read")
        if type(port) is not int or not 0 <= port <= _MAX_PORT:
            reject(QuarantineReason.SCHEMA, f"no port at {form.port}")
        frame = Frame(port, _bytes(data), declared(), tuple(_names(root, paths)))
        return self._views(message, root, paths.into, *codecs.read(frame))

    def _views(
        self, message: Message, root: Document, into: Path, table: Table, said: Sequence[Said]
    ) -> list[View]:
        form = message.form
        marked = {**root, "codec": table.title}
        now, *stored = said
        if now.time_s is None:
            views = [View(self._message(form, table), _with(marked, into, now.values), None)]
        else:  # the sensor's own time is of its readings, not of the radio's
            views = [View(self._message(form, table), marked, None)]
            stored = [now, *stored]
        only = self._message(form, table, is_stored=True) if stored else message
        return [
            *views,
            *(View(only, _with({}, into, one.values), _time_ms(one.time_s)) for one in stored),
        ]

    def _message(self, form: MessageForm, table: Table, *, is_stored: bool = False) -> Message:
        """Return the message form with the columns of a model; of a stored reading, only these."""
        key = form.name, table.title, is_stored
        known = self._messages.get(key)
        if known is None:
            into = "" if form.frame is None else form.frame.into
            others = [one for one in form.reading if one.at != into and not is_stored]
            made = form.model_copy(update={"reading": (*others, *table.readings(into))})
            if len(self._messages) >= _MAX_MESSAGES:
                self._messages.clear()
            known = compile_message(f"{self._name}, codec {table.title}", made, self._options)
            self._messages[key] = known
        return known


def _is_read(values: object) -> bool:
    """Return whether the network server has read the frame; without a codec it may say ``{}``."""
    return values is not MISSING and values is not None and values != {}


def _bytes(data: str) -> bytes:
    """Return the bytes of base64, whose padding may be left out (RFC 4648 §3.2)."""
    if len(data) > _MAX_BASE64:
        reject(QuarantineReason.TOO_LARGE, f"a frame of {len(data)} characters")
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        return reject(QuarantineReason.ENCODING, "the frame is not base64")


def _parsed_paths(form: FrameForm) -> _Paths:
    return _Paths(
        parse_path(form.path),
        parse_path(form.port),
        parse_path(form.into),
        None if form.text is None else parse_path(form.text),
        tuple(tuple(parse_path(path) for path in paths.split()) for paths in form.names),
    )


def _names(root: Document, paths: _Paths) -> list[str]:
    found = []
    for several in paths.names:
        texts = [find(root, path) for path in several]
        name = " ".join(text for text in texts if type(text) is str)
        if name:
            found.append(name)
    return found


def _parsed(text: str) -> Document | None:
    try:
        return _values_decoder.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, RecursionError):
        return reject(QuarantineReason.ENCODING, "the text of decoded values is no JSON object")


def _with(root: Document, path: Path, value: Document) -> Document:
    """Return a document in which something else lies at a path of names."""
    first, *deeper = path
    below = root.get(str(first))
    inner = below if type(below) is dict else {}
    return {**root, str(first): _with(inner, tuple(deeper), value) if deeper else value}


def _time_ms(time_s: int | None) -> int:
    """Return milliseconds; 0 for a clock that was never set (``times``)."""
    time_ms = (time_s or 0) * 1000
    return time_ms if EARLIEST_MS <= time_ms <= MAX_INT else 0
