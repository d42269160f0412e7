"""Where a simulator sends to: ``mqtt://host[:port]`` or ``mqtts://…`` with certificates."""

import argparse
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from simulators.wire import Login

_TLS_FILES = (0, 1, 3)


@dataclass(frozen=True)
class Target:
    """A broker or a listener of infragate."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    password: str | None = None  # the user name is the client id, as broker ACLs want it
    certificates: Path | None = None  # folder of <client id>.pem and <client id>.key
    certified: str | None = None  # whom the certificate names, where that is not the host

    @property
    def name(self) -> str:
        """Whom the server's certificate must name."""
        return self.certified or self.host

    def tls_of(self, client_id: str) -> ssl.SSLContext | None:
        """Return how one client proves who it is; None without TLS.

        Raises:
            OSError: its certificate cannot be read.
        """
        if self.tls is None or self.certificates is None:
            return self.tls
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for der in self.tls.get_ca_certs(binary_form=True):
            own.load_verify_locations(cadata=der)
        own.load_cert_chain(
            self.certificates / f"{client_id}.pem", self.certificates / f"{client_id}.key"
        )
        return own

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


def add_tls_options(parser: argparse.ArgumentParser) -> None:
    """Add what only many clients need, and TLS in one option."""
    parser.add_argument(
        "--tls", nargs="*", type=Path, metavar="PEM", help="authority [certificate key], as --ca …"
    )
    parser.add_argument(
        "--certificates", type=Path, metavar="DIR", help="<client id>.pem and .key of each client"
    )


def address_of(url: str) -> tuple[str, int]:
    """Return host and port of an MQTT URL.

    Raises:
        ValueError: it is not one.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or parts.hostname is None:
        raise ValueError("--mqtt must be mqtt://host[:port] or mqtts://host[:port]")
    return parts.hostname, parts.port or (8883 if parts.scheme == "mqtts" else 1883)


def target_of(options: argparse.Namespace) -> Target:
    """Return the target that the command line names.

    Raises:
        ValueError: the URL or the environment variable is wrong.
        OSError: a certificate cannot be read.
    """
    files: list[Path] | None = getattr(options, "tls", None)
    ca, cert, key = options.ca, options.cert, options.key
    if files is not None:
        if len(files) not in _TLS_FILES:
            raise ValueError("--tls takes nothing, an authority, or authority, certificate, key")
        ca, cert, key = (*files, ca, cert, key)[:3] if len(files) != 1 else (files[0], cert, key)
    tls = None
    if files is not None or options.mqtt.startswith("mqtts:"):
        tls = ssl.create_default_context(cafile=ca)
        if cert is not None:
            tls.load_cert_chain(cert, key)
    password = None
    if options.password_env is not None:
        password = os.environ.get(options.password_env)
        if not password:
            raise ValueError(f"--password-env: {options.password_env} is not set")
    certificates: Path | None = getattr(options, "certificates", None)
    return Target(*address_of(options.mqtt), tls, password, certificates)
