"""The collector keeps what it is given, in order, however it is given."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode import Collector
from gateway.model import NO_SEQ, Event
from gateway.ports import RowsHeader

_MESSAGE = st.tuples(
    st.lists(st.tuples(st.integers(-9, 9), st.none() | st.integers(-9, 9), st.none() | st.just(2)),
             min_size=1, max_size=4),
    st.booleans(),  # as columns
    st.sampled_from([NO_SEQ, 0, 70]),
    st.sampled_from([0, 5_000]),  # base
    st.sampled_from(["t", "b"]),
)  # fmt: skip


_HEADER = RowsHeader(
    profile="x",
    device_index=3,
    log=7,
    boot=1,
    seq=NO_SEQ,
    time_ms=1,
    lane="t",
    record=1,
    received_ms=9_000,
    is_registered=True,
    max_age_ms=60,
)


@given(messages=st.lists(_MESSAGE, min_size=1, max_size=6))
def test_every_way_of_adding_gives_what_a_plain_loop_would(
    messages: list[tuple[list[tuple[int, int | None, int | None]], bool, int, int, str]],
) -> None:
    out = Collector()
    wanted = []
    for number, (rows, as_columns, seq, base_ms, lane) in enumerate(messages):
        header = _HEADER._replace(seq=seq, time_ms=base_ms, lane=lane, record=number)
        if as_columns:
            out.add_columns(
                header,
                np.array([row[0] for row in rows]),
                np.array([[row[1]] for row in rows], dtype=np.float64),
                np.array([row[2] or 0 for row in rows]),
            )
        else:
            out.add_rows(header, rows)
        for place, (dt, value, status) in enumerate(rows):
            time_ms = base_ms + dt if base_ms else 9_000 + dt - rows[-1][0]
            wanted.append((
                time_ms, NO_SEQ if seq == NO_SEQ else seq + place, str(float(value) if value
                is not None else float("nan")), status or 0, number, lane == "b", base_ms == 0,
            ))  # fmt: skip
    (batch,) = out.batches()
    readings = batch.readings
    got = zip(
        readings.time_ms.tolist(),
        readings.seq.tolist(),
        [str(value) for value in readings.values[:, 0].tolist()],
        readings.status.tolist(),
        readings.record.tolist(),
        batch.is_backlog.tolist(),
        batch.is_stamped.tolist(),
        strict=True,
    )
    assert list(got) == wanted
    assert set(readings.log.tolist()) == {7}
    assert set(batch.max_age_ms.tolist()) == {60}
    assert readings.values.flags["C_CONTIGUOUS"]


def test_profiles_are_kept_apart_and_asking_twice_changes_nothing() -> None:
    out = Collector()
    for profile, width in (("a", 1), ("b", 2), ("a", 1)):
        header = _HEADER._replace(profile=profile)
        out.add_rows(header, [[0, *[1] * width, 0]])
    for _ in range(2):
        assert [(x.readings.profile, len(x.readings)) for x in out.batches()] == [
            ("a", 2),
            ("b", 1),
        ]


def test_events_pass_through() -> None:
    out = Collector()
    event = Event(1, 2, 3, "event", 99, "{}", 4)
    out.add_event(event)
    assert out.events == [event]
    assert not out.batches()
