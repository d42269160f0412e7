"""Who reads what: topics, lanes, first bytes, documents."""

import json
from typing import ClassVar

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.sections import Mapping
from gateway.decode import Collector, Decoders, Foreign
from gateway.errors import RejectedError
from gateway.model import QuarantineReason, Reason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory, LatestRow, MemoryRow, Route
from tests.shared import SHARED, needs_shared
from tests.unit.decode.support import (
    PROFILES,
    RECEIVED_MS,
    ROW,
    TOPIC,
    Directory,
    decode_all,
    message,
    record,
    why_rejected,
)

_EVENT = b"tg/1/site/energy/meter-1/e"
_STATE = b"tg/1/site/energy/meter-1/s"
_REPLY = b"tg/1/site/energy/meter-1/r/17"


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (b"tg/1/site/energy/meter-1/a", "topic"),
        (b"tg/1/site/energy/meter-1/c/5", "topic"),
        (b"tg/1/site/energy/meter-1/k", "topic"),
        (b"tg/1/site/energy/meter-1/x", "topic"),
        (b"tg/1/site/gas/meter-1/t", "topic"),
        (b"tg/1/site/energy/Meter/t", "topic"),
        (b"tg/1/site/energy/m/t", "topic"),
        (b"tg/1/", "topic"),
        (b"tg/2/site/energy/meter-1/t", "unmapped"),
        (b"tele/plug/SENSOR", "unmapped"),
        (b"", "unmapped"),
        (b"\xff\xfe", "topic"),
    ],
)
def test_a_topic_that_nobody_reads_is_named(topic: bytes, reason: str) -> None:
    assert why_rejected(message(), topic) == reason


@pytest.mark.parametrize("first", [b"", b"\x00", b"/", b"x", b"\xef\xbb\xbf{", b"\xff", b"\x80"])
def test_a_first_byte_that_means_nothing_is_an_encoding_error(first: bytes) -> None:
    assert why_rejected(first) == "encoding"
    assert why_rejected(first, _EVENT) == "encoding"


def test_more_than_a_mebibyte_is_too_large() -> None:
    assert why_rejected(b"{" + b" " * (1 << 20)) == "too_large"


def test_an_event_keeps_what_the_device_said() -> None:
    payload = b'{"c":99,"t":1795300200000,"u":[0,0,0]}'
    (event,) = decode_all(payload, _EVENT).events
    assert (event.kind, event.code, event.time_ms) == ("event", 99, 1_795_300_200_000)
    assert event.detail == payload.decode()
    (same,) = decode_all(cbor2.dumps(json.loads(payload)), _EVENT).events
    assert json.loads(same.detail) == json.loads(payload)
    assert (same.code, same.time_ms) == (99, event.time_ms)


def test_an_event_without_clock_has_the_receive_time() -> None:
    for payload in (b'{"c":1}', b'{"c":1,"t":0}'):
        assert decode_all(payload, _EVENT).events[0].time_ms == RECEIVED_MS


def test_a_gap_is_an_event_of_its_own_kind() -> None:
    (event,) = decode_all(b'{"log":7,"from":100,"to":160}', _EVENT).events
    assert (event.kind, event.code) == ("gap", 0)
    assert why_rejected(b'{"log":7,"from":161,"to":160}', _EVENT) == "schema"
    assert why_rejected(b'{"log":7,"from":1}', _EVENT) == "schema"


def test_states_and_replies_are_events_too() -> None:
    birth = b'{"st":"online","profile":"em1","log":7,"boot":3,"first":{"7":4100}}'
    assert decode_all(birth, _STATE).events[0].kind == "state"
    assert decode_all(b'{"st":"lost"}', _STATE).events[0].time_ms == RECEIVED_MS
    assert decode_all(b'{"ok":true}', _REPLY).events[0].kind == "reply"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (_EVENT, b'{"c":"99"}'), (_EVENT, b'{"c":true}'), (_EVENT, b'{"c":-1}'),
        (_EVENT, b'{"c":1,"t":1.5}'), (_EVENT, b"[]"), (_STATE, b"{}"), (_STATE, b'{"st":1}'),
        (_STATE, b'{"st":"online","first":[1]}'), (_STATE, b'{"st":"online","first":{"x":1}}'),
        (_STATE, b'{"st":"online","first":{"7":-1}}'), (_REPLY, b"[1]"),
    ],
)  # fmt: skip
def test_the_keys_we_act_on_are_checked(topic: bytes, payload: bytes) -> None:
    assert why_rejected(payload, topic) == "schema"


