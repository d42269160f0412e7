"""The city without a network: as fast as it computes, into files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TextIO

from simulators.city.city import City
from simulators.city.feed import Feed
from simulators.city.nodes import Node, Writers, event_payload
from simulators.device import ROWS_PER_MESSAGE, Reading

STEP_MS = 3_600_000
DUMP_FILE = "capture.jsonl"


class Tally(NamedTuple):
    """What a run has made."""

    readings: int
    events: int


def run_dry(city: City, progress: Callable[[int], None]) -> Tally:
    """Let the whole time of a city pass; ``progress`` is told the time of the city."""
    readings = events = 0
    for span, step in city.steps(STEP_MS):
        readings += sum(int(batch.at_ms.size) for batch in step.readings)
        events += len(step.events)
        progress(span.to_ms)
    return Tally(readings, events)


def run_into(city: City, org: str, folder: Path, progress: Callable[[int], None]) -> Tally:
    """Do the same, and write all messages as a capture that ``simulators replay`` takes."""
    writers = Writers()
    nodes = [Node(org, row, writers, lambda: city.ended_ms) for row in city.devices()]
    names = {node.name: number for number, node in enumerate(nodes)}
    feed = Feed(city, names, STEP_MS)
    folder.mkdir(parents=True, exist_ok=True)
    readings = events = 0
    with (folder / DUMP_FILE).open("w", encoding="utf-8") as file:
        for end_ms in range(city.span.from_ms + STEP_MS, city.span.to_ms + STEP_MS, STEP_MS):
            pending: dict[int, list[Reading]] = {}
            for row in feed.rows(min(end_ms, city.span.to_ms)):
                reading = nodes[row.node].take(row.time_ms, row.values, row.status)
                pending.setdefault(row.node, []).append(reading)
                readings += 1
            for number, kept in pending.items():
                _write(file, nodes[number], kept)
            for event in feed.events(end_ms):
                events += 1
                topic = nodes[names[event.device]].prefix + "e"
                _line(file, topic, event_payload(event))
            progress(end_ms)
    return Tally(readings, events)


def _write(file: TextIO, node: Node, readings: list[Reading]) -> None:
    for first in range(0, len(readings), ROWS_PER_MESSAGE):
        payload = node.as_json(readings[first : first + ROWS_PER_MESSAGE])
        _line(file, node.prefix + "t", payload)


def _line(file: TextIO, topic: str, payload: bytes) -> None:
    file.write(json.dumps({"topic": topic, "payload": payload.decode()}) + "\n")
