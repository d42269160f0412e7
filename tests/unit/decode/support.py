"""What the tests of the decoders share."""

import json
from collections.abc import Iterator, Mapping

from gateway.decode import Collector, Decoders
from gateway.errors import RejectedError
from gateway.model import DecodedBatch, Record
from gateway.ports import Route
from gateway.profiles import load_profiles

PROFILES = load_profiles()
TOPIC = b"tg/1/site/energy/meter-1/t"
RECEIVED_MS = 1_795_300_260_000
BASE_MS = 1_795_300_200_000
ROW = [0, 1234567, 0, 812, 2304, 371, 982, 0]


class Directory:
    """A registry that knows the devices it has been told of, or takes in every one."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def route(self, org: str, sector: str, device: str) -> Route:
        self.asked.append((org, sector, device))
        return Route(len(self.asked) - 1, sector, is_registered=True)

    def foreign(self, topic: str, named: tuple[str, str], org: str, sector: str) -> Route:
        return self.route(org, sector, "-".join(filter(None, named)))

    def model(self, topic: str) -> str:
        return ""

    def zone(self, topic: str) -> str | None:
        return None


DECODERS = Decoders(PROFILES)
DIRECTORY = Directory()


def record(payload: bytes, topic: bytes = TOPIC, number: int = 1) -> Record:
    return Record(number, RECEIVED_MS, 0, 1, topic, payload)


def message(rows: object = (ROW,), **keys: object) -> bytes:
    return json.dumps({"p": "em1", "t": BASE_MS, "r": rows, **keys}).encode()


def decode_all(payload: bytes, topic: bytes = TOPIC) -> Collector:
    out = Collector()
    DECODERS.decode(record(payload, topic), DIRECTORY, out)
    return out


def decode_one(payload: bytes, topic: bytes = TOPIC) -> DecodedBatch:
    """Return the one batch that a payload becomes."""
    (batch,) = decode_all(payload, topic).batches()
    return batch


def why_rejected(payload: bytes, topic: bytes = TOPIC) -> str:
    """Return the reason of the quarantine, after seeing that ``out`` is untouched."""
    out = Collector()
    try:
        DECODERS.decode(record(payload, topic), DIRECTORY, out)
    except RejectedError as error:
        assert not out.batches()
        assert not out.events
        return error.reason
    return "accepted"


def kept(node: object) -> Iterator[tuple[str, object]]:
    """Return all names and values of a report, of whatever depth."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield name, value
            yield from kept(value)
    elif isinstance(node, list):
        for value in node:
            yield from kept(value)
