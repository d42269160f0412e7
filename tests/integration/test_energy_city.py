"""A city on the air through the real gateway: its outage is alarmed, at its place, and scored."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.loopback import free_port
from simulators.city.city import parse_ms
from tests.faults import quick_or_soak
from tests.support.running import ROOT, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

WHERE = "tba-0001"
DAY_S = 86_400


def simulate(*arguments: str) -> Any:
    command = [sys.executable, "-m", "simulators", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_outage_of_a_transformer_is_a_true_positive(tmp_path: Path) -> None:
    """In short: a past of 20 minutes at 100 times its speed. In full: as it happens."""
    pace, lasts_s, out = quick_or_soak(100, 1), quick_or_soak(1200, 150), tmp_path / "city"
    begin_s = time.time_ns() // 1_000_000_000 - (lasts_s + 90 if pace > 1 else 0)
    began = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(begin_s))
    outage = f"transformer_outage:where={WHERE},from={lasts_s // 4},to={lasts_s // 2}"
    city = (
        *("city", "--meters", "60", "--lanes", "4", "--days", str(lasts_s / DAY_S)),
        *("--interval-s", "30", "--start", began, "--out", str(out), "--scenario", outage),
    )
    simulate(*city)  # dry: writes the registry that the gateway needs first
    port = free_port()
    with running(tmp_path, listener(port), registry=out / "registry.toml") as gateway:
        simulate(*city, "--pace", str(pace), "--mqtt", f"mqtt://127.0.0.1:{port}")
        wait_until(lambda: outages(gateway), 60, "an alarm of the transformer")
        (alarm,) = outages(gateway)
        assert alarm["place"] == f"transformer:{WHERE}"
        url = f"http://127.0.0.1:{gateway.http_port}"
        scored = simulate(
            *("score", "--truth", str(out / "truth.json"), "--api", url, "--slack-s", "60"),
            *("--at", "found" if pace == 1 else "raised"),
        )["transformer_outage"]
        assert (scored["true_positive"], scored["false_negative"]) == (1, 0)
        assert scored["reported"]
        if pace == 1:  # issue D; the delay of the score is that of the meters' own last gasps
            truths = json.loads((out / "truth.json").read_text("utf-8"))["scenarios"]
            (began_at,) = (one["from"] for one in truths if one["what"] == "transformer_outage")
            assert parse_ms(alarm["found"]) - parse_ms(began_at) <= 60_000


def outages(gateway: Any) -> list[Any]:
    found = gateway.get("/api/v1/energy/alarms?kind=transformer_outage")["alarms"]
    return [one for one in found if "withdrawn" not in one["evidence"]]
