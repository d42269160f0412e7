"""The command line of the city, run dry: files, the same bytes for a seed, orders."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.registry import Registry
from simulators.__main__ import main
from simulators.city.city import City, Order, Size, parse_ms
from simulators.city.command import read_orders
from simulators.city.frame import Span

START_MS = parse_ms("2026-06-01T00:00:00+07:00")
HOUR_MS = 3_600_000


def run(
    folder: Path, capsys: pytest.CaptureFixture[str], *more: str, hours: float = 3, size: str = "70"
) -> dict[str, Any]:
    options = ["--meters", size, "--lanes", "24", "--days", str(hours / 24), "--out", str(folder)]
    assert main(["city", *options, "--json", *more]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return report


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_a_seed_names_every_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenarios = ("--scenario", "theft", "--scenario", "transformer_outage", "--dump")
    for name in ("one", "other"):
        report = run(tmp_path / name, capsys, *scenarios)
        assert report["scenarios"] == 2
        assert report["readings"] > 1000
    run(tmp_path / "third", capsys, *scenarios, "--seed", "2")
    one = digests(tmp_path / "one")
    assert set(one) == {"truth.json", "registry.toml", "capture.jsonl"}
    assert one == digests(tmp_path / "other")
    third = digests(tmp_path / "third")
    assert all(one[name] != third[name] for name in one)


def test_a_dump_changes_nothing_but_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = run(tmp_path / "plain", capsys, "--scenario", "bypass:from=600")
    dumped = run(tmp_path / "dumped", capsys, "--scenario", "bypass:from=600", "--dump")
    for key in ("devices", "readings", "events", "simulated_s"):
        assert plain[key] == dumped[key]
    assert digests(tmp_path / "plain")["truth.json"] == digests(tmp_path / "dumped")["truth.json"]
    lines = (tmp_path / "dumped" / "capture.jsonl").read_text().splitlines()
    rows = [len(json.loads(json.loads(line)["payload"]).get("r", ())) for line in lines]
    assert sum(rows) == dumped["readings"]
    assert rows.count(0) == dumped["events"]


def test_the_registry_is_one_that_the_gateway_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(tmp_path, capsys, "--scenario", "wrong_transformer", hours=1, size="130")
    registry = Registry.load(tmp_path / "registry.toml")
    assert len(list(registry.devices())) == report["devices"]
    (truth,) = json.loads((tmp_path / "truth.json").read_text())["scenarios"]
    parents = registry.at(truth["where"], START_MS).parents
    assert parents[0].id == truth["magnitude"]["registered"]
    assert [node.kind for node in parents] == ["transformer", "feeder", "substation", "site"]


def test_the_truth_says_what_where_from_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, capsys, "--scenario", "theft:where=em-00012,share=0.25,from=3600")
    truth = json.loads((tmp_path / "truth.json").read_text())
    (theft,) = truth["scenarios"]
    assert (theft["what"], theft["where"]) == ("theft", "em-00012")
    assert parse_ms(theft["from"]) == START_MS + HOUR_MS
    assert parse_ms(theft["to"]) <= START_MS + 3 * HOUR_MS
    assert theft["magnitude"]["hidden_wh"] == pytest.approx(
        0.25 * theft["magnitude"]["used_wh"], rel=1e-5
    )
    for name in ("f-001", "tba-0001", "tba-0002"):
        parts = truth["balance"][name]
        gone = parts["metered_wh"] + parts["hidden_wh"] + parts["lost_wh"]
        assert gone == pytest.approx(parts["in_wh"], rel=1e-6)


def test_orders_come_as_names_with_parameters_or_as_a_file(tmp_path: Path) -> None:
    assert read_orders("theft:share=0.3,from=60,where=em-00001", 1000) == [
        Order("theft", {"share": 0.3, "where": "em-00001", "from_ms": 61_000})
    ]
    file = tmp_path / "orders.json"
    told = [
        {"kind": "theft", "from": 5, "to": "1970-01-01T00:01:00Z", "parameters": {"share": 0.1}},
        {"what": "feeder_outage", "where": "f-001"},
    ]
    for content in (told, {"scenarios": told}):
        file.write_text(json.dumps(content))
        assert read_orders(str(file), 1000) == [
            Order("theft", {"share": 0.1, "from_ms": 6000, "to_ms": 60_000}),
            Order("feeder_outage", {"where": "f-001"}),
        ]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--scenario", "earthquake"],
        ["--scenario", "theft:share=2"],
        ["--pace", "realtime"],
        ["--days", "0"],
        ["--interval-s", "7"],
        ["--start", "2026-06-01T00:00:00"],
    ],
)
def test_a_wrong_command_line_is_misuse(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["city", "--meters", "10", "--lanes", "0", "--out", str(tmp_path), *wrong])
    assert end.value.code == 2
    assert "error" in capsys.readouterr().err


def test_a_city_that_goes_on_is_the_same_city() -> None:
    span = Span(START_MS, START_MS + HOUR_MS)
    size = Size(seed=5, meters=20, lanes=8, interval_ms=60_000)
    whole, resumed = City(size, span), City(size, span)
    resumed.skip_to(START_MS + HOUR_MS // 2)
    (late,) = resumed.steps(HOUR_MS)
    rows = [b for _, step in whole.steps(HOUR_MS // 2) for b in step.readings if b.device.size]
    last = {
        (batch.profile, batch.names[batch.device[-1]]): batch.values[-1].tolist() for batch in rows
    }
    for batch in filter(lambda batch: batch.device.size, late[1].readings):
        assert last[batch.profile, batch.names[batch.device[-1]]] == batch.values[-1].tolist()
