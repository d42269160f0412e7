"""``init``: a first configuration, and what to do with it."""

import argparse
from pathlib import Path

from gateway.cli.common import Commands, add_command
from gateway.errors import ConfigError

TEXT = """\
# Written by `infragate init`; every key is in docs/operations.md, and `infragate check` reads all.
[gateway]
data_dir = "var"                   # all data, beside this file

[[source]]                         # devices connect straight to infragate ...
type = "listener"
listen = "127.0.0.1:1883"          # beyond this machine: another address, with cert and key

# [[source]]                       # ... or infragate is a client of your broker
# type = "broker"
# url = "mqtt://127.0.0.1:1884"
# client_id = "infragate-1"

[registry]
auto_enrol = true                  # who hangs on what: file = "registry.toml"

[http]                             # API and board
listen = "127.0.0.1:8080"          # beyond this machine: with cert and key, and people sign in
time_zone = "Asia/Ho_Chi_Minh"

# [[sink]]                         # the store needs no database; what else shall have the data
# name = "influx"
# type = "influx1"                 # influx1 | influx2 | influx3 | victoriametrics
# url = "http://127.0.0.1:8086"
"""


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = add_command(commands, "init", _init, "Write a first configuration file.")
    parser.add_argument(
        *("-c", "--config"),
        type=Path,
        default=Path("infragate.toml"),
        metavar="FILE",
        help="what to write (default: infragate.toml)",
    )


def _init(options: argparse.Namespace) -> int:
    file: Path = options.config
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEXT)
    except FileExistsError as error:
        raise ConfigError(f"{file} is there already: nothing was written") from error
    option = "" if file == Path("infragate.toml") else f" -c {file}"
    print(
        f"{file} is written. Next:\n"
        f"  infragate check{option}               is every key right?\n"
        f"  infragate operator add NAME{option}   who may acknowledge alarms, on the board\n"
        f"  infragate run{option}                 board and API on http://127.0.0.1:8080"
    )
    return 0
