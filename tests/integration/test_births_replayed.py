"""A replay that begins in the middle: births from the journal before it, or the checkpoint."""

import json
import shutil
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.support.clients import cli
from tests.support.running import Gateway, listener, running
from tests.unit.foreign.sparkplug_node import TIME_MS, meter_birth, meter_data

BASE = "spBv1.0/plant"


def replayed(gateway: Gateway, *words: str) -> dict[str, dict[str, int]]:
    done = cli("replay", *words, "-c", str(gateway.config), "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def power(seq: int) -> bytes:
    """Return what the meter of ``meter_birth`` says by alias, a second later for each ``seq``."""
    return meter_data(seq, TIME_MS + 1000 * seq)


def captured(file: Path, said: list[tuple[str, bytes]]) -> Path:
    lines = (
        json.dumps({"topic": f"{BASE}/{topic}", "payload_hex": data.hex()}) for topic, data in said
    )
    file.write_text("\n".join(lines), "utf-8")
    return file


@pytest.mark.servers
@pytest.mark.timeout(180)
def test_a_replay_from_the_middle_knows_the_births_before_it(tmp_path: Path) -> None:
    """Births from the journal before its start; once that is gone, from the checkpoint."""
    said = [("NBIRTH/edge1", meter_birth()), *(("NDATA/edge1", power(k)) for k in (1, 2, 3))]
    first = captured(tmp_path / "first.jsonl", said)
    second = captured(
        tmp_path / "second.jsonl", [("NDATA/edge1", power(4)), ("NDATA/edge9", power(5))]
    )
    with running(tmp_path, listener(free_port())) as gateway:
        assert cli("import", str(first), "-c", str(gateway.config)).returncode == 0
        gateway.settle()
        part = replayed(gateway, "--from", "3", "--into", str(tmp_path / "into"))
        assert part["messages"] == {"stored": 2, "duplicate": 0, "quarantined": 0}
        assert part["waiting_for_birth"] == {}
    shutil.rmtree(tmp_path / "data" / "journal")
    with running(tmp_path, listener(free_port())) as gateway:
        told = cli("import", str(second), "-c", str(gateway.config), "--json")
        (file,) = json.loads(told.stdout)["files"]
        assert file["waiting_for_birth"] == {"messages": 1, "nodes": ["plant/edge9"]}
        gateway.settle()
        late = replayed(gateway)
        assert late["messages"] == {"stored": 1, "duplicate": 0, "quarantined": 1}
        assert late["waiting_for_birth"] == {f"{BASE}/NDATA/edge9": 1}
