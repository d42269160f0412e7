"""TLS contexts: 1.2 and newer, for the listener and for clients of brokers."""

import logging
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

from typing_extensions import override

from gateway.config.sections import ListenerSource
from gateway.errors import ConfigError

logger = logging.getLogger(__name__)

_PSK_CIPHERS = "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256"


def server_context(
    section: ListenerSource, psk_of: Callable[[str], bytes]
) -> ssl.SSLContext | None:
    """Return the TLS side of a listener, None for one in the clear.

    Raises:
        ConfigError: names the key whose file cannot be used, or says that PSK needs Python 3.13.
    """
    if section.psk:
        return _psk_context(section, psk_of)
    if section.cert is None or section.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _secure(context)
    load_pair(context, section.cert, section.key)
    if section.ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _load_ca(context, section.ca)
    return context


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """Return a context that verifies the server, by the system's authorities where none is named.

    Raises:
        ConfigError: names the key whose file cannot be used.
    """
    context = ssl.create_default_context()
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_ca(context, ca)
    _secure(context)
    if cert is not None and key is not None:
        load_pair(context, cert, key)
    return context


def _secure(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Give a context its certificate and key.

    Raises:
        ConfigError: names the files.
    """
    try:
        if key.stat().st_mode & stat.S_IROTH:
            logger.warning("key %s is readable by everybody: chmod 600 it", key)
        context.load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"cert {cert}, key {key}: {error.strerror or error}") from error


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise ConfigError(f"ca {ca}: {error.strerror or error}") from error


class PskContext(ssl.SSLContext):
    """Makes a context for each connection: only its own callback learns its client's identity.

    ``psk_identity`` of such a context names the one whose key the client has proved to hold.
    """

    psk_identity: str | None = None
    psk_of: Callable[[str], bytes]

    @override
    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Wrap one connection; asyncio and uvloop both come through here."""
        own = PskContext(ssl.PROTOCOL_TLS_SERVER)
        _secure(own)
        own.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 has no cipher of its own for these keys
        own.set_ciphers(_PSK_CIPHERS)
        find = self.psk_of

        def reveal(identity: str | None) -> bytes:
            key = find(identity or "")
            own.psk_identity = identity if key else None
            return key

        own.set_psk_server_callback(reveal)  # type: ignore[attr-defined,unused-ignore]
        return ssl.SSLContext.wrap_bio(own, incoming, outgoing, server_side=server_side)


def _psk_context(section: ListenerSource, psk_of: Callable[[str], bytes]) -> ssl.SSLContext:
    if not hasattr(ssl.SSLContext, "set_psk_server_callback"):
        raise ConfigError("psk: TLS with pre-shared keys needs Python 3.13 or newer")
    if section.cert is not None:
        raise ConfigError("psk: give certificates and pre-shared keys a listener each")
    context = PskContext(ssl.PROTOCOL_TLS_SERVER)
    context.psk_of = psk_of
    return context
