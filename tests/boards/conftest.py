"""Databases that the boards are asked against."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers import influxd, victoria
from tests.support.boards import madeup
from tests.support.boards.asking import DATABASE, Influx, Victoria

by_itself = pytest.mark.skipif(
    os.environ.get("INFRAGATE_BOARDS") != "1", reason="minutes of work: make test-boards"
)


class Twins:
    """The same points in two servers."""

    def __init__(self, influx: Influx, prom: Victoria) -> None:
        self.influx, self.prom = influx, prom

    @property
    def both(self) -> tuple[Influx | Victoria, Influx | Victoria]:
        """InfluxQL first, as the sets of boards."""
        return self.influx, self.prom

    def write(self, lines: list[bytes]) -> None:
        """Write to both; VictoriaMetrics shows new points at once only when asked to."""
        for one in (self.influx, self.prom):
            one.write(lines)
        self.prom.flush()


@contextmanager
def started() -> Iterator[Twins]:
    """Two empty servers."""
    with influxd() as influx, victoria() as prom:
        twins = Twins(Influx(influx), Victoria(prom))
        twins.influx.raw(f"CREATE DATABASE {DATABASE}")
        yield twins


@pytest.fixture(scope="session")
def full() -> Iterator[Twins]:
    """With every measurement that there is, made up."""
    with started() as twins:
        twins.write(list(madeup.lines()))
        yield twins


@pytest.fixture(scope="session")
def empty() -> Iterator[Twins]:
    """A database without a point."""
    with started() as twins:
        yield twins
