"""Names that would inject a tag, field or series: databases know the planned series only."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.api.glossary import METRICS
from gateway.cli.loopback import free_port
from tests.servers import Server, influxd, victoria
from tests.support import hostile
from tests.support.clients import sender
from tests.support.databases import get, influx_query, metric, victoria_series
from tests.support.derived import documented
from tests.support.running import Gateway, listener, running, wait_until

pytestmark = [pytest.mark.clause("942.A2.7.e"), pytest.mark.servers]

# Of topics that are not ours only what the mapping says: ids of known families are of other tests.
MAPPING = """
[foreign]
enabled = false
[[mapping]]
name = "hostile"
topic = "names/+"
profile = "em1"
device = "{path:id}"
[mapping.columns]
p = "w"
"""
# What a payload says of its device, and the id that the mapping makes of it, written down by hand.
INSIDE = {
    "a,host=x": "a-host-x", "b\\": "b-", "c\nd": "c-d", "e f": "e-f", "g=h": "g-h", "i\0j": "i-j",
    'k"l': "k-l", "n\t1": "n-1", "ööp1": "p1", "#m": "", "⚡": "", "q" * 65: "", "": "",
}  # fmt: skip
# Tags (and fields) of derived measurements; those of the gateway's own metrics are their labels.
DERIVED = documented()
DERIVED["gateway_self"] |= {label for term in METRICS.values() for label in term.labels}


class Series(NamedTuple):
    """What tells a series from another."""

    measurement: str
    device: str
    org: str
    sector: str


def is_empty(gateway: Gateway, sink: str) -> bool:
    is_up = metric(gateway, "infragate_sink_up", sink=sink) == 1
    return is_up and metric(gateway, "infragate_sink_pending_records", sink=sink) == 0


def messages() -> tuple[list[tuple[str, bytes]], set[Series]]:
    """Return what is sent, and the series that may come of it."""
    good = hostile.row("812", time_ms=0)
    sent = [(f"tg/1/evn/energy/meter-{n}/t", good) for n in range(2)]
    planned = {Series("em1", f"meter-{n}", "evn", "energy") for n in range(2)}
    for form in ("tg/1/{}/energy/a1/t", "tg/1/evn/{}/a1/t", "tg/1/evn/energy/{}/t", "plant/{}/x"):
        sent += [(form.format(name), good) for name in hostile.NAMES]
    sent += [(f"tg/1/evn/energy/bad-{n}/t", bad.payload) for n, bad in enumerate(hostile.PROFILES)]
    for name, device in INSIDE.items():
        sent.append(("names/x", json.dumps({"id": name, "w": 5}).encode()))
        planned |= {Series("em1", device, "site", "energy")} if device else set()
    return sent, planned


def test_no_database_learns_a_series_that_was_not_planned(tmp_path: Path) -> None:
    port = free_port()
    sent, planned = messages()
    with influxd() as influx, victoria() as metrics:
        extra = MAPPING + (
            f'[[sink]]\nname = "influx"\ntype = "influx1"\nurl = "{influx.url}"\n'
            f'[[sink]]\nname = "vm"\ntype = "victoriametrics"\nurl = "{metrics.url}"\n'
        )
        with running(tmp_path, listener(port), extra=extra) as gateway, sender(port) as client:
            client.send(sent)
            accounts = gateway.settle(messages=len(sent))
            for sink in ("influx", "vm"):
                wait_until(lambda name=sink: is_empty(gateway, name), 30, f"{sink} caught up")
            assert in_influx(influx) == planned
            wait_until(lambda: in_victoria(metrics) == planned, 15, "planned series in victoria")
            time.sleep(2)  # and nothing else comes
            assert in_victoria(metrics) == planned
            assert accounts["readings"]["stored"] == len(planned)
            assert metric(gateway, "infragate_sink_refused_total", sink="influx") in {None, 0}


def in_influx(server: Server) -> set[Series]:
    """Return all series, after seeing that measurements, tags and fields are the planned ones."""
    series, devices = set(), set()
    for row in influx_query(server, "SHOW SERIES")[0]["values"]:
        measurement, *tags = row[0].split(",")
        keys = [tag.split("=")[0] for tag in tags]
        if measurement == "em1":
            assert keys == ["device", "org", "sector"], row
            series.add(Series(measurement, *(tag.split("=")[1] for tag in tags)))
        elif measurement != "infragate_canary":
            assert set(keys) <= DERIVED[measurement], row
            devices |= {tag for tag in tags if tag.startswith("device=")}
    assert devices <= {f"device={one.device}" for one in series}
    measurements = {row[0] for row in influx_query(server, "SHOW MEASUREMENTS")[0]["values"]}
    assert {"em1", "infragate_canary"} <= measurements <= {"em1", "infragate_canary", *DERIVED}
    fields = {row[0] for row in influx_query(server, "SHOW FIELD KEYS FROM em1")[0]["values"]}
    assert fields == {"ea_imp", "ea_exp", "p", "u", "i", "pf", "quality", "reasons"}
    return series


def in_victoria(server: Server) -> set[Series]:
    """The same of VictoriaMetrics, label by label."""
    answer: dict[str, Any] = json.loads(get(server.url, "/api/v1/labels"))
    known = {"__name__", "db", "device", "org", "sector", "sink"}
    assert set(answer["data"]) <= known.union(*DERIVED.values())
    names = json.loads(get(server.url, "/api/v1/label/__name__/values"))["data"]
    planned = ("em1_", "infragate_canary_", *(f"{name}_" for name in DERIVED))
    assert all(name.startswith(planned) for name in names)
    found = set()
    for one in victoria_series(server):
        labels = one["metric"]
        found.add(Series("em1", labels["device"], labels["org"], labels["sector"]))
    return found
