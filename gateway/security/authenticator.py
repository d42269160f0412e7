"""The listener's view of the credentials: is this client who it says, and is it still?"""

import ssl
import time
from collections.abc import Callable, Collection
from pathlib import Path

from gateway.config.sections import ListenerSource
from gateway.ports import Credentials, Identity
from gateway.security.credential import Credential, Method
from gateway.security.secret import SECRET_BYTES, hash_secret, is_same
from gateway.security.store import CredentialStore
from gateway.security.tls import server_context

_CLAIM_BYTES = len("claim:") + 4 * SECRET_BYTES + 1
_MAX_SECRET_BYTES = 1024  # nobody's secret is longer; hashing megabytes for a stranger is not free


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Authenticator:
    """See ``ports.Authenticator``. Each question is one indexed read of a local file (20 µs)."""

    def __init__(
        self,
        data_dir: Path,
        clock: Callable[[], int] = _now_ms,
        topics_of: Callable[[str], tuple[str, ...]] = lambda _device: (),
    ) -> None:
        """Open the credentials; ``topics_of`` gives the foreign topics of a device's entry."""
        self._topics_of = topics_of
        self._store = CredentialStore(data_dir, clock)
        self._clock = clock
        self._data_version = self._store.data_version()
        self._version, _ = self._store.changes(0)

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def authenticate(self, credentials: Credentials) -> Identity | None:
        """See ``ports.Authenticator``."""
        device = credentials.common_name or credentials.psk_identity or credentials.username
        if not device or (credentials.username or device) != device:
            return None
        now_ms = self._clock()
        for one in self._store.show(device):
            if one.is_good(now_ms) and _proves(credentials, one):
                return self._identity(one)
        claim = _claim_of(credentials)
        redeemed = self._store.redeem(device, *claim) if claim else None
        return self._identity(redeemed) if redeemed else None

    def changed(self) -> Collection[str]:
        """See ``ports.Authenticator``."""
        data_version = self._store.data_version()
        if data_version == self._data_version:
            return ()
        self._data_version = data_version
        self._version, devices = self._store.changes(self._version)
        return devices

    def is_current(self, identity: Identity) -> bool:
        """See ``ports.Authenticator``."""
        one = self._store.get(identity.credential)
        return one is not None and one.is_good(self._clock())

    def server_context(self, section: ListenerSource) -> ssl.SSLContext | None:
        """See ``ports.Authenticator``."""
        return server_context(section, self._psk_of)

    def _identity(self, one: Credential) -> Identity:
        return Identity(
            one.device,
            one.role,
            one.org,
            one.sector,
            frozenset(one.under),
            one.id,
            one.not_after_ms,
            self._topics_of(one.device),
        )

    def _psk_of(self, device: str) -> bytes:
        """Return the pre-shared key of a device; an empty one lets nobody in."""
        now_ms = self._clock()
        keys = (
            one.proof
            for one in reversed(self._store.show(device))
            if one.method is Method.PSK and one.is_good(now_ms)
        )
        return next(keys, b"")


def _claim_of(shown: Credentials) -> tuple[bytes, str] | None:
    """Return claim and new secret of a password such as ``claim:<claim>:<secret>``."""
    is_alone = shown.common_name is None and shown.psk_identity is None
    if not is_alone or shown.password is None or len(shown.password) != _CLAIM_BYTES:
        return None
    word, _, rest = shown.password.partition(b":")
    claim, _, secret = rest.partition(b":")
    return (claim, secret.decode("ascii", "replace")) if word == b"claim" else None


def _proves(shown: Credentials, one: Credential) -> bool:
    """Return whether what a client shows is what the credential asks for.

    A certificate decides alone where there is one: a password cannot make up for it.
    """
    if shown.common_name is not None:
        return one.method is Method.CERTIFICATE and is_same(shown.fingerprint, one.proof)
    if shown.psk_identity is not None:
        return one.method is Method.PSK
    if one.method is not Method.PASSWORD or shown.password is None:
        return False
    if len(shown.password) > _MAX_SECRET_BYTES:
        return False
    return is_same(hash_secret(shown.password, one.key), one.proof)
