"""Bisection, against servers that keep the good lines of a refused batch and such that do not."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SinkDeniedError, SinkRefusedError, SinkUnavailableError
from gateway.sinks.salvage import write_around


class Server:
    """Refuses batches with bad lines; counts requests."""

    def __init__(self, bad: set[bytes], *, keeps_good: bool, quotes: bool) -> None:
        self.bad = bad
        self.keeps_good = keeps_good
        self.quotes = quotes
        self.stored: set[bytes] = set()
        self.requests = 0
        self.probes = 0

    async def write(self, lines: Sequence[bytes]) -> None:
        assert lines
        self.requests += 1
        bad = [line for line in lines if line in self.bad]
        if not bad or self.keeps_good:
            self.stored.update(set(lines) - self.bad)
        if bad:
            raise SinkRefusedError(f"no: {bad[0].decode()}" if self.quotes else "no")

    async def probe(self) -> None:
        self.probes += 1


def lines_of(count: int) -> list[bytes]:
    return [b"em1,device=meter-%04d p=1.0 %d" % (n, n) for n in range(count)]


@given(
    st.integers(1, 200),
    st.sets(st.integers(0, 199), max_size=30),
    st.booleans(),
    st.booleans(),
)
async def test_exactly_the_bad_lines_are_left_out(
    count: int,
    places: set[int],
    keeps_good: bool,  # noqa: FBT001
    quotes: bool,  # noqa: FBT001
) -> None:
    lines = lines_of(count)
    bad = {lines[place] for place in places if place < count}
    server = Server(bad, keeps_good=keeps_good, quotes=quotes)
    refused = await write_around(server.write, lines, server.probe)
    assert sorted(line for line, _ in refused) == sorted(bad)
    assert server.stored == set(lines) - bad
    assert server.requests <= 2 * count + 14 * 9


@pytest.mark.parametrize("keeps_good", [True, False])
async def test_one_bad_line_in_5000_costs_at_most_14_requests_wherever_it_is(
    *, keeps_good: bool
) -> None:
    lines = lines_of(5000)
    for place in (*range(0, 5000, 97), 4999):
        server = Server({lines[place]}, keeps_good=keeps_good, quotes=True)
        refused = await write_around(server.write, lines, server.probe)
        assert [line for line, _ in refused] == [lines[place]]
        assert server.requests - 1 <= 14


async def test_a_batch_of_only_bad_lines_costs_two_requests_a_line_and_one_probe() -> None:
    lines = lines_of(1000)
    server = Server(set(lines), keeps_good=True, quotes=False)
    refused = await write_around(server.write, lines, server.probe)
    assert len(refused) == 1000
    assert server.probes == 1
    assert server.requests < 2200


async def test_no_line_is_given_up_while_the_server_refuses_even_the_probe() -> None:
    server = Server(set(lines_of(10)), keeps_good=False, quotes=False)

    async def probe() -> None:
        raise SinkDeniedError("everything")

    with pytest.raises(SinkDeniedError):
        await write_around(server.write, lines_of(10), probe)


async def test_a_batch_refused_as_a_whole_but_not_in_parts_loses_nothing() -> None:
    stored: set[bytes] = set()

    async def write(lines: Sequence[bytes]) -> None:
        if len(lines) > 4:  # a proxy that says 400 where it means 413
            raise SinkRefusedError("too much")
        stored.update(lines)

    async def probe() -> None:
        raise AssertionError("something was accepted already")

    assert await write_around(write, lines_of(50), probe) == []
    assert stored == set(lines_of(50))


async def test_an_outage_in_the_middle_ends_the_search() -> None:
    server = Server({lines_of(100)[50]}, keeps_good=False, quotes=False)

    async def write(lines: Sequence[bytes]) -> None:
        if server.requests == 3:
            raise SinkUnavailableError("gone")
        await server.write(lines)

    with pytest.raises(SinkUnavailableError):
        await write_around(write, lines_of(100), server.probe)
