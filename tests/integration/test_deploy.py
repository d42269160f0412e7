"""The files of ``deploy/`` as they are: parsed, and everything that can run here runs.

Only what a machine of its own has is replaced: absolute folders, names of the compose network,
addresses (loopback here) and ports.
"""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.loopback import free_port
from gateway.config import load_settings
from tests.servers import Server, _find, _listens
from tests.support.running import ROOT, wait_until

DEPLOY = ROOT / "deploy"
NOBODY_LISTENS, NOT_AUTHORISED = 0x10, 0x87  # a success and a refusal, as PUBACK says it
pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


class Site(NamedTuple):
    """A deployment that ``make-secrets`` was run for."""

    folder: Path

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text("ascii").strip()

    def run(self, *arguments: str) -> str:
        command = [sys.executable, str(DEPLOY / "make-secrets"), "--folder", str(self.folder)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("deploy"))
    made.run("init", "--host", "gateway.example.org", "--host", "192.0.2.7")
    return made


@pytest.fixture
def broker(site: Site) -> Iterator[Server]:
    """Mosquitto with the configuration of the deployment."""
    port = free_port()
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text("utf-8")
    text = text.replace("/mosquitto/config/", f"{DEPLOY}/mosquitto/")
    text = text.replace("/mosquitto/secrets/", f"{site.secrets}/")
    text = text.replace("/mosquitto/data/", f"{site.folder}/data/mosquitto/")
    text = text.replace("listener 8883", f"listener {port} 127.0.0.1")
    conf = site.folder / "mosquitto.conf"
    # started by root Mosquitto would become another user; the container never is root
    conf.write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
    server = Server([_find("mosquitto"), "-c", str(conf)], port, site.folder, _listens(port))
    server.start()
    yield server
    server.kill()


class Client:
    """A device, or whoever says so."""

    def __init__(self, site: Site, port: int, name: str | None, password: str | None) -> None:
        self.heard: list[str] = []
        self._answers: dict[int, int] = {}
        self._connected = threading.Event()
        self.refused = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.tls_set(str(site.secrets / "ca.crt"))
        if name is not None:
            self._client.username_pw_set(name, password)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _c, _u, message: self.heard.append(message.topic)
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = lambda _c, _u, mid, *_: self._answers.update({mid: 0})
        self._client.connect("localhost", port)
        self._client.loop_start()
        wait_until(self._connected.is_set, what="an answer to CONNECT")

    def send(self, topic: str, payload: str = "{}") -> int:
        """Publish at QoS 1 and return the reason code of the PUBACK."""
        sent = self._client.publish(topic, payload, qos=1)
        wait_until(lambda: sent.mid in self._answers, what=f"PUBACK for {topic}")
        return self._answers[sent.mid]

    def listen(self, *filters: str) -> None:
        """Subscribe, and wait for the SUBACK."""
        _, mid = self._client.subscribe([(one, 1) for one in filters])
        wait_until(lambda: mid in self._answers, what="SUBACK")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.refused = reason.value
        self._connected.set()

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: Any, _p: Any) -> None:
        self._answers[mid] = reason.value


