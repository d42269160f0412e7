"""What the decoders are fuzzed with: a target for each, with its topics and first messages."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.decode.foreign.checksums import crc_arc
from gateway.decode.foreign.family import CODECS, SHIPPED, Family, load_families
from gateway.decode.foreign.lorawan.forms import load_codec_files
from gateway.decode.foreign.topics import compile_topic
from tools.bench_decode import native, sparkplug
from tools.fuzz_seeds import (
    DLMS,
    ESPI,
    NEM,
    NGSI,
    P1,
    SENML,
    SENML_CBOR,
    SML,
    WMBUS,
)


class Target(NamedTuple):
    """Topics of a decoder, and messages to begin with."""

    topics: tuple[bytes, ...]
    seeds: tuple[bytes, ...] = ()


_TOKEN = re.compile(r"\{(\w+)#?(?:=([^{}]+))?\}|[*#]")


def topic_of(pattern: str) -> str:
    """Return a topic that a pattern of a mapping file takes."""
    return _TOKEN.sub(lambda token: (token[2] or "a1").split("|")[0].replace("*", "a1"), pattern)


def _family_topics() -> Iterator[bytes]:
    for family in load_families(SHIPPED).values():
        for message in family.message:
            yield topic_of(message.topic[0]).encode()


def _family_seeds(topics: tuple[bytes, ...]) -> Iterator[bytes]:
    """Yield examples of the families, each on the topic of its message."""
    for family in load_families(SHIPPED).values():
        for one in family.example:
            at = topics.index(topic_of(_pattern_of(family, one.topic)).encode())
            yield bytes([at]) + one.payload.encode()


def _pattern_of(family: Family, topic: str) -> str:
    return next(
        message.topic[0]
        for message in family.message
        if any(compile_topic(pattern)(topic) for pattern in message.topic)
    )


TARGETS: dict[str, Target] = {
    "sparkplug": Target(
        tuple(
            f"spBv1.0/plant/{kind}".encode()
            for kind in ("NBIRTH/e", "NDATA/e", "DBIRTH/e/d", "DDATA/e/d", "NDEATH/e")
        ),
        tuple(sparkplug(0, seq, is_birth=not seq)[1] for seq in (0, 1, 2)),
    ),
    "senml": Target((b"senml/x",), (SENML, SENML_CBOR)),
    "p1": Target((b"any/p1", b"tg/1/site/energy/m1/t"), (P1 + b"%04X\r\n" % crc_arc(P1),)),
    "dlms": Target((b"any/dlms", b"tg/1/site/energy/m1/t"), (DLMS,)),
    "sml": Target((b"any/sml", b"tg/1/site/energy/m1/t"), (SML,)),
    "wmbusmeters": Target((b"wmbusmeters/x", b"any/where"), (WMBUS,)),
    "ngsi": Target((b"x/TrafficFlowObserved", b"any/where"), (NGSI,)),
    "iris": Target((b"x.vlog",), (b"296,9930,17:49:36,45,20\n231,14069\n*\n",)),
    "native": Target(
        tuple(
            f"tg/1/site/{lane}".encode()
            for lane in ("energy/m1/t", "energy/m1/b", "energy/m1/e", "energy/m1/s", "env/a1/t")
        ),
        (native(0)[1], b'{"st":"online"}', b"\x10\x01"),
    ),
    "discovery": Target(
        (b"homeassistant/sensor/a/config", b"a/state"),
        (b'{"state_topic":"a/state","unit_of_measurement":"W","device_class":"power","name":"p"}',),
    ),
    "uplink": Target(()),
    "mappings": Target(tuple(_family_topics())),
    "own-mapping": Target(
        (b"own/a1",), (b'{"rows":[{"at":"2026-11-21 22:30:00","p":1.5,"n":7,"e":{"total":9}}]}',)
    ),
    "any": Target((b"any/where",), (P1, DLMS, SML, SENML, NGSI, WMBUS)),
}

_PUMP = b'plant/pump-%d/data\n{"ts":1795300200,"power_kw":1.5,"temps":{"flow_c":35.5}}'
_TABLE = b"end time,reading,kind\n2026-11-21 22:00:00,1.5,a\n2026-10-25 02:30:00,2,b\n"
CODEC_FILES = load_codec_files(SHIPPED / CODECS)
FRAMES = [one for file in CODEC_FILES.values() for one in file.example]
FILES = {
    # the first byte of a frame says which example's model and port it is of
    "lorawan": tuple(bytes([at]) + bytes.fromhex(one.frame) for at, one in enumerate(FRAMES)),
    "nem": (NEM % b",".join([b"1"] * 24),),
    "green-button": (ESPI,),
    "table": (_TABLE,),
    "captures": (b'{"topic":"a","payload":"{}","received":"2026-11-21T22:00:00Z"}\n',),
    "suggest": (b"\0".join(_PUMP % number for number in (7, 8)),),
    "p1-log": ((P1 + b"%04X\r\n" % crc_arc(P1)) * 2,),
}


class Frames:
    """Inputs of the target ``uplink``: a model, a port, and a frame as ChirpStack sends it."""

    def __init__(self) -> None:
        self._files = list(CODEC_FILES.values())
        examples = [one for file in self._files for one in file.example]
        self._models = sorted({one.model for one in examples})[:256]

    def message(self, data: bytes) -> tuple[bytes, bytes]:
        """Return topic and payload of an input."""
        uplink = {
            "deviceInfo": {"deviceProfileName": self._models[data[0] % len(self._models)]},
            "fPort": data[1] % 224 if len(data) > 1 else 1,
            "data": base64.b64encode(data[2:]).decode(),
        }
        return b"application/1/device/eui-1/event/up", json.dumps(uplink).encode()

    def seeds(self) -> Iterator[bytes]:
        """Yield the frames of the codec files' examples."""
        for file in self._files:
            for one in file.example:
                head = bytes([self._models.index(one.model), one.port % 256])
                yield head + bytes.fromhex(one.frame)


def messages(name: str) -> Callable[[bytes], tuple[bytes, bytes]]:
    """Return what makes a topic and a payload of an input."""
    if name == "uplink":
        return Frames().message
    topics = TARGETS[name].topics
    return lambda data: (topics[data[0] % len(topics)], data[1:])


def seeds(name: str) -> Iterator[bytes]:
    """Yield messages to begin with."""
    if name in FILES:
        yield from FILES[name]
        return
    if name == "uplink":
        yield from Frames().seeds()
        return
    target = TARGETS[name]
    found = [*target.seeds]
    if name == "mappings":
        yield from _family_seeds(target.topics)
    for payload in found:
        yield from (bytes([at]) + payload for at in range(len(target.topics)))
