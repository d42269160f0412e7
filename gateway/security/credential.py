"""Credentials: what there is to know of one, what is asked for, what is handed out."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from typing_extensions import override

from gateway.errors import ConfigError
from gateway.ports import ClientRole
from gateway.security.certificate import CertificateFiles
from gateway.security.secret import psk_of
from gateway.topics import SECTORS, is_device_id


class EnrolmentError(ConfigError):
    """What was asked of the registry cannot be done; the message says why."""


class Method(StrEnum):
    """How a client proves who it is."""

    PASSWORD = "password"  # noqa: S105  # the name of a method
    CERTIFICATE = "certificate"
    PSK = "psk"
    CLAIM = "claim"  # good once, to set the password of the device


class Credential(NamedTuple):
    """A row. ``key`` and ``proof`` are hash key and hash, certificate fingerprint, or PSK."""

    id: int
    version: int
    device: str
    role: ClientRole
    org: str
    sector: str
    under: tuple[str, ...]
    method: Method
    key: bytes
    proof: bytes
    created_ms: int
    not_after_ms: int  # 0 = no end
    revoked_ms: int  # 0 = not revoked

    @override
    def __repr__(self) -> str:
        return f"Credential({self.id}, {self.device!r}, {self.role}, {self.method})"

    def is_good(self, now_ms: int) -> bool:
        """Return whether it opens the door now."""
        return not self.revoked_ms and (not self.not_after_ms or now_ms < self.not_after_ms)


class Request(NamedTuple):
    """What ``enrol`` is asked for."""

    device: str
    org: str
    sector: str = ""  # a monitor needs none
    role: ClientRole = ClientRole.DEVICE
    method: Method = Method.PASSWORD
    under: tuple[str, ...] = ()  # of a concentrator: "device" or "sector/device"
    valid_days: int = 0  # 0: no end; certificates always have one


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential; its secret or key is shown this once and never kept by us."""

    device: str
    method: Method
    not_after_ms: int
    secret: str = field(default="", repr=False)
    certificate: CertificateFiles | None = field(default=None, repr=False)

    @property
    def psk(self) -> bytes:
        """The key that a client with ``Method.PSK`` gives its TLS library."""
        return psk_of(self.secret.encode())


def check(request: Request) -> None:
    """Refuse what makes no sense."""
    for what, name in (("device", request.device), ("org", request.org)):
        if not is_device_id(name):
            raise EnrolmentError(f"{what} {name!r} is not [a-z0-9][a-z0-9-]{{1,63}}")
    if request.role is ClientRole.ANONYMOUS:
        raise EnrolmentError("an anonymous client has no credential")
    if request.sector not in SECTORS and request.role is not ClientRole.MONITOR:
        raise EnrolmentError(f"sector {request.sector!r} is none of {', '.join(SECTORS)}")
    if bool(request.under) is not (request.role is ClientRole.CONCENTRATOR):
        raise EnrolmentError("a concentrator, and nobody else, has devices under it")
    for name in request.under:
        sector, _, device = name.rpartition("/")
        if not is_device_id(device) or (sector and sector not in SECTORS):
            raise EnrolmentError(f"under: {name!r} is neither <device> nor <sector>/<device>")
