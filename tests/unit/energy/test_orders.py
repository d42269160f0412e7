"""Commands in two steps: nothing is confirmed twice, too late, or without a line."""

from pathlib import Path

import pytest

from gateway.energy.orders import FILE_NAME, OrderLine, Orders, reason_of
from gateway.errors import GatewayError

WITHIN_MS = 900_000


def proposed(order: str, when_ms: int) -> OrderLine:
    request: dict[str, object] = {"do": "reset"}
    place, because = "transformer:tba-1", '{"what":"uprate"}'
    return OrderLine(
        order, "proposed", "an", when_ms, "em-1", request, place, because, "too much load"
    )


@pytest.mark.clause("749.VIII.6-1")
def test_a_proposal_is_confirmed_once_and_in_time(tmp_path: Path) -> None:
    orders = Orders(tmp_path, WITHIN_MS)
    for order, when_ms in (("aaa111", 1000), ("bbb222", 2000)):
        orders.note(proposed(order, when_ms))
    with pytest.raises(GatewayError, match="nobody proposed"):
        orders.confirm("ccc333", "binh", 3000)
    line = orders.confirm("aaa111", "binh", 1000 + WITHIN_MS)
    assert (line.device, line.request, line.who) == ("em-1", {"do": "reset"}, "binh")
    with pytest.raises(GatewayError, match="confirmed already"):
        orders.confirm("aaa111", "an", 4000)
    with pytest.raises(GatewayError, match="too long ago"):
        orders.confirm("bbb222", "an", 2001 + WITHIN_MS)
    assert [(one.id, one.step) for one in Orders(tmp_path, WITHIN_MS).lines()] == [
        ("aaa111", "proposed"),
        ("bbb222", "proposed"),
        ("aaa111", "confirmed"),
    ]


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    orders = Orders(tmp_path, WITHIN_MS)
    orders.note(proposed("aaa111", 1000))
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"id":"bbb222","step":"prop')
    orders.note(proposed("ccc333", 2000))
    assert [one.id for one in orders.lines()] == ["aaa111", "ccc333"]


def test_the_reason_is_the_newest_advice_or_an_alarm_that_lasts() -> None:
    old, new = '{"advice":[{"what":"balance"}]}', '{"advice":[{"what":"retap","rank":3}]}'
    assert reason_of([old, new], []) == '{"what":"retap","rank":3}'
    assert reason_of(['{"advice":[]}'], ["overload {}"]) == "overload {}"
    assert reason_of([], []) is None
