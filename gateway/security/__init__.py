"""Who may connect: credentials, the built-in certificate authority, TLS contexts.

The command line uses ``CredentialStore`` (``device enrol|claim|list|show|rotate|revoke``), the
listener uses ``Authenticator``; they meet in ``registry.sqlite`` of the data directory, so a
revocation reaches a running listener within about a second.
"""

from gateway.security.authenticator import Authenticator
from gateway.security.certificate import CertificateFiles
from gateway.security.credential import Credential, EnrolmentError, Issued, Method, Request
from gateway.security.store import CredentialStore
from gateway.security.tls import client_context, server_context

__all__ = [
    "Authenticator",
    "CertificateFiles",
    "Credential",
    "CredentialStore",
    "EnrolmentError",
    "Issued",
    "Method",
    "Request",
    "client_context",
    "server_context",
]
