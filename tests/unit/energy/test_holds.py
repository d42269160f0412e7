"""What holds bills up is listed, and verified a span at a time."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.energy.edits import EditBook
from gateway.energy.engine.bills.holds import held_slots
from gateway.energy.engine.findings.series import DOMAIN, INTERVALS
from gateway.ports import Findings, Result
from gateway.store.derived import DerivedReader, DerivedStore
from gateway.views.engineering import time_text
from tests.unit.energy.desk import SLOTS, Utility, name_of
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

DAY_MS = 48 * HALF_HOUR_MS
HELD = {3: "spike", 4: "flat_line", 47: "flat_line"}  # of the first day of meter 1


def body_of(held: dict[int, str]) -> str:
    """Return a day's body; a failed slot waits as a suspect one does."""
    quality = [["suspect" if slot in held else "valid", 1] for slot in range(48)]
    if 4 in held:
        quality[4][0] = "failed"
    body: dict[str, Any] = {"interval_s": 1800, "import_wh": [100 + k for k in range(48)]}
    body |= {"quality": quality, "reasons": [[slot, [why]] for slot, why in held.items()]}
    return json.dumps(body)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    utility = Utility(tmp_path)
    utility.at(2 * SLOTS)
    utility.send(range(2 * SLOTS + 1), [0, 1])
    store = DerivedStore(tmp_path)
    lines = [
        Result(INTERVALS, f"device:{name_of(1)}", MONDAY_MS, MONDAY_MS + DAY_MS, body_of(HELD)),
        Result(INTERVALS, f"device:{name_of(0)}", MONDAY_MS, MONDAY_MS + DAY_MS, body_of({})),
        Result(
            INTERVALS,
            f"device:{name_of(0)}",
            MONDAY_MS + DAY_MS,
            MONDAY_MS + 2 * DAY_MS,
            body_of({0: "neighbour_voltage"}),
        ),
    ]
    store.commit(DOMAIN, Findings(results=lines), 1)
    store.close()
    (tmp_path / "c.toml").write_text(
        '[gateway]\ndata_dir = "."\n[[source]]\ntype = "listener"\nlisten = "127.0.0.1:1"\n'
    )
    return tmp_path


def test_what_waits_is_listed_with_what_the_rules_said(folder: Path) -> None:
    found = list(held_slots(DerivedReader(folder), MONDAY_MS, MONDAY_MS + 2 * DAY_MS))
    assert [(one.device, (one.slot_ms - MONDAY_MS) // HALF_HOUR_MS) for one in found] == [
        *((name_of(1), slot) for slot in HELD),
        (name_of(0), 48),
    ]
    assert found[0].import_wh == 103
    assert [one.quality for one in found] == ["suspect", "failed", "suspect", "suspect"]
    assert [one.reasons for one in found][:2] == [("spike",), ("flat_line",)]
    # of one meter, and of a span that begins amid its day
    late = MONDAY_MS + 4 * HALF_HOUR_MS, MONDAY_MS + 47 * HALF_HOUR_MS
    mine = list(held_slots(DerivedReader(folder), *late, name_of(1)))
    assert [(one.slot_ms - MONDAY_MS) // HALF_HOUR_MS for one in mine] == [4]


def test_a_span_is_verified_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["-c", str(folder / "c.toml")]
    span = [time_text(MONDAY_MS), "--to", time_text(MONDAY_MS + DAY_MS)]
    said = ["--verify", "--why", "a kiosk", "--who", "an"]
    assert main(["energy", "edit", name_of(1), *span, *said, *config]) == 0
    assert capsys.readouterr().out.endswith("3 slots\n")
    lines = [line for _, line in EditBook(folder).news()]
    assert [(one.slot_ms - MONDAY_MS) // HALF_HOUR_MS for one in lines] == list(HELD)
    assert {(one.device, one.value_wh, one.who, one.why) for one in lines} == {
        (name_of(1), None, "an", "a kiosk")
    }
    # how much was used nobody can say of many slots in one word
    assert main(["energy", "edit", name_of(1), *span, "--wh", "5", "--why", "x", *config]) == 2
    assert "--verify" in capsys.readouterr().err


def test_the_command_lists_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["energy", "held", "--days", "3650", "-c", str(folder / "c.toml")]
    assert main(words) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"{name_of(1)} {time_text(MONDAY_MS + 3 * HALF_HOUR_MS)} 103 Wh suspect"
    )
    assert last == "4 slots wait"
    assert main([*words, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["reasons"] for row in rows][1] == ["flat_line"]
