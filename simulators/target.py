"""Where a simulator sends to: ``mqtt://host[:port]`` or ``mqtts://…`` with certificates."""

import argparse
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from simulators.wire import Login


@dataclass(frozen=True)
class Target:
    """A broker or a listener of infragate."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    password: str | None = None  # the user name is the client id, as broker ACLs want it

    def login(self, client_id: str) -> Login:
        """Return the credentials of one client."""
        if self.password is None:
            return Login(client_id)
        return Login(client_id, client_id, self.password)


def add_target_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that ``target_of`` reads."""
    parser.add_argument("--mqtt", required=required, metavar="URL", help="mqtt[s]://host[:port]")
    parser.add_argument("--ca", type=Path, help="authority of the server's certificate")
    parser.add_argument("--cert", type=Path, help="client certificate")
    parser.add_argument("--key", type=Path, help="client key")
    parser.add_argument(
        "--password-env", metavar="NAME", help="password; the user name is the client id"
    )


def target_of(options: argparse.Namespace) -> Target:
    """Return the target that the command line names.

    Raises:
        ValueError: the URL or the environment variable is wrong.
        OSError: a certificate cannot be read.
    """
    parts = urlsplit(options.mqtt)
    if parts.scheme not in {"mqtt", "mqtts"} or parts.hostname is None:
        raise ValueError("--mqtt must be mqtt://host[:port] or mqtts://host[:port]")
    tls = None
    if parts.scheme == "mqtts":
        tls = ssl.create_default_context(cafile=options.ca)
        if options.cert is not None:
            tls.load_cert_chain(options.cert, options.key)
    password = None
    if options.password_env is not None:
        password = os.environ.get(options.password_env)
        if not password:
            raise ValueError(f"--password-env: {options.password_env} is not set")
    return Target(parts.hostname, parts.port or (8883 if tls else 1883), tls, password)
