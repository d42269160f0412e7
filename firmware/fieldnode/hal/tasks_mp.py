"""Tasks of MicroPython: what this program uses of asyncio, in a third of its heap.

Like asyncio on its C part, ``_asyncio``: a queue ordered by time, and tasks, which look up the
three names of ``_context``. Who waits is in a queue of its own, where ``cancel`` finds it by
``task.data.remove``. Nobody waits for a task's end or its result.
"""
# mypy: ignore-errors
# pyright: reportArgumentType=false
# CPython has no _asyncio like this one; pyright checks this file with the ESP32's stubs, to which
# a generator is no coroutine, and ticks are no integer.

import select
import sys
from _asyncio import Task, TaskQueue
from time import ticks_add, ticks_diff, ticks_ms

if False:  # for the type checker
    from collections.abc import Coroutine
    from typing import Any


class CancelledError(BaseException):
    """Raised where a task waits that is cancelled."""


_queue = TaskQueue()
_context = {"cur_task": None, "_task_queue": _queue, "CancelledError": CancelledError}


def create_task(coroutine: "Coroutine[Any, Any, Any]") -> "Any":
    """Start it beside the others; an exception that leaves it is printed, and ends it alone."""
    task = Task(coroutine, _context)
    _queue.push(task)
    return task


def sleep_ms(duration_ms: int) -> "Any":
    _queue.push(_context["cur_task"], ticks_add(ticks_ms(), max(0, duration_ms)))
    yield


class Event:
    """As asyncio's."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiting = TaskQueue()

    def set(self) -> None:
        self._is_set = True
        while self._waiting.peek():
            _queue.push(self._waiting.pop())

    def clear(self) -> None:
        self._is_set = False

    def wait(self) -> "Any":
        if not self._is_set:
            task = _context["cur_task"]
            self._waiting.push(task)
            task.data = self._waiting
            yield


class _Streams:
    """Who waits for bytes, or for room for them: one reader and one writer a stream."""

    def __init__(self):
        self.poller = select.poll()
        self.waiting = {}  # id of a stream → itself, its reader, its writer

    def until(self, stream, is_write):
        waiting = self.waiting.setdefault(id(stream), [stream, None, None])
        waiting[1 + is_write] = task = _context["cur_task"]
        self.watch(waiting)
        task.data = self
        yield

    def watch(self, waiting):
        stream, reader, writer = waiting
        events = select.POLLIN if reader else 0
        events |= select.POLLOUT if writer else 0
        if events:
            self.poller.register(stream, events)
        else:
            self.poller.unregister(stream)
            del self.waiting[id(stream)]

    def remove(self, task):
        for waiting in list(self.waiting.values()):
            if task in waiting:
                waiting[waiting.index(task)] = None
                self.watch(waiting)

    def look(self, wait_ms):
        for stream, event in self.poller.ipoll(wait_ms):
            waiting = self.waiting[id(stream)]
            for slot, other in ((1, select.POLLOUT), (2, select.POLLIN)):
                if waiting[slot] and event & ~other:  # an error or the end wakes both
                    _queue.push(waiting[slot])
                    waiting[slot] = None
            self.watch(waiting)


_streams = _Streams()
until: "Any" = _streams.until


def run(coroutine: "Coroutine[Any, Any, Any]") -> None:
    """Run until this one ends, or raises."""
    main = create_task(coroutine)
    while main.state:
        task = _queue.peek()
        wait_ms = max(0, ticks_diff(task.ph_key, ticks_ms())) if task else -1
        _streams.look(wait_ms)
        if not wait_ms:
            _step(_queue.pop(), main)


def _step(task, main):
    _context["cur_task"] = task
    error = task.data
    task.data = None
    try:
        if error:
            task.coro.throw(error)
        else:
            task.coro.send(None)
    except (StopIteration, CancelledError):
        task.state = False
    except Exception as fault:
        task.state = False
        if task is main:
            raise
        sys.print_exception(fault)
