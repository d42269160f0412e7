"""The contract of ``ports.Intake``: the real one, and the fake that the sources' tests use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from gateway.ports import Intake
from gateway.sources.intake import CommitRules, GroupCommit
from gateway.stats import Stats
from tests.intakes import MemoryIntake
from tests.journal_tools import open_journal

Commit = Callable[[], Awaitable[None]]
Case = tuple[Intake, Commit]


@asynccontextmanager
async def in_memory(_folder: Path) -> AsyncIterator[Case]:
    intake = MemoryIntake()

    async def commit() -> None:
        intake.commit()

    yield intake, commit


@asynccontextmanager
async def on_disk(folder: Path) -> AsyncIterator[Case]:
    journal = open_journal(folder)
    intake = GroupCommit(journal, CommitRules(commit_ms=1), Stats(), lambda: 0)
    told: list[int] = []
    intake.on_durable(told.append)
    task = asyncio.create_task(intake.run())

    async def commit() -> None:
        async with asyncio.timeout(5):
            while not told or told[-1] < journal.next_number - 1:
                await asyncio.sleep(0.002)

    yield intake, commit
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await intake.close()
    journal.close()


@pytest.fixture(params=[in_memory, on_disk])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    make: Callable[[Path], AbstractAsyncContextManager[Case]] = request.param
    async with make(tmp_path) as made:
        yield made


async def test_numbers_rise_by_one(case: Case) -> None:
    intake, _ = case
    first = intake.append(0, 1, b"a/b", b"1")
    assert [intake.append(n, 1, b"a/b", b"") for n in range(4)] == [first + n + 1 for n in range(4)]


async def test_many_at_once_are_numbered_as_one_by_one(case: Case) -> None:
    intake, commit = case
    first = intake.append(0, 1, b"a/b", b"1")
    assert intake.extend(0, [(1, b"a/b", b"2"), (0, b"a/c", b"3")]) == first + 2
    assert intake.append(0, 1, b"a/b", b"4") == first + 3
    heard: list[int] = []
    intake.on_durable(heard.append)
    last = intake.extend(1, [(1, b"a/b", b"%d" % n) for n in range(100)])
    assert not heard  # never from inside extend
    await commit()
    assert heard[-1] == last == first + 103


async def test_every_listener_hears_of_every_record_once_it_is_durable(case: Case) -> None:
    intake, commit = case
    heard: list[list[int]] = [[], []]
    for each in heard:
        intake.on_durable(each.append)
    numbers = [intake.append(0, 1, b"a/b", b"payload") for _ in range(100)]
    assert heard == [[], []]  # never from inside append
    await commit()
    for each in heard:
        assert each == sorted(each)
        assert each[-1] == numbers[-1]


async def test_an_idle_intake_is_not_congested(case: Case) -> None:
    intake, commit = case
    intake.append(0, 1, b"a/b", b"payload")
    await commit()
    assert not intake.is_congested
