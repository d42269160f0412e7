"""Real recordings over MQTT: CSV files and captures of JSON lines, at QoS 1, in order.

A CSV row becomes a JSON object of its columns (numbers as numbers, an empty cell as null); a
declarative mapping of the gateway says what it means. A capture is what ``infragate tap --json``
prints: one object with ``topic`` and ``payload`` (or ``payload_base64``) on each line.
"""

import asyncio
import base64
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import aiomqtt

from simulators.target import Target

IN_FLIGHT = 500  # publishes that wait for their PUBACK; a recording of a year fits in memory so
NOT_MEASURED = frozenset({"", "NA", "NaN", "nan", "null", "NULL", "?"})


class Recorded(NamedTuple):
    """One message of a recording."""

    topic: str
    payload: bytes


def read_recording(file: Path, topic: str | None) -> Iterator[Recorded]:
    """Yield the messages of a file; ``topic`` is where the rows of a CSV file go.

    Raises:
        ValueError: names the file and the line.
    """
    if file.suffix == ".csv":
        if topic is None:
            raise ValueError(f"{file}: rows of a CSV file need --topic")
        yield from _rows(file, topic)
    else:
        yield from _captured(file, topic)


def _rows(file: Path, topic: str) -> Iterator[Recorded]:
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield Recorded(topic, json.dumps({k: _cell(v) for k, v in row.items() if k}).encode())


def _cell(text: str | None) -> str | float | None:
    if text is None or text in NOT_MEASURED:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _captured(file: Path, topic: str | None) -> Iterator[Recorded]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                raw = entry.get("payload_base64")
                payload = entry["payload"].encode() if raw is None else base64.b64decode(raw)
                yield Recorded(topic or entry["topic"], payload)
            except (ValueError, KeyError, AttributeError) as error:
                raise ValueError(f"{file}:{number}: no captured message: {error}") from error


async def replay(files: list[Path], topic: str | None, target: Target, pace: float) -> int:
    """Publish recordings, at most ``pace`` messages a second (0 = as they are taken).

    Returns:
        How many messages were acknowledged; all of them, or an error is raised.

    Raises:
        OSError: the server cannot be reached or stopped answering.
        ValueError: a file is not a recording.
    """
    try:
        async with aiomqtt.Client(
            target.host,
            target.port,
            identifier="infragate-replay",
            username="infragate-replay" if target.password else None,
            password=target.password,
            tls_context=target.tls,
            max_inflight_messages=IN_FLIGHT,
        ) as client:
            client.pending_calls_threshold = IN_FLIGHT  # below, each publish is worth a warning
            return await _publish(client, files, topic, pace)
    except aiomqtt.MqttError as error:
        raise OSError(str(error)) from error


async def _publish(
    client: aiomqtt.Client, files: list[Path], topic: str | None, pace: float
) -> int:
    loop = asyncio.get_running_loop()
    began_s, sent = loop.time(), 0
    waiting: set[asyncio.Task[None]] = set()
    for file in files:
        for message in read_recording(file, topic):
            if pace:
                await asyncio.sleep(max(0.0, began_s + sent / pace - loop.time()))
            waiting.add(loop.create_task(client.publish(message.topic, message.payload, qos=1)))
            sent += 1
            if len(waiting) >= IN_FLIGHT:
                waiting = await _wait_for_half(waiting)
    await asyncio.gather(*waiting)
    return sent


async def _wait_for_half(waiting: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    while len(waiting) > IN_FLIGHT // 2:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # raises what went wrong
    return waiting
