"""``run``, ``demo`` and ``check``."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from gateway import app
from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.config import load_settings
from gateway.errors import ConfigError
from gateway.roles.checking import check

DEMO_CONFIG = """\
# Written by `infragate demo`; run it again and it goes on where it was.
[gateway]
data_dir = "."
[[source]]
type = "listener"
listen = "127.0.0.1:{mqtt_port}"
[registry]
auto_enrol = true
{registry}[foreign]
zone = "UTC"
[http]
listen = "127.0.0.1:{port}"
"""


def add_to(commands: Commands) -> None:
    """Add these commands."""
    run = add_command(commands, "run", _run, "Run the gateway until SIGTERM or Ctrl-C.")
    add_config(run)
    check = add_command(
        commands, "check", _check, "Check the configuration and every file that it names."
    )
    add_config(check)
    add_json(check)
    demo = add_command(
        commands, "demo", _demo, "Everything on this machine: devices, gateway, board. No root."
    )
    demo.add_argument("--meters", type=int, default=200, metavar="N")
    demo.add_argument("--detectors", type=int, default=40, metavar="N")
    demo.add_argument(
        "--past-days",
        type=float,
        default=8.0,
        metavar="D",
        help="what the devices recorded before the first start, and send then; 0: nothing",
    )
    demo.add_argument("--minutes", type=float, default=0, metavar="M", help="stop after M minutes")
    demo.add_argument("--data", type=Path, default=Path("var/demo"), metavar="DIR")
    demo.add_argument("--port", type=int, default=8080, metavar="P", help="of the board")
    demo.add_argument("--mqtt-port", type=int, default=1883, metavar="Q")
    demo.add_argument(
        "--scenario",
        action="append",
        metavar="NAME|FILE",
        default=[],
        help="what goes wrong in the city; see docs/simulators.md",
    )
    demo.add_argument(
        "--foreign",
        action="store_true",
        help="a second fleet that speaks only formats of other makers (docs/devices.md)",
    )
    demo.add_argument("--no-fleet", action="store_true", help="bring your own devices")
    demo.add_argument(
        "--registry", type=Path, metavar="FILE", help="who hangs on what; default: the city's"
    )


def _run(options: argparse.Namespace) -> int:
    return app.run_gateway(settings_of(options))


def _check(options: argparse.Namespace) -> int:
    try:
        findings = check(settings_of(options))
    except ConfigError as error:
        if not options.json:
            raise
        print_json({"ok": False, "errors": str(error).splitlines()})
        return 2
    if options.json:
        print_json({"ok": True, **findings})
    else:
        print(f"{options.config}: good")
        for what, found in findings.items():
            print(f"  {what}: {found}")
    return 0


def _demo(options: argparse.Namespace) -> int:
    data_dir = options.data.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / "demo.toml"
    city = None if options.no_fleet else _city_command(options, data_dir)
    if city is not None and not _is_playable(city):
        return 2
    file = options.registry or (None if city is None else data_dir / "city" / "registry.toml")
    registry = "" if file is None else f"file = {json.dumps(str(file.resolve()))}\n"
    text = DEMO_CONFIG.format(mqtt_port=options.mqtt_port, port=options.port, registry=registry)
    config.write_text(text, "utf-8")
    helpers = {} if city is None else {"city": city}
    if options.foreign:
        helpers["foreign"] = _foreign_command(options, data_dir)
    print(
        f"\n  infragate demo\n"
        f"  board    http://127.0.0.1:{options.port}\n"
        f"  API      http://127.0.0.1:{options.port}/api/v1/openapi.json\n"
        f"  devices  mqtt://127.0.0.1:{options.mqtt_port} (loopback only, no TLS, no passwords)\n"
        f"  data     {data_dir}\n"
        f"  Ctrl-C ends it; the next start goes on from here.\n",
        flush=True,
    )
    return app.run_gateway(
        load_settings(config), helpers=helpers, run_s=options.minutes * 60 or None
    )


def _foreign_command(options: argparse.Namespace, data_dir: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "simulators", "foreign", "--interval-s", "5"),
        *("--mqtt", f"mqtt://127.0.0.1:{options.mqtt_port}"),
        *("--state", str(data_dir / "foreign")),
    ]


def _is_playable(city: list[str]) -> bool:
    """Ask the simulator first, for its registry too: a helper that ends is started again."""
    command = [*city, "--check"]
    return subprocess.run(command, check=False).returncode == 0  # noqa: S603  # our own


def _city_command(options: argparse.Namespace, data_dir: Path) -> list[str]:
    city = str(data_dir / "city")
    return [
        *(sys.executable, "-m", "simulators", "city", "--forever", "--interval-s", "5"),
        *("--mqtt", f"mqtt://127.0.0.1:{options.mqtt_port}", "--pace", "realtime"),
        *("--meters", str(options.meters), "--lanes", str(options.detectors)),
        *("--state", city, "--out", city, "--org", "demo"),
        *("--past-days", str(options.past_days)),
        *(word for scenario in options.scenario for word in ("--scenario", scenario)),
    ]
