"""SIGKILL at every N-th writing system call of a short run: what comes after is always the same."""

import contextlib
import json
import shutil
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.cli.loopback import free_port
from gateway.config import load_settings
from gateway.journal import Journal, JournalReader
from gateway.model import Position
from gateway.mqtt import FLAG_QOS1, V311, Connect, encode, encode_pubacks, encode_publish
from gateway.profiles import load_profiles
from gateway.quarantine import QuarantineReader
from gateway.sinks.outbox import durable_number
from gateway.store import Store, StoreReader
from gateway.store.pages import decode_page
from tests.faults import needs_strace
from tests.support.load import WELCOME
from tests.support.running import listener, row, wait_until
from tests.support.victims import WRITING_CALLS, Farm

pytestmark = [pytest.mark.slow, needs_strace, pytest.mark.timeout(1800)]

NOW_MS = 1_795_305_600_000
DAY_MS = 86_400_000
FOREVER = 1 << 53
STRIDE = 7  # of a quick run; a soak kills at every call
CONFIG = """
[gateway]
data_dir = "data"
{sources}
[registry]
auto_enrol = true
[[sink]]
name = "away"
type = "victoriametrics"
url = "http://127.0.0.1:9"
"""


class Books(NamedTuple):
    """All that a processor leaves, as plain values that can be compared."""

    checkpoint: object
    readings: list[tuple[object, ...]]
    events: list[object]
    quarantine: list[object]


@pytest.fixture(scope="module")
def farm() -> Farm:
    return Farm()


def config_in(folder: Path, sources: str) -> Path:
    folder.mkdir()
    file = folder / "infragate.toml"
    file.write_text(CONFIG.format(sources=sources))
    return file