def test_a_document_is_bounded_and_must_be_sound() -> None:
    assert why_rejected(b'{"x":"' + b"a" * (16 << 10) + b'"}', _EVENT) == "too_large"
    assert why_rejected(b'{"x":"\xff"}', _EVENT) == "encoding"
    assert why_rejected(b'{"x":"\\ud800"}', _EVENT) == "encoding"
    assert why_rejected(b'{"c":1', _EVENT) == "encoding"


class _Telegram:
    """A further format, as the module's documentation invites."""

    def __call__(self, record: Record, route: Route, lane: str, out: Collecting) -> None:
        raise RejectedError(QuarantineReason.CHECKSUM, "telegram")


class _Sparkplug:
    def takes(self, topic: str) -> bool:
        return topic.startswith("spBv1.0/")

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        raise RejectedError(QuarantineReason.LIMIT, "sparkplug")


def test_further_formats_join_by_first_byte_or_by_topic() -> None:
    decoders = Decoders(PROFILES, formats={ord("/"): _Telegram()}, foreign=[_Sparkplug()])
    for topic, payload, reason in (
        (TOPIC, b"/KFM5", "checksum"),
        (b"spBv1.0/g/NDATA/n", b"\x08", "limit"),
        (b"other", b"\x08", "unmapped"),
    ):
        for _ in range(2):  # the second time from the cache
            with pytest.raises(RejectedError) as caught:
                decoders.decode(record(payload, topic), Directory(), Collector())
            assert caught.value.reason == reason


def test_routes_are_remembered_until_the_registry_changes() -> None:
    decoders, directory = Decoders(PROFILES), Directory()
    for _ in range(3):
        decoders.decode(record(message()), directory, Collector())
    assert len(directory.asked) == 1
    decoders.forget_routes()
    decoders.decode(record(message()), directory, Collector())
    assert len(directory.asked) == 2


def test_replies_do_not_fill_the_cache() -> None:
    decoders, directory = Decoders(PROFILES), Directory()
    for number in range(3):
        topic = b"tg/1/site/energy/meter-1/r/%d" % number
        decoders.decode(record(b"{}", topic), directory, Collector())
    assert len(directory.asked) == 3


class _Closed:
    def route(self, org: str, sector: str, device: str) -> Route:
        raise RejectedError(QuarantineReason.UNREGISTERED, device)

    def foreign(self, topic: str, named: tuple[str, str], org: str, sector: str) -> Route:
        raise RejectedError(QuarantineReason.UNREGISTERED, topic)

    def model(self, topic: str) -> str:
        return ""

    def zone(self, topic: str) -> str | None:
        return None


def test_a_device_that_may_not_send_is_asked_for_again_next_time() -> None:
    decoders = Decoders(PROFILES)
    with pytest.raises(RejectedError, match="unregistered"):
        decoders.decode(record(message()), _Closed(), Collector())
    out = Collector()
    decoders.decode(record(message()), Directory(), out)
    assert len(out.batches()[0].readings) == 1


def test_a_source_may_widen_the_time_window() -> None:
    decoders = Decoders(PROFILES, source_max_age_ms=(0, 99))
    out = Collector()
    decoders.decode(record(message())._replace(source=1), Directory(), out)
    assert out.batches()[0].max_age_ms.tolist() == [99]


