"""Whatever a foreign device sends: no exception but a refusal, all or nothing, nothing invented."""

import contextlib
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.foreign import ForeignSection
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.family import SHIPPED, load_families
from gateway.decode.foreign.fast import signature
from gateway.decode.foreign.naming import slug
from gateway.errors import RejectedError
from gateway.model import Record
from gateway.topics import is_device_id
from tests.unit.decode.support import PROFILES, RECEIVED_MS, Directory

FORMATS = build_foreign(ForeignSection(zone="Europe/Berlin"), PROFILES)
EXAMPLES = [
    (example.topic, example.payload)
    for family in load_families(SHIPPED).values()
    for example in family.example
]
_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
)  # NaN and infinity included: json.dumps writes them bare, as printf does
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


def decode(decoders: Decoders, topic: str, payload: bytes) -> Collector:
    out = Collector()
    record = Record(1, RECEIVED_MS, 0, 0, topic.encode("utf-8", "surrogatepass"), payload)
    try:
        decoders.decode(record, Directory(), out)
    except RejectedError:
        assert not out.batches()
        assert not out.events
    return out


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, bytes]:
    """An example of a mapping file with some of its values replaced by anything."""
    topic, payload = draw(st.sampled_from(EXAMPLES))
    try:
        root = msgspec.json.decode(payload.encode())
    except msgspec.DecodeError:
        return topic, draw(st.binary(max_size=40))
    return topic, json.dumps(draw(_mutant(root))).encode()


@st.composite
def _mutant(draw: st.DrawFn, node: Any) -> Any:
    if draw(st.integers(0, 9)) == 0:
        return draw(_VALUES)
    if isinstance(node, dict):
        return {key: draw(_mutant(value)) for key, value in node.items()}
    if isinstance(node, list):
        return [draw(_mutant(value)) for value in node]
    return node


@settings(max_examples=100, deadline=None)
@given(changed())
def test_changed_payloads_are_read_or_refused(message: tuple[str, bytes]) -> None:
    decode(Decoders(PROFILES, foreign=FORMATS), *message)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(EXAMPLES),
    st.text(max_size=12),
    st.binary(max_size=60) | st.just(b'{"nan":nan,"a":[[]]}'),
)
def test_odd_topics_and_bytes_are_read_or_refused(
    example: tuple[str, str], word: str, payload: bytes
) -> None:
    decoders = Decoders(PROFILES, foreign=FORMATS)
    first = example[0].split("/")
    for at in range(len(first)):
        topic = "/".join([*first[:at], word, *first[at + 1 :]])
        decode(decoders, topic, payload)
        decode(decoders, topic, example[1].encode())


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(EXAMPLES), st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=9))
def test_a_shape_seen_before_gives_what_the_walk_gives(
    example: tuple[str, str], numbers: list[float]
) -> None:
    """The first message of a topic is read by the walk, the others by the shape."""
    topic, payload = example
    try:
        root = msgspec.json.decode(payload.encode())
    except msgspec.DecodeError:
        return
    other = json.dumps(_with(root, iter(numbers))).encode()
    by_walk = _columns(topic, [other])
    by_shape = _columns(topic, [payload.encode(), other])
    for profile, values in by_walk.items():
        assert np.array_equal(by_shape[profile][-len(values) :], values, equal_nan=True), profile


def _columns(topic: str, payloads: list[bytes]) -> dict[str, Any]:
    """Return the values of each profile after some messages of one topic."""
    foreign = build_foreign(ForeignSection(zone="Europe/Berlin"), PROFILES)
    decoders, directory, out = Decoders(PROFILES, foreign=foreign), Directory(), Collector()
    for number, payload in enumerate(payloads):
        record = Record(number + 1, RECEIVED_MS, 0, 0, topic.encode(), payload)
        with contextlib.suppress(RejectedError):
            decoders.decode(record, directory, out)
    return {batch.readings.profile: batch.readings.values for batch in out.batches()}


def _with(node: Any, left: Any) -> Any:
    if isinstance(node, dict):
        return {key: _with(value, left) for key, value in node.items()}
    if isinstance(node, list):
        return [_with(value, left) for value in node]
    is_number = isinstance(node, float) and not isinstance(node, bool)
    return next(left, node) if is_number else node


@given(st.text(max_size=80))
def test_every_name_becomes_a_device_id(name: str) -> None:
    assert is_device_id(slug(name))


def test_names_that_an_id_cannot_carry_stay_apart() -> None:
    names = ["küche", "kuche", "k-che", "厨房", "厨師", "k" * 80, "k" * 81, "a", "", "-"]
    assert len({slug(name) for name in names}) == len(names)


def test_shapes_differ_where_a_number_becomes_a_word() -> None:
    assert signature({"a": 1, "b": {"c": 2.5}}) == signature({"a": 1.5, "b": {"c": 2}})
    assert signature({"a": 1}) != signature({"a": "1"})


@pytest.mark.parametrize("payload", [b"true", b"[1e999]", b'{"Time":1e400}', b"[" * 2000])
def test_extremes_are_refused(payload: bytes) -> None:
    out = decode(Decoders(PROFILES, foreign=FORMATS), "tele/plug/SENSOR", payload)
    assert not out.batches()
