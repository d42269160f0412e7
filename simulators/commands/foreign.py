"""``foreign``: a fleet that speaks only formats of other makers, through one bridge."""

import argparse
import asyncio
import json
import time
from pathlib import Path

import aiomqtt

from simulators.amounts import amount, whole
from simulators.foreign import Town
from simulators.parent import die_with
from simulators.target import Target, add_target_options, target_of

RETRY_S = 1.0
MEMORY = "registers.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_target_options(parser)
    parser.add_argument("--meters", type=whole, default=20, metavar="N")
    parser.add_argument("--detectors", type=whole, default=5, metavar="N")
    parser.add_argument("--interval-s", type=amount, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, metavar="DIR", help="go on where the last run was")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process does")
    parser.add_argument(
        "--rounds", type=whole, default=0, metavar="N", help="end after N intervals"
    )


def run(options: argparse.Namespace) -> int:
    """Publish until told to stop; exit code 0."""
    if options.interval_s <= 0 or options.meters + options.detectors < 1:
        raise ValueError("a fleet needs a device, and an interval above zero")
    if options.parent is not None:
        die_with(options.parent)
    town = Town(options.meters, options.detectors, options.seed)
    memory = None if options.state is None else options.state / MEMORY
    if memory is not None and memory.exists():
        town.restore(json.loads(memory.read_text("utf-8")))
    asyncio.run(_publish_for_ever(town, memory, options))
    return 0


async def _publish_for_ever(town: Town, memory: Path | None, options: argparse.Namespace) -> None:
    telling = _Telling(town, memory, options.interval_s, options.rounds or -1)
    while telling.left:
        try:
            async with _client(target_of(options)) as client:
                await telling.run(client)
        except aiomqtt.MqttError:
            await asyncio.sleep(RETRY_S)


class _Telling:
    """Where we are between two intervals; outlives a connection."""

    def __init__(self, town: Town, memory: Path | None, interval_s: float, rounds: int) -> None:
        self.left = rounds  # negative: for ever
        self._town, self._memory, self._interval_s = town, memory, interval_s
        self._before_ms = _now_ms() - round(interval_s * 1000)

    async def run(self, client: aiomqtt.Client) -> None:
        """Tell of one interval after the other."""
        while self.left:
            now_ms = _now_ms()
            for said in self._town.say(self._before_ms, now_ms):
                await client.publish(said.topic, said.payload, qos=1)
            self._before_ms, self.left = now_ms, self.left - 1
            if self._memory is not None:
                _keep(self._memory, self._town.memory())
            await asyncio.sleep(self._interval_s if self.left else 0)


def _client(target: Target) -> aiomqtt.Client:
    return aiomqtt.Client(
        target.host,
        target.port,
        identifier="infragate-foreign",
        username="infragate-foreign" if target.password else None,
        password=target.password,
        tls_context=target.tls,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _keep(file: Path, registers: list[int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    other = file.with_suffix(".new")
    other.write_text(json.dumps(registers), "utf-8")
    other.replace(file)