def test_secrets_are_made_once_and_nobody_else_may_read_them(site: Site) -> None:
    files = [*site.secrets.rglob("*"), site.folder / ".env"]
    before = {file: file.read_bytes() for file in files if file.is_file()}
    assert len(before) > 12
    assert all(file.stat().st_mode & 0o077 == 0 for file in before)
    site.run("init")
    assert {file: file.read_bytes() for file in before} == before
    tokens = [site.secret(name) for name in ("mqtt-infragate", "http-token", "influxdb-token")]
    assert len(set(tokens)) == 3
    assert all(len(token) >= 43 for token in tokens)  # 256 bits in base64
    for server in ("mosquitto", "infragate", "grafana"):
        shown = subprocess.run(
            ["openssl", "verify", "-purpose", "sslserver", "-CAfile", "ca.crt", f"{server}.crt"],
            cwd=site.secrets, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert shown.stdout == f"{server}.crt: OK\n"
    names = subprocess.run(
        ["openssl", "x509", "-in", "infragate.crt", "-noout", "-ext", "subjectAltName"],
        cwd=site.secrets, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in ("DNS:infragate", "DNS:gateway.example.org", "IP Address:192.0.2.7"):
        assert name in names
    assert site.folder.joinpath(".env").read_text() == (
        f"INFRAGATE_UID={os.getuid()}\nINFRAGATE_GID={os.getgid()}\n"
    )


@pytest.mark.parametrize("name", ["infragate", "../ca", "A", "m:1"])
def test_only_a_device_id_becomes_a_user_of_the_broker(site: Site, name: str) -> None:
    passwords = (site.secrets / "broker" / "passwords").read_bytes()
    with pytest.raises(subprocess.CalledProcessError):
        site.run("device", name)
    assert (site.secrets / "broker" / "passwords").read_bytes() == passwords


def test_a_device_has_its_own_lanes_and_nothing_else(site: Site, broker: Server) -> None:
    broker.kill()
    passwords = {name: site.run("device", name) for name in ("meter-0001", "meter-0002")}
    broker.start()
    one = Client(site, broker.port, "meter-0001", passwords["meter-0001"])
    gateway = Client(site, broker.port, "infragate", site.secret("mqtt-infragate"))
    own, other = "tg/1/evn/energy/meter-0001", "tg/1/evn/energy/meter-0002"
    sent = [one.send(f"{own}/{lane}") for lane in ("t", "b", "e", "s", "r/7")]
    assert max(sent) <= NOBODY_LISTENS
    # a client of its own: Mosquitto 2.0.11 ends the connection of whoever was refused
    spoofer = Client(site, broker.port, "meter-0001", passwords["meter-0001"])
    forbidden = [f"{other}/t", f"{other}/r/7", f"{own}/k", "infragate/1/evn/alarms/x"]
    assert {spoofer.send(topic) for topic in forbidden} == {NOT_AUTHORISED}

    one.listen("#", f"{other}/#", f"{own}/#")
    gateway.listen("tg/1/+/+/+/t")
    two = Client(site, broker.port, "meter-0002", passwords["meter-0002"])
    assert two.send(f"{other}/t") == 0
    down = [gateway.send(f"{place}/{lane}") for place in (other, own) for lane in "ack"]
    assert max(down) <= NOBODY_LISTENS
    wait_until(lambda: len(one.heard) >= 3, what="its own down lanes")
    wait_until(lambda: gateway.heard, what="the other's telemetry at the gateway")
    assert {*one.heard} == {f"{own}/{lane}" for lane in "ack"}
    assert gateway.heard == [f"{other}/t"]
    assert gateway.send(f"{own}/t") == NOT_AUTHORISED  # it cannot pretend to be a device
    for client in (one, two, gateway, spoofer):
        client.close()


def test_nobody_gets_in_without_the_right_password_or_without_tls(
    site: Site, broker: Server
) -> None:
    for name, password in ((None, None), ("meter-0001", "wrong"), ("nobody", "x")):
        client = Client(site, broker.port, name, password)
        assert client.refused in {0x86, NOT_AUTHORISED}
        client.close()
    plain = mqtt.Client(CallbackAPIVersion.VERSION2)
    connected = threading.Event()
    plain.on_connect = lambda *_: connected.set()
    plain.connect("localhost", broker.port)
    plain.loop_start()
    assert not connected.wait(1)
    plain.loop_stop()


class Running:
    """``infragate run`` on a file of the deployment, in this machine's folders."""

    def __init__(self, config: Path, port: int, site: Site, under: tuple[str, ...] = ()) -> None:
        self.port, self._site = port, site
        self._context = ssl.create_default_context(cafile=site.secrets / "ca.crt")
        self.log = config.with_suffix(".log")
        with self.log.open("ab") as log:
            command = [*under, sys.executable, "-m", "gateway", "run", "-c", str(config)]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        wait_until(lambda: self.get("/readyz"), 60, "gateway ready")

    def get(self, path: str, token: str | None = None) -> Any:
        """GET with the token of the deployment."""
        token = self._site.secret("http-token") if token is None else token
        request = urllib.request.Request(
            f"https://localhost:{self.port}{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] in b"[{" else body

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(15)


def placed(file: Path, into: Path, **places: str) -> Path:
    """Write a configuration with this machine's folders and ports."""
    text = file.read_text("utf-8")
    for old, new in places.items():
        assert old in text, f"{old} is not in {file.name}"
        text = text.replace(old, new)
    into.write_text(text, "utf-8")
    return into


def reading(seq: int) -> str:
    values = [1_000_000 + seq, 0, 500, 2301, 217, 990, 0]
    now_ms = time.time_ns() // 1_000_000
    return json.dumps({"p": "em1", "log": 1, "b": 1, "n": seq, "t": now_ms, "r": [[0, *values]]})


def test_the_gateway_of_the_compose_file_runs_against_the_broker_of_the_compose_file(
    site: Site, broker: Server, tmp_path: Path
) -> None:
    broker.kill()
    password = site.run("device", "meter-0007")
    broker.start()
    port = free_port()
    config = placed(
        DEPLOY / "infragate" / "infragate.toml",
        tmp_path / "infragate.toml",
        **{
            "/run/secrets/": f"{site.secrets}/",
            "/var/lib/infragate": str(tmp_path / "var"),
            "mqtts://mosquitto:8883": f"mqtts://localhost:{broker.port}",
            "0.0.0.0:8443": f"127.0.0.1:{port}",
            "http://influxdb:8086": "http://127.0.0.1:9",  # no InfluxDB 2 here: it is away
        },
    )
    load_settings(config)
    gateway = Running(config, port, site)
    try:
        device = Client(site, broker.port, "meter-0007", password)
        device.listen("tg/1/evn/energy/meter-0007/a")
        assert device.send("tg/1/evn/energy/meter-0007/t", reading(0)) == 0
        wait_until(lambda: device.heard, 30, "a receipt")
        accounts = gateway.get("/api/v1/accounting")
        assert (accounts["readings"]["stored"], accounts["readings"]["quarantined"]) == (1, 0)
        with pytest.raises(OSError, match="401"):
            gateway.get("/api/v1/accounting", token="guessed")
        device.close()
        check = [sys.executable, str(DEPLOY / "healthcheck")]
        where = [f"https://localhost:{port}/readyz", str(site.secrets)]
        assert subprocess.run([*check, *where], check=False).returncode == 0
        doctor = subprocess.run(
            [sys.executable, "-m", "gateway", "doctor", "-c", str(config), "--json"],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        broker_says = [one for one in json.loads(doctor.stdout) if "broker" in one["what"]]
        assert len(broker_says) == 2
        assert {one["level"] for one in broker_says} == {"ok"}  # QoS 1, and a queue that keeps all
    finally:
        gateway.stop()
    assert subprocess.run([*check, *where], check=False, capture_output=True).returncode == 1


class Pi(NamedTuple):
    """What runs on a Pi, on free ports."""

    config: Path
    beside: Path  # the same for who is not the service
    port: int  # of HTTP
    door: int  # of MQTT
    victoria: Server


# As systemd's MemoryDenyWriteExecute and NoNewPrivileges do it.
_CONFINED = (
    "import ctypes, os, sys; call = ctypes.CDLL(None).prctl; call(38, 1, 0, 0, 0);"
    " sys.exit('no MDWE') if call(65, 1, 0, 0, 0) else os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture
def pi(site: Site, tmp_path: Path) -> Pi:
    """The credentials that systemd would lay out, and configurations for free ports."""
    own = tmp_path / "credentials"
    own.mkdir()
    unit = (DEPLOY / "systemd" / "infragate.service").read_text("utf-8")
    for name, source in re.findall(r"LoadCredential=(\S+):/etc/infragate/secrets/(\S+)", unit):
        shutil.copy(site.secrets / source, own / name)
    port, door, database = free_port(), free_port(), free_port()
    machine = {
        "/var/lib/infragate": str(tmp_path / "var"),
        "0.0.0.0:8883": f"127.0.0.1:{door}",
        "0.0.0.0:8443": f"127.0.0.1:{port}",
        "127.0.0.1:8428": f"127.0.0.1:{database}",
    }
    toml = DEPLOY / "systemd" / "infragate.toml"
    # a command line beside the service has no credentials: they are the service's alone
    beside = placed(toml, tmp_path / "beside.toml", **machine)
    machine["/run/credentials/infragate.service"] = str(own)
    config = placed(toml, tmp_path / "infragate.toml", **machine)
    scrape = placed(
        DEPLOY / "victoria-metrics" / "scrape.yaml",
        tmp_path / "scrape.yaml",
        **{
            "/run/credentials/victoria-metrics.service": str(own),
            "/etc/infragate/ca.crt": str(site.secrets / "ca.crt"),
            "localhost:8443": f"localhost:{port}",
            "scrape_interval: 15s": "scrape_interval: 1s",
        },
    )
    drop_in = (DEPLOY / "systemd" / "victoria-metrics.conf").read_text("utf-8")
    (command,) = re.findall(r"^ExecStart=(/.+)$", drop_in, re.MULTILINE)
    command = command.replace("/usr/bin/victoria-metrics", _find("victoria-metrics"))
    command = command.replace("127.0.0.1:8428", f"127.0.0.1:{database}")
    command = command.replace("/var/lib/victoria-metrics", str(tmp_path / "vm"))
    command = command.replace("/etc/infragate/scrape.yaml", str(scrape))
    victoria = Server(command.split(), database, tmp_path, _listens(database))
    return Pi(config, beside, port, door, victoria)


def test_the_gateway_of_the_pi_runs_confined_and_victoriametrics_gets_all_of_it(
    site: Site, pi: Pi
) -> None:
    pi.victoria.start()
    cli = [sys.executable, "-m", "gateway"]
    where = ["-c", str(pi.config)]
    subprocess.run([*cli, "check", *where], cwd=ROOT, check=True, capture_output=True)
    gateway = Running(pi.config, pi.port, site, (sys.executable, "-c", _CONFINED))
    try:
        enrol = [*cli, "device", "enrol", "meter-0001", "--org", "evn", "--json"]
        enrol += ["-c", str(pi.beside)]
        enrolled = subprocess.run(enrol, cwd=ROOT, capture_output=True, text=True, check=True)
        device = Client(site, pi.door, "meter-0001", json.loads(enrolled.stdout)["secret"])
        assert device.refused == 0
        assert device.send("tg/1/evn/energy/meter-0001/t", reading(0)) == 0
        device.close()

        def values(name: str) -> list[float]:
            # an export: a query hides the last 30 s
            url = f"{pi.victoria.url}/api/v1/export?match[]={name}"
            with urllib.request.urlopen(url) as answer:
                return [
                    v for line in answer.read().splitlines() for v in json.loads(line)["values"]
                ]

        for name in (
            "em1_u",
            "gateway_self_readings_stored_total",
            "infragate_commit_seconds_bucket",
        ):
            wait_until(lambda one=name: values(one), 60, name, 0.5)
        wait_until(lambda: 1 in values('up{job="infragate"}'), 60, "the scrape", 0.5)
    finally:
        gateway.stop()
        pi.victoria.kill()


def test_of_the_pi_only_the_services_own_secrets_are_made(tmp_path: Path) -> None:
    Site(tmp_path).run("init", "--systemd", "--host", "pi.local")
    made = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")}
    names = ("ca.crt", "ca.key", "infragate.crt", "infragate.key", "http-token")
    assert made == {"secrets", *(f"secrets/{name}" for name in names)}


def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "infragate.service"
    text = (DEPLOY / "systemd" / "infragate.service").read_text("utf-8")
    unit.write_text(text.replace("/opt/infragate/bin/infragate", sys.executable))
    drop_in = tmp_path / "victoria-metrics.service.d"
    drop_in.mkdir()
    shutil.copy(DEPLOY / "systemd" / "victoria-metrics.conf", drop_in / "infragate.conf")
    database = tmp_path / "victoria-metrics.service"
    database.write_text("[Service]\nExecStart=/usr/bin/victoria-metrics\n")
    checked = subprocess.run(
        [analyze, "verify", "--man=no", str(unit), str(database)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [
        line for line in checked.stderr.splitlines() if str(tmp_path) in line or "infra" in line
    ]
    assert (checked.returncode, ours) == (0, [])
    # exposure in tenths, 0 is none; systemd calls 2 and less "OK" and better
    rated = subprocess.run(
        [analyze, "security", "--offline=yes", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-400:]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return loaded


def test_every_service_of_the_compose_file_is_pinned_confined_and_has_what_it_names(
    site: Site,
) -> None:
    whole = compose()
    for name, service in whole["services"].items():
        image = service["image"]
        assert re.search(r":(\d+\.\d+\.\d+|local)$", image), image
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"].startswith("${INFRAGATE_UID:?"), name  # not root, and never unset
        assert set(service.get("secrets", ())) <= whole["secrets"].keys()
        assert set(service["networks"]) <= whole["networks"].keys()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            made = site.folder if source.startswith(("./secrets", "./data")) else DEPLOY
            assert (made / source).exists(), source
        for file in service.get("env_file", ()):
            assert (site.folder / file).exists()
    for one in whole["secrets"].values():
        assert (site.folder / one["file"]).exists(), one
    assert whole["networks"]["plant"] == {"internal": True}
    published = {name: one["ports"] for name, one in whole["services"].items() if "ports" in one}
    assert published.keys() == {"mosquitto", "infragate", "grafana"}  # never the database


def test_no_secret_is_written_down_and_grafana_is_told_all_its_provisioning_asks(
    site: Site,
) -> None:
    text = "".join(file.read_text("utf-8") for file in DEPLOY.rglob("*") if file.is_file())
    assert "admin:admin" not in text
    grafana = compose()["services"]["grafana"]
    told = {*grafana["environment"]}
    told |= {line.split("=")[0] for line in (site.secrets / "grafana.env").read_text().splitlines()}
    asked = set()
    for file in (ROOT / "dashboards" / "provisioning" / "influxql").rglob("*.yaml"):
        asked |= set(re.findall(r"\$(INFRAGATE_[A-Z_]+)", file.read_text("utf-8")))
    assert asked <= told
    for name, value in grafana["environment"].items():
        is_secret = re.search("PASSWORD|TOKEN|SECRET", name) is not None
        assert not is_secret or value.startswith("/run/secrets/")


def test_the_image_is_made_of_what_is_there(site: Site) -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for package in pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package.split('/')[0]} " in text
    assert "--require-hashes" in text
    assert "USER 10001" in text
