"""Asking the running gateway over its control socket, from another process of its owner's."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError

TIMEOUT_S = 10


def ask(data_dir: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Ask one thing.

    Raises:
        GatewayError: it does not run, or it says no.
    """
    for answer in listen(data_dir, request, timeout_s=TIMEOUT_S):
        if "error" in answer:
            raise GatewayError(answer["error"])
        return answer
    raise GatewayError("the gateway hung up")


def listen(
    data_dir: Path, request: dict[str, Any], timeout_s: float | None = None
) -> Iterator[dict[str, Any]]:
    """Yield every answer to one request."""
    path = data_dir / "run" / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(str(path))
        except OSError as error:
            raise GatewayError(f"no gateway runs on {data_dir}") from error
        sock.sendall(json.dumps(request).encode() + b"\n")
        with sock.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)
