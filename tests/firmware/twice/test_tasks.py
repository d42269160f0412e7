"""Tasks: MicroPython runs ours (hal/tasks_mp.py), CPython asyncio, and both have to agree."""

from fieldnode.hal import tasks

if False:  # for the type checker
    from typing import Any


def told_by(story: "Any") -> "list[object]":
    """Run ``story(said)`` and return what it has said."""
    said: "list[object]" = []
    tasks.run(story(said))
    return said


async def count(said: "list[object]", name: str, step_ms: int) -> None:
    for number in range(3):
        await tasks.sleep_ms(step_ms)
        said.append(name + str(number))


def test_who_sleeps_less_is_awake_more_often() -> None:
    async def story(said: "list[object]") -> None:
        tasks.create_task(count(said, "a", 60))
        tasks.create_task(count(said, "b", 100))
        await tasks.sleep_ms(400)

    assert told_by(story) == ["a0", "b0", "a1", "a2", "b1", "b2"]  # 60 100 120 180 200 300 ms


def test_an_event_wakes_all_who_wait_and_nobody_waits_for_one_that_is_set() -> None:
    async def wait(said: "list[object]", event: "tasks.Event", name: str) -> None:
        await event.wait()
        said.append(name)

    async def story(said: "list[object]") -> None:
        event = tasks.Event()
        for name in ("a", "b"):
            tasks.create_task(wait(said, event, name))
        await tasks.sleep_ms(20)
        said.append("set")
        event.set()
        await event.wait()
        await tasks.sleep_ms(20)
        event.clear()
        tasks.create_task(wait(said, event, "c"))
        await tasks.sleep_ms(20)
        said.append("end")

    assert told_by(story) == ["set", "a", "b", "end"]


def test_cancelled_is_who_sleeps_or_waits_and_only_once() -> None:
    async def work(said: "list[object]", waiting: "Any") -> None:
        try:
            await waiting
        finally:
            said.append("cleaned")
        said.append("never")

    async def story(said: "list[object]") -> None:
        event = tasks.Event()
        sleeper = tasks.create_task(work(said, tasks.sleep_ms(60_000)))
        waiter = tasks.create_task(work(said, event.wait()))
        await tasks.sleep_ms(20)
        said.append((sleeper.cancel(), waiter.cancel()))
        await tasks.sleep_ms(20)
        said.append((sleeper.cancel(), waiter.cancel()))
        event.set()  # nobody is there any more
        await tasks.sleep_ms(20)

    assert told_by(story) == [(True, True), "cleaned", "cleaned", (False, False)]


def test_a_fault_ends_its_task_alone_and_the_main_one_raises_its_own() -> None:
    async def fail() -> None:
        raise ValueError("of a task")

    async def story(said: "list[object]") -> None:
        tasks.create_task(fail())
        await tasks.sleep_ms(20)
        said.append("went on")
        raise OSError("of the main one")

    said: "list[object]" = []
    try:
        tasks.run(story(said))
    except OSError as error:
        said.append(str(error))
    assert said == ["went on", "of the main one"]
