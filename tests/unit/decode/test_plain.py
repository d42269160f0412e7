"""Reading many ordinary messages at once changes nothing: each is read as it is alone."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode import Collector, Decoders
from gateway.decode.rows import MANY_BYTES
from gateway.errors import RejectedError
from gateway.model import DecodedBatch, Record
from tests.unit.decode.support import BASE_MS, PROFILES, ROW, Directory, message, record

_TOPICS = [b"tg/1/site/energy/meter-%d/%s" % (n, lane) for n in range(3) for lane in (b"t", b"b")]
_LANE = {"p": "tl1", "t": BASE_MS, "r": [[0, *[1] * len(PROFILES["tl1"].columns), 0]]}
_COMPACT = json.dumps({"p": "em1", "t": BASE_MS, "r": [ROW] * 3}, separators=(",", ":")).encode()
_ORDINARY = [
    message(n=5, log=7, b=1, i=1000),
    message(n=0),
    message(rows=[ROW, [1000, None, *ROW[2:]]]),
    _COMPACT,
]
_ODD = [
    message(rows=[]),
    message(extra=1),
    message(n=-1),
    message(rows=[ROW[:-1]]),
    _COMPACT.replace(b'"t":', b'"t":1,"t":'),
    _COMPACT[:-1],
    _COMPACT + b"}",
    _COMPACT.replace(b"1234567", b"12345.67"),
    _COMPACT.replace(b"1234567", b'"\xff"'),
    b" " + _COMPACT,  # reads well, but does not begin as it should
    json.dumps({"t": BASE_MS, "p": "em1", "r": [ROW]}).encode(),  # neither does this
    json.dumps(_LANE, separators=(",", ":")).encode(),  # of another sector
    b"{}",
    b"",
]
_DOCUMENT = (b"tg/1/site/energy/meter-0/e", b'{"c":99}')


def _known() -> Decoders:
    """Return decoders that have heard of every device."""
    decoders = Decoders(PROFILES, source_max_age_ms=(0, 60_000))
    directory = Directory()
    for topic in _TOPICS:
        decoders.decode(record(message(), topic), directory, Collector())
    return decoders


def _decoded(records: list[Record], *, at_once: bool) -> tuple[list[object], dict[int, str]]:
    decoders, out, refused = _known(), Collector(), {}
    for one in decoders.decode_plain(records, out) if at_once else records:
        try:
            decoders.decode(one, Directory(), out)
        except RejectedError as error:
            refused[one.number] = str(error)
    batches = [_plain(batch) for batch in out.batches()]
    return [*sorted(batches), *out.events], refused


def _plain(batch: DecodedBatch) -> str:
    rows = batch.readings
    columns = [getattr(rows, name) for name in rows.__slots__ if name != "profile"]
    columns += [getattr(batch, name) for name in batch.__slots__ if name != "readings"]
    return f"{rows.profile} {[np.asarray(column).tolist() for column in columns]}"


@given(
    st.lists(
        st.tuples(st.sampled_from(_TOPICS), st.sampled_from(_ORDINARY * 3 + _ODD))
        | st.just(_DOCUMENT),
        max_size=60,
    ),
    st.integers(0, 1),
)
def test_at_once_and_one_by_one_are_the_same(said: list[tuple[bytes, bytes]], source: int) -> None:
    records = [
        record(payload, topic, number)._replace(source=source)
        for number, (topic, payload) in enumerate(said, 1)
    ]
    assert _decoded(records, at_once=True) == _decoded(records, at_once=False)


def test_one_odd_message_among_thousands_is_found_and_the_others_are_added() -> None:
    payloads = [message(n=number) for number in range(2000)]
    payloads[1234] = _COMPACT + b"}"
    records = [record(p, _TOPICS[0], number) for number, p in enumerate(payloads, 1)]
    out = Collector()
    handed_back = _known().decode_plain(records, out)
    assert 1235 in [one.number for one in handed_back]
    assert len(handed_back) <= 16
    assert len(out.batches()[0].readings) == 2000 - len(handed_back)


def test_what_is_too_large_and_who_is_unknown_is_handed_back() -> None:
    large = message(rows=[ROW] * 3000)  # good, but rows of so many bytes are counted first
    assert len(large) > MANY_BYTES
    records = [record(large, _TOPICS[0]), record(_COMPACT, b"tg/1/site/energy/meter-9/t", 2)]
    out = Collector()
    assert _known().decode_plain(records, out) == records
    assert not out.batches()
