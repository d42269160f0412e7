"""Coverage-guided fuzzing of the rooms of foreign formats, with atheris where it is installed.

``pip install atheris`` (not part of any lock: it is one wheel for Linux), then

    python -m tools.fuzz_decode FOLDER -max_total_time=60

FOLDER keeps what was found interesting. The first byte of an input says which topic it goes to; any
exception but ``RejectedError``, and any reading that was not finite, ends it.
"""

import sys
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from types import FunctionType
from typing import Any, cast

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway.decode import Collector, Decoders  # noqa: E402
from gateway.decode.foreign.options import Options  # noqa: E402
from gateway.decode.foreign.rooms import ANYWHERE, ROOMS, last_resort  # noqa: E402
from gateway.decode.foreign.sniff import Sniffer  # noqa: E402
from gateway.errors import RejectedError  # noqa: E402
from gateway.imports import load  # noqa: E402
from gateway.model import Record  # noqa: E402
from gateway.profiles import load_profiles  # noqa: E402
from gateway.registry import Directory  # noqa: E402

TOPICS = (
    b"spBv1.0/p/NBIRTH/e",
    b"spBv1.0/p/NDATA/e",
    b"spBv1.0/p/DBIRTH/e/d",
    b"spBv1.0/p/NDEATH/e",
    b"senml/x",
    b"wmbusmeters/x",
    b"x/TrafficFlowObserved",
    b"x.vlog",
    b"any/where",
    b"tg/1/site/energy/meter-1/t",
)
RECEIVED_MS = 1_795_300_260_000


def try_input() -> Callable[[bytes], None]:
    """Return the function that reads one input; it remembers births, as a gateway does."""
    profiles = load_profiles()
    options = Options(profiles, (), "Europe/Berlin", "site")
    rooms = [one for build in ROOMS.values() for one in build(options)]
    last = last_resort(ANYWHERE, options, Sniffer([]))
    decoders = Decoders(profiles, foreign=(*rooms, *last))
    directory = Directory(None, enrols=True, max_devices=100_000)

    def read(data: bytes) -> None:
        if not data:
            return
        topic, out = TOPICS[data[0] % len(TOPICS)], Collector()
        try:
            decoders.decode(Record(1, RECEIVED_MS, 0, 1, topic, data[1:]), directory, out)
        except RejectedError:
            return
        for batch in out.batches():
            for value in batch.readings.values.ravel().tolist():
                if not isfinite(value) and value == value:  # noqa: PLR0124  # infinite, not NaN
                    raise ValueError(f"{value} in a reading")

    return read


def decoding() -> list[FunctionType]:
    """Return the functions of the decoders: to watch all that is loaded takes minutes."""
    found: list[FunctionType] = []
    for name, module in sorted(sys.modules.items()):
        if name.startswith("gateway.decode"):
            kinds = [one for one in vars(module).values() if isinstance(one, type)]
            every = [*vars(module).values(), *(m for kind in kinds for m in vars(kind).values())]
            found += [one for one in every if isinstance(one, FunctionType)]
    return [one for one in dict.fromkeys(found) if one.__module__.startswith("gateway.decode")]


def main(words: Sequence[str]) -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    atheris = cast("Any", load("atheris"))
    for function in decoding():
        atheris.instrument_func(function)
    read = try_input()
    atheris.Setup([sys.argv[0], *words], lambda data: read(bytes(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
