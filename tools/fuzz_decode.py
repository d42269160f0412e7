"""Coverage-guided fuzzing of the decoders, one target for each, with atheris.

    python -m tools.fuzz_decode                          # the targets
    python -m tools.fuzz_decode sparkplug FOLDER -max_total_time=60

FOLDER keeps what was found interesting; it begins with messages of the mapping files' examples and
of the benchmark. The first byte of an input says which topic of the target it goes to. What ends
it: any exception but ``RejectedError``, anything left behind by a refused message, any reading that
is infinite, and any message that is not the same when it is read again.
"""

import sys
from collections.abc import Callable, Sequence
from math import isinf
from pathlib import Path
from types import FunctionType
from typing import Any, cast

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from gateway.config import Mapping  # noqa: E402
from gateway.config.foreign import ForeignSection  # noqa: E402
from gateway.decode import Collector, Decoders  # noqa: E402
from gateway.decode.foreign import build_foreign  # noqa: E402
from gateway.decode.foreign.family import parse_family  # noqa: E402
from gateway.decode.foreign.lorawan.codecs import Codecs, Frame  # noqa: E402
from gateway.decode.foreign.mapped import MappedFamily  # noqa: E402
from gateway.decode.foreign.options import Options  # noqa: E402
from gateway.decode.foreign.suggest import Sample, suggest  # noqa: E402
from gateway.decode.foreign.trial import try_message  # noqa: E402
from gateway.errors import RejectedError  # noqa: E402
from gateway.history import FileRefusedError  # noqa: E402
from gateway.history.captures import read_capture, read_p1_log  # noqa: E402
from gateway.history.espi import read_espi  # noqa: E402
from gateway.history.layout import Layout  # noqa: E402
from gateway.history.nem import read_nem  # noqa: E402
from gateway.history.table import read_table  # noqa: E402
from gateway.imports import load  # noqa: E402
from gateway.model import Record  # noqa: E402
from gateway.profiles import Profiles, load_profiles  # noqa: E402
from gateway.registry import Directory  # noqa: E402
from tools.fuzz_targets import (  # noqa: E402
    CODEC_FILES,
    FILES,
    FRAMES,
    TARGETS,
    messages,
    seeds,
)

RECEIVED_MS = 1_795_300_260_000

_LAYOUT = Layout.model_validate(
    {
        "profile": "ei1",
        "device_column": "kind",
        "time": {"column": "end time", "format": "%Y-%m-%d %H:%M:%S", "zone": "Europe/Berlin"},
        "columns": {"e_imp": {"column": "reading", "unit": "kWh"}, "length": {"value": 900}},
    }
)
_OWN = Mapping.model_validate(
    {
        "name": "own",
        "topic": "own/{device}",
        "profile": "em3",
        "rows": "rows",
        "seq": "n",
        "time": {"path": "at", "format": "%Y-%m-%d %H:%M:%S", "zone": "Europe/Berlin"},
        "columns": {"p": {"path": "p", "unit": "kW", "scale": 2}, "ea_imp": "e.total"},
    }
)
_CODECS = Codecs(CODEC_FILES.values(), load_profiles())


class Rig:
    """All decoders as a gateway has them, with what they remember."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self.begin()

    def begin(self) -> None:
        """Forget everything."""
        foreign = build_foreign(ForeignSection(zone="Europe/Berlin"), self._profiles)
        self._decoders = Decoders(self._profiles, [_OWN], foreign=foreign)
        self._directory = Directory(None, enrols=True, max_devices=100_000)

    def read(self, topic: bytes, payload: bytes) -> list[tuple[object, ...]] | None:
        """Return the rows and events of a message, None where it is refused."""
        out = Collector()
        record = Record(1, RECEIVED_MS, 0, 1, topic, payload)
        try:
            self._decoders.decode(record, self._directory, out)
        except RejectedError:
            if out.batches() or out.events:
                raise ValueError("a refused message left something") from None
            return None
        found: list[tuple[object, ...]] = [(event.kind, event.detail) for event in out.events]
        for batch in out.batches():
            for row in batch.readings.values.tolist():
                if any(map(isinf, row)):
                    raise ValueError(f"infinite values in {row}")
                found.append((batch.readings.profile, repr(row)))
        return found


def reading(name: str) -> Callable[[bytes], None]:
    """Return the function that reads one input of a target."""
    profiles = load_profiles()
    if name in FILES:
        read_file = _FILE_READERS[name]

        def read_one(data: bytes) -> None:
            try:
                read_file(data, profiles)
            except FileRefusedError:
                return

        return read_one
    rig, message = Rig(profiles), messages(name)

    def read(data: bytes) -> None:
        if not data:
            return
        topic, payload = message(data)
        first, again = rig.read(topic, payload), rig.read(topic, payload)
        is_news = name in {"sparkplug", "discovery"}  # the first may have said what is read
        if first != again and not is_news:
            raise ValueError(f"read twice, it is {first!r} and {again!r}")

    return read


def _nem(data: bytes, profiles: Profiles) -> object:
    try:
        return read_nem(data.decode(), profiles)
    except UnicodeDecodeError:
        return None


def _table(data: bytes, profiles: Profiles) -> object:
    try:
        return read_table(data.decode(), _LAYOUT, profiles)
    except UnicodeDecodeError:
        return None


def _lorawan(data: bytes, _: Profiles) -> object:
    if not data:
        return None
    of = FRAMES[data[0] % len(FRAMES)]
    try:
        said = _CODECS.read(Frame(of.port, data[1:], of.model, ()))[1]
    except RejectedError:
        return None
    return msgspec.json.encode([one.values for one in said])  # as a report of it would be


def _suggest(data: bytes, profiles: Profiles) -> object:
    """What is proposed for any messages can be loaded, and reads them or refuses them by name."""
    parts = [part.partition(b"\n") for part in data.split(b"\0")]
    samples = [Sample(topic.decode("utf-8", "replace"), payload) for topic, _, payload in parts]
    text = suggest("fuzz", samples, profiles)
    if not text:
        return None
    formats = [
        MappedFamily(parse_family(text, Path("fuzz.toml")), Options(profiles, (), None, "s"))
    ]
    return [
        try_message(formats, topic, payload, RECEIVED_MS, profiles) for topic, payload in samples
    ]


_FILE_READERS: dict[str, Callable[[bytes, Profiles], object]] = {
    "lorawan": _lorawan,
    "nem": _nem,
    "green-button": read_espi,
    "table": _table,
    "captures": lambda data, _: read_capture(data),
    "suggest": _suggest,
    "p1-log": lambda data, profiles: read_p1_log(data, "p1", profiles),
}


def decoding() -> list[FunctionType]:
    """Return the functions of the decoders: to watch all that is loaded takes minutes."""
    watched = ("gateway.decode", "gateway.history")
    found: list[FunctionType] = []
    for name, module in sorted(sys.modules.items()):
        if name.startswith(watched):
            kinds = [one for one in vars(module).values() if isinstance(one, type)]
            every = [*vars(module).values(), *(m for kind in kinds for m in vars(kind).values())]
            found += [one for one in every if isinstance(one, FunctionType)]
    return [one for one in dict.fromkeys(found) if one.__module__.startswith(watched)]


def main(words: Sequence[str]) -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    if not words:
        sys.stdout.write("\n".join([*TARGETS, *FILES]) + "\n")
        return
    name, folder, *options = words
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris = cast("Any", load("atheris"))
    for function in decoding():
        atheris.instrument_func(function)
    read = reading(name)
    options.append(f"-artifact_prefix={folder}/")
    atheris.Setup([sys.argv[0], folder, *options], lambda data: read(bytes(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
