"""All codecs, and which one a frame is of.

In this order: the model that the registry or ``[foreign] models`` declares; the name that the
network server has for the kind of device; and, where neither says it, the frame itself, if it
names its quantities and all models that can read it agree on what it says. Else it is not read.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from gateway.decode.foreign.lorawan.forms import VENDOR, CodecFile
from gateway.decode.foreign.lorawan.table import (
    Table,
    compile_table,
    layouts_of,
    parameters_of,
)
from gateway.decode.foreign.lorawan.tagged import Said
from gateway.decode.wire import reject
from gateway.errors import RejectedError
from gateway.model import QuarantineReason
from gateway.profiles import Profiles

_WORD = re.compile(r"[a-z0-9]+")
_WITH_PARAMETERS = re.compile(r"(.*?)\s*\(([^()]*)\)\s*\Z", re.DOTALL)
_PARAMETER = re.compile(r"\s*(\w{1,16})\s*=\s*(-?\d{1,12}(?:\.\d{1,12})?)\s*\Z", re.ASCII)
_MAX_NAMES = 4096  # names of device profiles, remembered: they come out of payloads
_MAX_CHARS = 256
_SHOWN = 6
HOW = (
    "say which model it is: `model` of the device in the registry, [foreign] models, or the name "
    "of its device profile in the network server (docs/devices.md)"
)


class Frame(NamedTuple):
    """A frame and what is known of its sender."""

    port: int
    data: bytes
    declared: str  # by the registry or the configuration, "": not
    said: tuple[str, ...]  # names in the network server


class _Model(NamedTuple):
    """A name by which a model is known."""

    file: CodecFile
    model: str
    words: tuple[str, ...]
    parameters: tuple[str, ...]  # what each sensor of it has its own of


class _Named(NamedTuple):
    """What a name means."""

    model: _Model | None
    maker: CodecFile | None
    parameters: tuple[tuple[str, float], ...]


class Codecs:
    """The codec files of a gateway.

    Args:
        files: in the order in which they are asked, a user's own first.
        profiles: whose columns they name.
    """

    def __init__(self, files: Iterable[CodecFile], profiles: Profiles) -> None:
        self._files = tuple(files)
        self._profiles = profiles
        self._models = [one for file in self._files for one in _names(file)]
        self._tables: dict[object, Table] = {}
        self._by_port: dict[tuple[int, str], list[Table]] = {}
        self._found: dict[str, _Named] = {}

    def check(self) -> None:
        """Compile all.

        Raises:
            ConfigError: names the file, the model and what is wrong.
        """
        for file in self._files:
            for model in file.models:
                any_of = tuple((name, 1.0) for name in parameters_of(file, model))
                self._table(file, model, any_of)

    def tables(self) -> Iterable[Table]:
        """Return what has been compiled so far."""
        return self._tables.values()

    def read(self, frame: Frame) -> tuple[Table, list[Said]]:
        """Return the codec of a frame and what it says.

        Raises:
            RejectedError: the codec is not known, or cannot read it.
        """
        if frame.declared:
            named = self._named(frame.declared)
            if named.model is None:
                detail = f"no codec knows the declared model {frame.declared[:80]!r}: {HOW}"
                reject(QuarantineReason.UNMAPPED, detail)
            return self._declared(named, named.model, frame)
        maker = None
        for name in frame.said:
            named = self._named(name)
            if named.model is not None:
                return self._declared(named, named.model, frame)
            maker = named.maker or maker
        return self._by_shape(maker, frame)

    def _declared(self, named: _Named, model: _Model, frame: Frame) -> tuple[Table, list[Said]]:
        known = dict(named.parameters)
        wanted = model.parameters
        if not known.keys() >= set(wanted):
            example = ", ".join(f"{name}=…" for name in wanted)
            detail = f"{model.model} has parameters of each sensor: say {model.model} ({example})"
            reject(QuarantineReason.UNMAPPED, detail)
        own = tuple((name, known[name]) for name in wanted)
        table = self._table(model.file, model.model, own)
        return table, table.read(frame.port, frame.data, is_declared=True)

    def _by_shape(self, maker: CodecFile | None, frame: Frame) -> tuple[Table, list[Said]]:
        fitting = []
        for table in self._shapes(frame.port, maker):
            try:
                fitting.append((table, table.read(frame.port, frame.data, is_declared=False)))
            except RejectedError:
                continue
        where = f"a frame of {len(frame.data)} bytes on port {frame.port}"
        if not fitting:
            reject(QuarantineReason.UNMAPPED, f"no codec knows {where} by its shape: {HOW}")
        if any(not _agree(fitting[0], other) for other in fitting[1:]):
            named = ", ".join(table.title for table, _ in fitting[:_SHOWN])
            reject(QuarantineReason.UNMAPPED, f"{where} may be of {named}, which differ: {HOW}")
        return fitting[0]

    def _shapes(self, port: int, maker: CodecFile | None) -> list[Table]:
        """Return the tables by which a frame of a port may be known, those that differ."""
        key = port, "" if maker is None else maker.codec
        known = self._by_port.get(key)
        if known is None:  # 256 ports, and as many makers as there are files
            known = self._by_port[key] = [
                table
                for file in self._files
                if file.self_describing and (maker is None or maker is file)
                for table in self._plain_tables(file)
                if any(port in ports for ports, _ in table.layouts)
            ]
        return known

    def _plain_tables(self, file: CodecFile) -> Iterable[Table]:
        """Return a table for each kind of models that are alike and have nothing of their own."""
        models = {layouts_of(file, model): model for model in reversed(file.models)}
        return (
            self._table(file, model, ())
            for model in reversed(models.values())
            if not parameters_of(file, model)
        )

    def _table(
        self, file: CodecFile, model: str, parameters: tuple[tuple[str, float], ...]
    ) -> Table:
        key = file.codec, model, parameters
        table = self._tables.get(key)
        if table is None:
            if len(self._tables) >= _MAX_NAMES:
                self._tables.clear()
            table = compile_table(file, model, self._profiles, dict(parameters))
            self._tables[key] = table
        return table

    def _named(self, name: str) -> _Named:
        """Return the model that a name means, and the maker that it names."""
        name = name[:_MAX_CHARS]
        if name not in self._found:
            if len(self._found) >= _MAX_NAMES:
                self._found.clear()
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> _Named:
        name, parameters = _split(name)
        words = _words(name)
        makers = [file for file in self._files if _is_within(_words(file.codec), words)]
        maker = makers[0] if len(makers) == 1 else None
        fitting = [one for one in self._models if _means(words, one)]
        longest = max((len(one.words) for one in fitting), default=0)
        best = {(one.file.codec, one.model): one for one in fitting if len(one.words) == longest}
        return _Named(next(iter(best.values())) if len(best) == 1 else None, maker, parameters)


def _split(name: str) -> tuple[str, tuple[tuple[str, float], ...]]:
    """Return a name and the parameters in brackets at its end: ``PR21 (Pmin=-1, Pmax=10)``."""
    both = _WITH_PARAMETERS.match(name)
    found = [_PARAMETER.match(one) for one in both[2].split(",")] if both is not None else []
    if both is None or not all(found):
        return name, ()
    return both[1], tuple((one[1], float(one[2])) for one in found if one is not None)


def _names(file: CodecFile) -> Iterable[_Model]:
    for model in file.models:
        own = file.codec if model == VENDOR else model
        names = (own, *file.alias.get(model, ()))
        parameters = parameters_of(file, model)
        yield from (_Model(file, model, _words(name), parameters) for name in names)


def _words(name: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(name.lower()))


def _means(words: tuple[str, ...], model: _Model) -> bool:
    """Return whether a name means a model.

    It is the model's name, or has it beside the maker's; beside other words it must have a digit
    (``AM307 EU868``): a profile called "comfort" is of anybody.
    """
    if words == model.words or "".join(words) == "".join(model.words):
        return True
    if not _is_within(model.words, words):
        return False
    has_digit = any(char.isdigit() for word in model.words for char in word)
    return has_digit or _is_within(_words(model.file.codec), words)


def _is_within(few: tuple[str, ...], many: tuple[str, ...]) -> bool:
    width = len(few)
    return any(many[at : at + width] == few for at in range(len(many) - width + 1))


def _agree(one: tuple[Table, list[Said]], other: tuple[Table, list[Said]]) -> bool:
    """Return whether two models say the same of a frame, and put it into the same columns."""
    if one[1] != other[1]:
        return False
    names = {name for said in one[1] for name in said.values}
    return _columns(one[0], names) == _columns(other[0], names)


def _columns(table: Table, names: set[str]) -> dict[object, object]:
    return {
        (place, path): (form.unit, tuple(form.codes.items()))
        for place, form in table.places.items()
        for path in ((form.path,) if isinstance(form.path, str) else form.path)
        if path in names
    }
