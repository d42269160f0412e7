"""Whether native traffic feels the formats of other makers, in the whole gateway.

    python -m tools.bench_native [rounds] [seconds of each load]

Three gateways stand behind Mosquittos of their own and take turns, in an order that turns round
with each round, so that what else the machine does falls on all of them:

* *off*: ``[foreign] enabled = false``
* *on*: all mappings, codecs and rooms that ship, and only native traffic
* *beside*: the same, and one message in ten is a Tasmota plug's or a Sparkplug node's

Native messages of one reading come at the same rate to each. What is compared is CPU of all
processes of the gateway for each native message, within a round. With twice as many foreign
messages beside the same native ones, what each of them adds is known, and what is left without
them: the native messages themselves, amid foreign ones. Then *off* and *on* get as many messages
as they take.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from socket import create_connection, socket
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway.cli.benchrig import Load, Rig  # noqa: E402
from gateway.mqtt import V311, Connect, Disconnect, encode, encode_publish  # noqa: E402
from gateway.topics import UP_FILTERS  # noqa: E402
from tools.bench_decode import sparkplug, tasmota  # noqa: E402

RATE = 20_000  # native messages a second: a third of what the gateway is asked to carry
SHARE = 1 / 9  # foreign to native: one in ten of all
PLUGS, NODES = 6000, 200  # a plug tells its time in whole seconds: it may not send twice in one
TURN_S = 0.02
FILTERS = (*UP_FILTERS, "tele/#", "spBv1.0/#")
CONFIGS = {
    "off": "[foreign]\nenabled = false",
    "on": '[foreign]\nzone = "UTC"',
    "beside": '[foreign]\nzone = "UTC"',
}
NATIVE = Load(2000, connections=20, rate=str(RATE), batch=1, seconds=5, window=1000)


class Neighbours:
    """Plugs and edge nodes that send at a rate of their own, as they do: with QoS 0."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sent, self._seq = 0, 0

    def births(self, port: int) -> int:
        """Let each edge node and each plug say its first message; return how many that are."""
        first = [sparkplug(node, 0, is_birth=True, time_ms=_now_ms()) for node in range(NODES)]
        first += [tasmota(number, PLUGS, _local()) for number in range(PLUGS)]
        with _connection(port) as sock:
            sock.sendall(b"".join(map(_packet, first)))
        return len(first)

    def send(self, port: int, rate: float) -> int:
        """Send for the time asked for and return how many messages that were."""
        begin_s, sent = time.monotonic(), 0
        with _connection(port) as sock:
            while (spent_s := time.monotonic() - begin_s) < self._seconds:
                due = int(spent_s * rate) - sent
                sock.sendall(b"".join(_packet(self.next()) for _ in range(due)))
                sent += due
                time.sleep(TURN_S)
        return sent

    def next(self) -> tuple[str, bytes]:
        """Return the next message: a plug's and a node's in turn."""
        self._sent += 1
        if self._sent % 2:
            return tasmota(self._sent // 2, PLUGS, _local())
        node = self._sent // 2 % NODES
        self._seq += node == 0
        return sparkplug(node, self._seq, time_ms=_now_ms())


@contextmanager
def _connection(port: int) -> Iterator[socket]:
    """Say hello, and goodbye: a connection that is cut loses what the broker has not yet read."""
    with create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(encode(Connect(V311, "neighbours"), V311))
        yield sock
        sock.sendall(encode(Disconnect(), V311))
        while sock.recv(4096):
            pass


def _packet(message: tuple[str, bytes]) -> bytes:
    topic, payload = message
    return encode_publish((0, 0, topic.encode(), payload), V311)


def _local() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Round(NamedTuple):
    """CPU of the gateway for each native message, in µs."""

    off: float
    on: float
    beside: float  # all that came, over the native messages
    doubled: float  # with twice the foreign messages

    @property
    def native(self) -> float:
        """What native messages cost amid foreign ones."""
        return 2 * self.beside - self.doubled

    @property
    def foreign(self) -> float:
        """What each foreign message adds."""
        return (self.doubled - self.beside) / SHARE


class Bench:
    """Three gateways, and what they are given in turn."""

    def __init__(self, stack: ExitStack, home: Path, seconds: float) -> None:
        self._load = NATIVE._replace(seconds=seconds)
        self._neighbours = Neighbours(seconds)
        self._rigs: dict[str, Rig] = {}
        for name, more in CONFIGS.items():
            (home / name).mkdir()
            rig = Rig(home / name, behind_broker=True, filters=FILTERS, more=more)
            self._rigs[name] = stack.enter_context(rig)

    def warm_up(self) -> None:
        """Make all devices known: their first messages cost more."""
        for rig in self._rigs.values():
            rig.run(self._load._replace(seconds=1))
        self._rigs["beside"].alone(self._neighbours.births)

    def round(self, *, is_turned: bool) -> Round:
        """Return what a round measured."""
        loads = {"off": 0.0, "on": 0.0, "beside": SHARE, "doubled": 2 * SHARE}
        order = list(loads)[:: -1 if is_turned else 1]
        cost = {name: self._cost_us(name, RATE * loads[name]) for name in order}
        shown = ", ".join(f"{name} {us:.1f}" for name, us in cost.items())
        print(f"µs of CPU: {shown}", file=sys.stderr, flush=True)
        return Round(**cost)

    def _cost_us(self, name: str, foreign_rate: float) -> float:
        if not foreign_rate:
            run = self._rigs[name].run(self._load)
        else:
            send = partial(self._neighbours.send, rate=foreign_rate)
            run = self._rigs["beside"].run(self._load, send)
        return run.gateway_cpu_s / run.messages * 1e6

    def most(self, names: Sequence[str]) -> dict[str, float]:
        """Return how many native messages a second each of them takes."""
        load = self._load._replace(rate="max")
        runs = {name: self._rigs[name].run(load) for name in names}
        return {name: run.messages / run.took_s for name, run in runs.items()}


def main(words: Sequence[str]) -> None:
    """Print the table."""
    rounds = int(words[0]) if words else 6
    seconds = float(words[1]) if len(words) > 1 else NATIVE.seconds
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bench = Bench(stack, Path(folder), seconds)
        bench.warm_up()
        found = [bench.round(is_turned=number % 2 == 1) for number in range(rounds)]
        most = [bench.most(("off", "on")[:: 1 - number % 2 * 2]) for number in range(rounds)]
    print("| CPU of the gateway, µs | median | ÷ off | of the rounds |\n|---|---|---|---|")
    rows = {
        "each native message, foreign formats off": [one.off for one in found],
        "all formats on, native traffic only": [one.on for one in found],
        "one message in ten foreign, without what those add": [one.native for one in found],
        "one message in ten foreign, everything": [one.beside for one in found],
    }
    for name, costs in rows.items():
        ratios = [cost / one.off for cost, one in zip(costs, found, strict=True)]
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {name} | {median(costs):.2f} | {median(ratios):.3f} | {shown} |")
    print(f"| what a foreign message adds | {median(one.foreign for one in found):.1f} | | |")
    rates = [one["on"] / one["off"] for one in most]
    shown = " ".join(f"{rate:.2f}" for rate in rates)
    off, on = (median(one[name] for one in most) for name in ("off", "on"))
    print(f"\nas many as it takes: off {off:,.0f}/s, on {on:,.0f}/s: {median(rates):.3f} ({shown})")


if __name__ == "__main__":
    main(sys.argv[1:])
