"""Of several readings of one device and time the best grade is shown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Quality
from gateway.store.winners import in_order, winners
from tests.store_tools import DAY0_MS, DAY_MS, Row, batch_of, rows_of, shown

ROWS = st.lists(
    st.builds(
        Row,
        device=st.integers(0, 3),
        time_ms=st.integers(0, 4).map(lambda k: DAY0_MS + k * 1000),
        record=st.integers(1, 50),
        seq=st.integers(-1, 3),
        quality=st.sampled_from(list(Quality)).map(int),
        value=st.integers(0, 9).map(float),
    ),
    max_size=60,
    unique_by=lambda row: (row.device, row.time_ms, row.record, row.seq),
)


@given(ROWS)
def test_winners_are_those_of_the_plain_model(rows: list[Row]) -> None:
    assert rows_of(winners(batch_of(rows), by_sequence=False)) == shown(rows)


@given(ROWS)
def test_every_event_of_one_millisecond_is_shown(rows: list[Row]) -> None:
    batch = winners(batch_of(rows), by_sequence=True)
    keys = list(
        zip(
            batch.time_ms.tolist(),
            batch.device_index.tolist(),
            batch.seq.tolist(),
            strict=True,
        )
    )
    assert keys == sorted({(row.time_ms, row.device, row.seq) for row in rows})


@given(ROWS)
def test_lineage_shows_every_row(rows: list[Row]) -> None:
    key = lambda row: (row.time_ms, row.device, row.seq, row.record)  # noqa: E731
    assert rows_of(in_order(batch_of(rows))) == sorted(rows, key=key)


def test_the_first_of_two_equal_grades_wins() -> None:
    rows = [Row(1, DAY0_MS, record=9, value=9.0), Row(1, DAY0_MS, record=4, value=4.0)]
    assert rows_of(winners(batch_of(rows), by_sequence=False)) == [rows[1]]


def test_the_last_of_two_edits_wins() -> None:
    rows = [Row(1, DAY0_MS, record, quality=Quality.EDITED) for record in (4, 9, 7)]
    assert rows_of(winners(batch_of(rows), by_sequence=False)) == [rows[1]]


def test_a_measurement_beats_an_estimate_that_came_first() -> None:
    estimate = Row(1, DAY0_MS, 1, quality=Quality.IMPUTED)
    measured = Row(1, DAY0_MS, 2, quality=Quality.VALID)
    assert rows_of(winners(batch_of([estimate, measured]), by_sequence=False)) == [measured]


def test_times_of_many_days_keep_their_order() -> None:
    rows = [Row(2, DAY0_MS + day * DAY_MS, 100 - day) for day in (400, 2, 0, 9)]
    batch = winners(batch_of(rows), by_sequence=False)
    assert (np.diff(batch.time_ms) > 0).all()
