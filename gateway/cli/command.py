"""``device command`` and ``device update``: talk to a node over its lanes c and r.

Commands and replies are those of docs/protocol.md §11; a node that is away or too old for one
does not answer. A lost message is asked for again: every command here may come twice.
"""

import argparse
import base64
import hashlib
import json
import secrets
import struct
import sys
from pathlib import Path
from typing import Any

from gateway.cli.common import (
    Commands,
    add_command,
    add_config,
    add_json,
    listen,
    print_json,
    settings_of,
)
from gateway.config import Settings
from gateway.errors import ConfigError, GatewayError
from gateway.security import CredentialStore
from gateway.topics import SECTORS, topic_of

MAX_COMMAND_BYTES = 1900  # a node takes packets of 2,048 bytes, topic and header included
CHUNK_BYTES = 512  # docs/protocol.md §11
MANIFEST_BYTES = 448
WAIT_S, TRIES = 5, 6  # a node that erases flash or reconnects is back well within 30 s


def add_to(verbs: Commands) -> None:
    """Add these verbs to ``device``."""
    command = add_command(verbs, "command", _command, "Send a command and print the reply.")
    command.add_argument("device")
    command.add_argument("request", metavar="JSON", help='such as \'{"do":"ota/state"}\'')
    update = add_command(
        verbs, "update", _update, "Send signed firmware; the node puts it on trial."
    )
    update.add_argument("device")
    update.add_argument("--manifest", type=Path, required=True)
    update.add_argument("--image", type=Path, required=True)
    for verb in (command, update):
        verb.add_argument("--org", help="where the device was not enrolled here")
        verb.add_argument("--sector", choices=SECTORS)
        add_config(verb)
        add_json(verb)


class Node:
    """A node at the other end; ``ask`` is one command and its reply."""

    def __init__(self, settings: Settings, org: str, sector: str, device: str) -> None:
        self._settings = settings
        self._device = device
        self._org, self._sector = org, sector

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the reply.

        Raises:
            GatewayError: none came, however often it was asked.
        """
        payload = json.dumps(command, separators=(",", ":"))
        if len(payload.encode()) > MAX_COMMAND_BYTES:
            raise ConfigError(f"a command may have {MAX_COMMAND_BYTES} bytes")
        for _ in range(TRIES):
            reply = self._ask_once(payload)
            if reply is not None:
                return reply
        raise GatewayError(f"{self._device} does not answer")

    def _ask_once(self, payload: str) -> dict[str, Any] | None:
        number = secrets.token_hex(4)  # so that a late reply is not taken for this one's
        tell = {"do": "tell", "topic": self._lane(f"c/{number}"), "payload": payload}
        request = {"do": "tap", "filter": self._lane(f"r/{number}"), "then": tell}
        try:
            for line in listen(self._settings, request, timeout_s=WAIT_S):
                if "error" in line:
                    raise GatewayError(line["error"])
                reply = json.loads(line.get("payload", "null"))
                if isinstance(reply, dict):
                    return reply
        except TimeoutError:
            return None
        except ValueError as error:
            raise GatewayError(f"{self._device} answered nonsense") from error
        raise GatewayError("the gateway hung up")

    def _lane(self, lane: str) -> str:
        return topic_of(self._org, self._sector, self._device, lane)


def node_of(options: argparse.Namespace) -> Node:
    """Return the node of ``device``, with its organisation and sector."""
    settings = settings_of(options)
    org, sector = options.org, options.sector
    if not (org and sector):
        enrolled = CredentialStore(settings.gateway.data_dir).show(options.device)
        if not enrolled:
            raise ConfigError(f"{options.device} was not enrolled here: give --org and --sector")
        org, sector = org or enrolled[-1].org, sector or enrolled[-1].sector
    return Node(settings, org, sector, options.device)


def _command(options: argparse.Namespace) -> int:
    try:
        command = json.loads(options.request)
    except ValueError as error:
        raise ConfigError(f"the command is no JSON: {error}") from error
    if not isinstance(command, dict):
        raise ConfigError("the command is no JSON object")
    reply = node_of(options).ask(command)
    print_json(reply)
    return 1 if "error" in reply else 0


def _update(options: argparse.Namespace) -> int:
    manifest, image = options.manifest.read_bytes(), options.image.read_bytes()
    if len(manifest) != MANIFEST_BYTES or _described(manifest) != _digest(image):
        raise ConfigError(f"{options.manifest} is not the manifest of {options.image}")
    reply = send_update(node_of(options), manifest, image)
    if options.json:
        print_json(reply)
    else:
        print("In place. The node starts it on trial and keeps it after a receipt in two minutes.")
    return 0


def send_update(node: Node, manifest: bytes, image: bytes) -> dict[str, Any]:
    """Send what the node lacks, from where an earlier try was cut off.

    Raises:
        GatewayError: the node refuses, and why.
    """
    text = base64.b64encode(manifest).decode()
    reply = node.ask({"do": "ota/begin", "manifest": text})
    while not reply.get("error") and not reply.get("done"):
        at = int(reply.get("at", -1))
        if not 0 <= at < len(image):
            raise GatewayError(f"the node asks for byte {at} of {len(image)}")
        if sys.stderr.isatty():
            print(f"{at * 100 // len(image):3} %", end="\r", file=sys.stderr, flush=True)
        data = base64.b64encode(image[at : at + CHUNK_BYTES]).decode()
        reply = node.ask({"do": "ota/chunk", "at": at, "data": data})
    if reply.get("error"):
        raise GatewayError(f"the node refuses: {reply['error']}")
    return reply


def _described(manifest: bytes) -> tuple[int, bytes]:
    """Return size and SHA-256 that a manifest names; the node checks the signature."""
    size, digest = struct.unpack_from("<I32s", manifest, 28)
    return size, digest


def _digest(image: bytes) -> tuple[int, bytes]:
    return len(image), hashlib.sha256(image).digest()
