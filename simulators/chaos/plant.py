"""Everything that chaos happens to: broker, database, gateway, and the networks between them."""

import asyncio
import getpass
import shutil
from collections.abc import Sequence
from pathlib import Path

from simulators.chaos.machine import Clock, Disk
from simulators.chaos.processes import Server, free_port
from simulators.proxy import Proxy

# Without the first, Mosquitto drops what exceeds 1,000 queued messages; it does forget everything
# when it is killed, as it does where it is installed and left as it is.
_BROKER = """\
user {user}
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
"""
_GATEWAY = """\
[gateway]
data_dir = "{data}"
receipt_ms = 200
[[source]]
type = "listener"
listen = "127.0.0.1:{listener}"
[[source]]
type = "broker"
url = "mqtt://127.0.0.1:{broker}"
client_id = "infragate-chaos"
keepalive_s = 5
[registry]
auto_enrol = true
[validation]
max_ahead = "40d" # its clock jumps by days, and what devices send then is right all the same
[http]
listen = "127.0.0.1:{http}"
board = false
"""
_DATABASE = """\
[[sink]]
name = "database"
type = "victoriametrics"
url = "http://127.0.0.1:{database}"
timeout = "3s"
"""


class Plant:
    """Servers that are started by ``start`` and gone after ``close``.

    Args:
        folder: for data, configuration and logs.
        gateway: the command line of the gateway; ``run -c FILE`` is put behind it.

    Raises:
        FileNotFoundError: there is no Mosquitto.
    """

    def __init__(self, folder: Path, gateway: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.disk, self.clock = Disk(folder / "data"), Clock(folder)
        self.http_port = free_port()
        self.listener_port, self.broker_port, database_port = (free_port() for _ in range(3))
        self.to_broker = Proxy("127.0.0.1", self.broker_port)
        self.to_listener = Proxy("127.0.0.1", self.listener_port)
        self.broker_to_gateway = Proxy("127.0.0.1", self.broker_port)
        self.proxies = (self.to_broker, self.to_listener, self.broker_to_gateway)
        self._folder = folder
        self._gateway = gateway
        program = shutil.which(
            "mosquitto", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"
        )
        if program is None:
            raise FileNotFoundError("mosquitto is not installed")
        settings = _BROKER.format(user=getpass.getuser(), port=self.broker_port)
        (folder / "mosquitto.conf").write_text(settings)
        command = [program, "-c", str(folder / "mosquitto.conf")]
        self.broker = Server("broker", command, folder / "broker.log")
        self.database: Server | None = None
        self.database_port = database_port
        if (program := shutil.which("victoria-metrics")) is not None:
            command = [program, f"-httpListenAddr=127.0.0.1:{database_port}"]
            command += [f"-storageDataPath={folder / 'database'}", "-retentionPeriod=100y"]
            command += ["-dedup.minScrapeInterval=1ms", "-memory.allowedBytes=64MB"]
            self.database = Server("database", command, folder / "database.log")
        self.gateway = self._make_gateway()
        self._keepers: list[asyncio.Task[None]] = []

    def _make_gateway(self) -> Server:
        config = self._folder / "infragate.toml"
        command = [*self._gateway, "run", "-c", str(config)]
        return Server("gateway", command, self._folder / "gateway.log", self.clock.env)

    @property
    def servers(self) -> list[Server]:
        """All of them."""
        found = [self.broker, self.gateway]
        return [*found, self.database] if self.database is not None else found

    @property
    def able(self) -> set[str]:
        """Kinds of faults that this machine can do."""
        kinds = {"kill-gateway", "kill-child", "kill-broker", "pause-gateway", "pause-broker"}
        kinds |= {"reset", "forget", "refuse", "slow"}
        kinds |= {"kill-database"} if self.database is not None else set()
        kinds |= {"disk-full"} if self.disk.is_small else set()
        return kinds | ({"clock-jump"} if self.clock.env else set())

    async def start(self) -> None:
        """Start everything and keep it running."""
        for proxy in self.proxies:
            await proxy.start()
        text = _GATEWAY.format(
            data=self._folder / "data",
            listener=self.listener_port,
            broker=self.broker_to_gateway.port,
            http=self.http_port,
        )
        if self.database is not None:
            text += _DATABASE.format(database=self.database_port)
        (self._folder / "infragate.toml").write_text(text)
        for server in self.servers:
            server.start()
            self._keepers.append(asyncio.create_task(server.keep_alive()))

    def heal(self) -> None:
        """End every fault that lasts."""
        self.disk.drop()
        if self.clock.env:
            self.clock.set(0)
        for proxy in self.proxies:
            proxy.is_refusing = False
            proxy.conditions = type(proxy.conditions)()

    async def stop(self) -> int:
        """Stop the gateway as its user would; return its exit code."""
        for keeper in self._keepers:
            keeper.cancel()
        return await self.gateway.stop()

    def keep_evidence(self) -> None:
        """Copy the data from the small disk, which goes when we do, into the folder."""
        if self.disk.is_small:
            leave = shutil.ignore_patterns("run", "ballast")  # sockets cannot be copied
            shutil.copytree(self._folder / "data", self._folder / "evidence", ignore=leave)

    def close(self) -> None:
        """Leave nothing behind."""
        for proxy in self.proxies:
            proxy.close()
        for server in self.servers:
            server.stop_now()
        self.disk.unmount()
