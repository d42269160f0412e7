"""Where messages come in and who may bring them: sources, the group commit, identities."""

import ssl
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from gateway.config.sections import ListenerSource

Message = tuple[int, bytes, bytes]
"""What a source has received: RecordFlag, topic, payload."""


class Intake(Protocol):
    """Where sources put messages: the journal behind a group commit. Lives in the event loop.

    Called by every source of the process, never from another thread.
    """

    @property
    def is_congested(self) -> bool:
        """Whether sources must stop reading: too much waits for the disk, or it is full."""

    def append(self, source: int, flags: int, topic: bytes, payload: bytes) -> int:
        """Take a message and return its record number; it is *not yet durable*.

        Numbers rise by one with every call. The caller acknowledges the message to its peer
        only once ``on_durable`` reported that number or a later one. Never raises for a full
        disk: the message waits in memory, unacknowledged, and ``is_congested`` turns true.
        """

    def extend(self, source: int, messages: Sequence[Message]) -> int:
        """Take one or more messages in order, as ``append`` does; return the last one's number.

        The others have the numbers before it.
        """

    def on_durable(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(number)`` after each commit: every record up to ``number`` is on disk."""

    def on_relief(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` each time congestion has ended, so that reading may go on."""


class Publisher(Protocol):
    """How receipts, commands and configuration go down to a device: a source, seen from below."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send at QoS 0 to whoever is subscribed; a peer that cannot take it loses it.

        Receipts are coalesced and repeated by the next one, so a lost one does no harm.
        """


class Source(Publisher, Protocol):
    """Where messages come from. ``run`` is one task of the intake process."""

    async def run(self) -> None:
        """Receive until cancelled; reconnects as often as it takes, with full jitter.

        PUBACKs go out in the order the messages came in, each after ``Intake.on_durable``
        named its record. What was not acknowledged before a lost connection or a crash must
        come again from the peer. When ``Intake.is_congested`` the source stops reading its
        sockets (back pressure), it never drops.

        Raises:
            OSError: a listener cannot bind its address.
        """


class ClientRole(StrEnum):
    """What a client of the listener may do."""

    DEVICE = "device"  # its own lanes
    CONCENTRATOR = "concentrator"  # its own lanes and those of the devices under it
    MONITOR = "monitor"  # reads everything at QoS 0, writes nothing
    ANONYMOUS = "anonymous"  # loopback only: the topic is the identity, reads everything


class Identity(NamedTuple):
    """Who is at the other end of a connection."""

    device: str  # "" for an anonymous client
    role: ClientRole
    org: str = ""
    sector: str = ""
    under: frozenset[str] = frozenset()  # of a concentrator: "device" or "sector/device"
    credential: int = 0  # the one it came with; others of the same device may outlive it
    not_after_ms: int = 0  # 0 = no end
    topics: tuple[str, ...] = ()  # filters of foreign topics that its registry entry lists


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client shows of itself; the password is kept out of every ``repr``."""

    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    common_name: str | None = None  # of a client certificate that TLS has verified
    fingerprint: bytes = b""  # SHA-256 of that certificate
    psk_identity: str | None = None  # TLS has verified that the client has this one's key


class Authenticator(Protocol):
    """Who may connect to a listener. Called in the event loop, so it never waits for a network."""

    def authenticate(self, credentials: Credentials) -> Identity | None:
        """Return who this is, None where it is nobody who may come in."""

    def changed(self) -> Collection[str]:
        """Return the devices whose credentials changed since the last call (about once a second).

        The listener then asks ``is_current`` for each of their connections.
        """

    def is_current(self, identity: Identity) -> bool:
        """Return whether the credential behind an identity is still good."""

    def server_context(self, section: ListenerSource) -> ssl.SSLContext | None:
        """Return the TLS side of a listener, None where it has none.

        Raises:
            ConfigError: a file is missing or wrong, or PSK is not possible here.
        """
