"""Prepares the files that make a board a node: ``python -m firmware.tools.provision DIR …``.

Each file in DIR is a key of the node's memory (hal/base.py, ``kv_put``): ``config``, ``ca``,
``ota_key`` … A Raspberry Pi reads them where they lie; to an ESP32 they go by cable:
``mpremote run firmware/esp32/provision.py`` after ``mpremote cp -r DIR :/provision``. A claim is
read from a file or from standard input, so that it is in no list of processes and no history;
so is the driver's secret.
"""

import argparse
import base64
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from fieldnode.core import config as configuration

_PEM = re.compile(r"-----BEGIN [A-Z ]+-----([^-]+)-----END")


def der_of(path: Path) -> bytes:
    """Return the first thing in a PEM file as DER; MicroPython reads no PEM."""
    content = path.read_bytes()
    found = _PEM.search(content.decode("ascii", "replace"))
    return base64.b64decode(found.group(1)) if found else content


def config_of(options: argparse.Namespace) -> str:
    """Return the configuration as JSON: only what differs from the defaults.

    Raises:
        ValueError: names the key that is wrong.
    """
    document: dict[str, Any] = {"org": options.org, "device": options.device, "host": options.host}
    document["port"] = options.port
    for pair in options.set:
        key, _, text = pair.partition("=")
        kind = configuration.SCHEMA[key][0] if key in configuration.SCHEMA else ""
        is_text = kind in {configuration.TEXT, configuration.NAME, configuration.CHOICE}
        document[key] = text if is_text or kind == configuration.SECRET else json.loads(text)
    for key, path in (("claim", options.claim_file), ("driver_secret", options.secret_file)):
        if path:
            source = sys.stdin if str(path) == "-" else path.open()
            with source as file:
                document[key] = file.readline().strip()
    text = json.dumps(document)
    configuration.load(text)
    return text


def write(path: Path, content: bytes) -> None:
    """Write a file for its owner only."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as out:
        out.write(content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="firmware.tools.provision")
    parser.add_argument("folder", type=Path)
    for name in ("device", "org", "host"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, default=8883)
    parser.add_argument("--claim-file", type=Path, help="from infragate device claim; - reads it")
    parser.add_argument("--secret-file", type=Path, help="driver_secret: key of tags or of a meter")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="core/config.py")
    for name, what in (("ca", "whom to trust"), ("cert", "of the node"), ("key", "of the node")):
        parser.add_argument(f"--{name}", type=Path, help=f"{what}, PEM or DER")
    parser.add_argument("--ota-key", type=Path, help="ota.pub of firmware.tools.sign")
    parser.add_argument("--wifi-file", type=Path, help="network name and password, a line each")
    return parser


def main(arguments: "list[str] | None" = None) -> int:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    files: dict[str, bytes] = {}
    try:
        files["config"] = config_of(options).encode()
        for name in ("ca", "cert", "key"):
            if getattr(options, name):
                files[name] = der_of(getattr(options, name))
        if options.ota_key:
            files["ota_key"] = options.ota_key.read_bytes()
        if options.wifi_file:
            files["wifi"] = options.wifi_file.read_bytes()
        options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            write(options.folder / name, content)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
