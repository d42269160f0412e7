"""Every status means one thing."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SinkDeniedError, SinkRefusedError, SinkUnavailableError
from gateway.sinks.status import SinkTooLargeError, error_of, retry_after_s

NOW_MS = 1_795_300_200_000


@pytest.mark.parametrize("status", [200, 204])
def test_only_200_and_204_mean_written(status: int) -> None:
    assert error_of(status, b"", None, NOW_MS) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SinkRefusedError),
        (422, SinkRefusedError),
        (413, SinkTooLargeError),
        (401, SinkDeniedError),
        (403, SinkDeniedError),
        (404, SinkDeniedError),
        (405, SinkDeniedError),
        (301, SinkDeniedError),
        (202, SinkDeniedError),
        (408, SinkUnavailableError),
        (429, SinkUnavailableError),
        (500, SinkUnavailableError),
        (503, SinkUnavailableError),
        (599, SinkUnavailableError),
    ],
)
def test_a_status_means_what_the_table_says(status: int, kind: type[Exception]) -> None:
    error = error_of(status, b"some\n  words", None, NOW_MS)
    assert type(error) is kind
    assert str(error) == f"HTTP {status}: some words"


@given(st.integers(100, 999), st.binary(max_size=2000), st.none() | st.text(max_size=40))
def test_any_answer_means_something_and_its_words_are_bounded(
    status: int, body: bytes, retry_after: str | None
) -> None:
    error = error_of(status, body, retry_after, NOW_MS)
    assert (error is None) == (status in {200, 204})
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("99999999999999999999999999999", 3600),
        ("-7", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        (formatdate(NOW_MS / 1000 + 90, usegmt=True), 90),
        (formatdate(NOW_MS / 1000 + 90), 90),  # "-0000"
        (formatdate(NOW_MS / 1000 - 90, usegmt=True), 0),
        (formatdate(NOW_MS / 1000 + 90_000, usegmt=True), 3600),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW_MS) == seconds


def test_an_unavailable_server_says_when_to_come_again() -> None:
    error = error_of(503, b"", "5", NOW_MS)
    assert isinstance(error, SinkUnavailableError)
    assert error.retry_after_s == 5