def messages() -> Iterator[tuple[str, bytes]]:
    """Everything that has a fate of its own: good, late, twice, without number, not to be read."""
    for number in range(1, 61):
        name = f"meter-{number % 3}"
        body = row(number // 3 + 1, NOW_MS + number * 1000)
        if number % 10 == 4:
            body["t"] -= 2 * DAY_MS
        if number % 10 == 5:
            body = row(number // 3, NOW_MS + (number - 3) * 1000)
        if number % 10 == 6:
            del body["n"]
        payload = json.dumps(body).encode()
        if number % 10 == 7:
            payload = b"not to be read %d" % number
        if number % 10 == 8:
            yield f"tg/1/evn/energy/{name}/s", b'{"st":"online","profile":"em1"}'
            continue
        yield f"tg/1/evn/energy/{name}/{'b' if number % 10 == 4 else 't'}", payload


def fill_journal(data_dir: Path) -> int:
    """Journal the messages as the intake would; return how many there are."""
    journal = Journal.open(
        data_dir / "journal", segment_bytes=1 << 20, max_bytes=1 << 26, clock=lambda: NOW_MS
    )
    for topic, payload in messages():
        journal.append(NOW_MS + DAY_MS // 2, 0, 0, topic.encode(), payload)
    last = journal.commit()
    journal.close()
    return last


def books_of(data_dir: Path) -> Books:
    store = Store.open(data_dir)
    checkpoint = store.load()
    store.close()
    reader = StoreReader(data_dir, load_profiles())
    batch, after = reader.readings("em1", None, 0, FOREVER, 10**6, lineage=True)
    events, more = reader.events(0, FOREVER, limit=10**6)
    assert (after, more) == (None, None)
    columns = (batch.device_index, batch.log, batch.seq, batch.time_ms, batch.record, batch.quality)
    values = [tuple(line) for line in batch.values.tolist()]
    readings = sorted(zip(*(column.tolist() for column in columns), values, strict=True))
    reader.close()
    quarantine = QuarantineReader(data_dir)
    entries: list[object] = [*quarantine.list(10**6)]
    quarantine.close()
    # where the reader stands in its file is a hint
    settled = checkpoint._replace(position=Position(checkpoint.position.number))
    return Books(repr(settled), list(readings), list(events), entries)


def outbox_of(data_dir: Path) -> set[tuple[int, int]]:
    """Return device and record of everything that the sinks may read."""
    reader = JournalReader(data_dir / "outbox", Position())
    found: set[tuple[int, int]] = set()
    for page in reader.read(10**6, durable_number(data_dir / "outbox"))[0]:
        batch = decode_page(page.payload, page.topic.decode())
        found |= set(zip(batch.device_index.tolist(), batch.record.tolist(), strict=True))
    return found


def places(counts: Counter[str], *, soak: bool) -> list[tuple[str, int]]:
    """Return where to kill: every call of a soak, every N-th of a quick run."""
    every = [(call, nth) for call in WRITING_CALLS for nth in range(1, counts[call] + 1)]
    return every if soak else every[:: STRIDE if len(every) < 150 else 3 * STRIDE]


def test_a_processor_killed_at_any_writing_call_leaves_what_an_uninterrupted_one_does(
    tmp_path: Path, farm: Farm, *, soak: bool
) -> None:
    config = config_in(tmp_path / "run", listener(1))
    data_dir, fresh = tmp_path / "run" / "data", tmp_path / "fresh"
    last = fill_journal(data_dir)
    (data_dir / "run").mkdir()
    shutil.copytree(data_dir, fresh)
    counts: Counter[str] = Counter()
    with farm.victim("processor", config, last) as whole, whole.counted(tmp_path / "log", counts):
        whole.go()
        assert whole.end() == 0
    wanted, sent = books_of(data_dir), outbox_of(data_dir)
    assert len(wanted.readings) > 30
    assert len(wanted.quarantine) == 6
    assert counts["fdatasync"] > 5
    assert counts["pwrite64"] > 20
    for call, nth in places(counts, soak=soak):
        shutil.rmtree(data_dir)
        shutil.copytree(fresh, data_dir)
        with farm.victim("processor", config, last) as victim, victim.killed_at(call, nth):
            victim.go()
            assert victim.end() == -9, (call, nth)
        with farm.victim("processor", config, last) as heir:
            heir.go()
            assert heir.end() == 0, (call, nth)
        assert books_of(data_dir) == wanted, (call, nth)
        assert outbox_of(data_dir) >= sent, (call, nth)


@pytest.mark.parametrize(("call", "nth"), [("fdatasync", 16), ("pwrite64", 90)])
def test_a_processor_that_dies_every_few_writes_gets_on_in_every_life(
    tmp_path: Path, farm: Farm, call: str, nth: int
) -> None:
    config = config_in(tmp_path / "run", listener(1))
    data_dir = tmp_path / "run" / "data"
    last = fill_journal(data_dir)
    (data_dir / "run").mkdir()
    with farm.victim("processor", config, 5) as founder:  # making all files takes more calls
        founder.go()
        assert founder.end() == 0
    positions, code = [6], -9
    while code == -9:
        with farm.victim("processor", config, last) as victim, victim.killed_at(call, nth):
            victim.go()
            code = victim.end() or 0
        store = Store.open(data_dir)
        positions.append(store.load().position.number)
        store.close()
        assert positions[-1] > positions[-2], f"no life gets past {positions}"
    assert code == 0
    assert len(positions) > 3, "it was hardly ever killed"
    assert positions[-1] == last + 1
    many_lives = books_of(data_dir)
    shutil.rmtree(data_dir)
    fill_journal(data_dir)
    (data_dir / "run").mkdir()
    with farm.victim("processor", config, last) as whole:
        whole.go()
        assert whole.end() == 0
    assert many_lives == books_of(data_dir)


def publish_until_it_dies(port: int, sent: Sequence[tuple[str, bytes]]) -> int:
    """Publish in windows of three; return how many messages were acknowledged."""
    acked, here = 0, ("127.0.0.1", port)
    with contextlib.suppress(ConnectionError), socket.create_connection(here, 5) as sock:
        sock.sendall(encode(Connect(V311, "sweep"), V311))
        assert sock.recv(len(WELCOME)) in {WELCOME, b""}
        while count := publish_some(sock, acked + 1, sent[acked : acked + 3]):
            acked += count
    return acked


def publish_some(sock: socket.socket, first: int, window: Sequence[tuple[str, bytes]]) -> int:
    for place, (topic, payload) in enumerate(window):
        packet = (first + place, FLAG_QOS1, topic.encode(), payload)
        sock.sendall(encode_publish(packet, V311))
    wanted = encode_pubacks(range(first, first + len(window)))
    answer = b""
    with contextlib.suppress(ConnectionError):
        while len(answer) < len(wanted) and (more := sock.recv(len(wanted) - len(answer))):
            answer += more
    assert wanted.startswith(answer)
    return len(answer) // 4


def journal_of(data_dir: Path) -> list[tuple[str, bytes]]:
    """Return what is in the journal; nothing in it may be damaged."""
    journal = Journal.open(
        data_dir / "journal", segment_bytes=1 << 20, max_bytes=1 << 26, clock=lambda: NOW_MS
    )
    last = journal.durable
    journal.close()
    records, damaged = JournalReader(data_dir / "journal", Position()).read(10**6, last)
    assert not damaged
    assert [record.number for record in records] == list(range(1, last + 1))
    return [(record.topic.decode(), record.payload) for record in records]


def listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 0.5):
        return True


def test_an_intake_killed_at_any_writing_call_keeps_what_it_acknowledged(
    tmp_path: Path, farm: Farm, *, soak: bool
) -> None:
    port = free_port()
    config = config_in(tmp_path / "run", listener(port))
    data_dir = load_settings(config).gateway.data_dir
    wanted = list(messages())
    counts: Counter[str] = Counter()
    (data_dir / "run").mkdir(parents=True)
    with farm.victim("intake", config) as whole, whole.counted(tmp_path / "log", counts):
        whole.go()
        wait_until(lambda: listens(port), what="the listener")
        assert publish_until_it_dies(port, wanted) == len(wanted)
    assert counts["fdatasync"] > 5
    for call, nth in places(counts, soak=soak):
        shutil.rmtree(data_dir)
        (data_dir / "run").mkdir(parents=True)
        with farm.victim("intake", config) as victim, victim.killed_at(call, nth):
            victim.go()
            wait_until(lambda v=victim: v.has_ended or listens(port), what="the listener")
            acked = publish_until_it_dies(port, wanted)
        with farm.victim("intake", config) as heir:
            heir.go()
            wait_until(lambda: listens(port), what="the listener again")
            again = publish_until_it_dies(port, wanted[acked:])
        assert acked + again == len(wanted)
        found = journal_of(data_dir)
        # what was acknowledged, what was journalled and not acknowledged, all that was not
        extra = len(found) - len(wanted)
        assert found[: acked + extra] == wanted[: acked + extra], (call, nth)
        assert found[acked + extra :] == wanted[acked:], (call, nth)
        assert extra <= 3, (call, nth)