_TOPICS = st.sampled_from([TOPIC, _EVENT, _STATE, _REPLY, b"tele/x/SENSOR"]) | st.binary(
    max_size=40
)
_PAYLOADS = (
    st.binary(max_size=200)
    | st.binary(max_size=60).map(lambda tail: b"{" + tail)
    | st.binary(max_size=60).map(lambda tail: b"\xa3" + tail)
    | st.binary(max_size=60).map(lambda tail: b"\xbf" + tail)
    | st.binary(max_size=90).map(lambda tail: b"\x10" + tail)
)
_GOOD = st.sampled_from(
    [
        message(n=1, log=2, b=3, i=4),
        cbor2.dumps({"p": "em1", "t": 5, "n": 9, "r": [ROW, ROW]}),
        b'{"c":99,"t":1795300200000}',
        b'{"st":"online","first":{"7":1}}',
    ]
)


@given(topic=_TOPICS, payload=_PAYLOADS)
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(topic: bytes, payload: bytes) -> None:
    assert why_rejected(payload, topic)


@given(data=st.data(), topic=_TOPICS, payload=_GOOD)
def test_mutated_payloads_are_refused_or_read_and_nothing_else_happens(
    data: st.DataObject, topic: bytes, payload: bytes
) -> None:
    spoilt = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoilt) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                spoilt[at] = data.draw(st.integers(0, 255))
            case 1:
                spoilt.insert(at, data.draw(st.integers(0, 255)))
            case _:
                del spoilt[at:][: data.draw(st.integers(1, 9))]
                spoilt = spoilt[: max(1, at)]
    assert why_rejected(bytes(spoilt), topic)


@needs_shared
def test_no_real_payload_of_other_peoples_devices_crashes_the_decoders() -> None:
    assert SHARED is not None
    file = SHARED / "data" / "devices" / "payloads_dev.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len(rows) == 408
    whole = Mapping(name="all", topic="#", profile="em1", device="d-{path:id}", columns={"p": "p"})
    mapped = Decoders(PROFILES, [whole])
    for row in rows:
        assert row["encoding"] == "utf8"
        payload, topic = row["payload"].encode(), (row["topic"] or "nobody/knows").encode()
        assert why_rejected(payload, topic) == "unmapped"
        assert why_rejected(payload) in {"encoding", "schema", "profile"}
        with pytest.raises(RejectedError):
            mapped.decode(record(payload, topic), Directory(), Collector())


class _Late:
    """Formats of other makers that count how often they are built."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> list[Foreign]:
        self.built += 1
        return [_Sparkplug(), _Lent()]


class _Lent(_Sparkplug):
    formats: ClassVar[dict[int, Decode]] = {ord("/"): _Telegram(), ord("{"): _Telegram()}


def test_late_formats_come_with_the_first_message_that_nothing_else_reads() -> None:
    late, directory = _Late(), Directory()
    decoders = Decoders(PROFILES, late=late)
    decoders.restore([], [])
    decoders.decode(record(message()), directory, Collector())
    assert (decoders.wishes(), decoders.memories(), late.built) == ([], [], 0)
    for _ in range(2):
        with pytest.raises(RejectedError, match="sparkplug"):
            decoders.decode(record(b"\x08", b"spBv1.0/g/NDATA/n"), directory, Collector())
    assert late.built == 1
    decoders.decode(record(message()), directory, Collector())  # what is ours stays ours


def test_a_first_byte_that_we_do_not_read_calls_late_formats() -> None:
    late, directory = _Late(), Directory()
    decoders = Decoders(PROFILES, late=late)
    decoders.decode(record(message()), directory, Collector())  # its route is remembered
    for _ in range(2):
        with pytest.raises(RejectedError, match="checksum"):
            decoders.decode(record(b"/KFM5", TOPIC), directory, Collector())
    assert late.built == 1


@pytest.mark.parametrize(
    ("memories", "reasons", "built"),
    [([], 0, 0), ([MemoryRow("sparkplug", "n", b"1")], 0, 1), ([], int(Reason.NO_CLOCK), 1)],
)
def test_late_formats_come_at_once_where_an_earlier_life_left_them_something(
    memories: list[MemoryRow], reasons: int, built: int
) -> None:
    late = _Late()
    latest = LatestRow(0, "em1", 1000, 1000, 0, 0, 0, 9, reasons, b"", b"")
    Decoders(PROFILES, late=late).restore(memories, [latest])
    assert late.built == built
