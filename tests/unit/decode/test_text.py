"""Strictness that does not depend on the version of Python."""

import pytest

from gateway.decode.text import refuse_duplicates
from gateway.errors import RejectedError


def nested(depth: int) -> bytes:
    return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_nesting_is_bounded_and_brackets_in_texts_do_not_nest() -> None:
    refuse_duplicates(nested(500))
    refuse_duplicates(b"[" + b"[]," * 600 + b"[]]")
    refuse_duplicates(b'["' + b"[" * 600 + b'\\"{","{"]')
    with pytest.raises(RejectedError, match="nested too deep"):
        refuse_duplicates(nested(501))
