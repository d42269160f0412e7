"""``registry.sqlite``: one row for each credential ever issued, never its secret.

Every change gives the rows it touches a new, higher ``version``; by that a running listener
finds what changed without reading the rest.
"""

import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, cast

from typing_extensions import override

from gateway.errors import ConfigError
from gateway.imports import load
from gateway.ports import ClientRole
from gateway.security.certificate import CertificateFiles
from gateway.security.secret import Randomness, hash_secret, make_key, make_secret, psk_of
from gateway.topics import SECTORS, is_device_id

FILE_NAME = "registry.sqlite"
_BUSY_TIMEOUT_S = 5
_DAY_MS = 86_400_000
_CERTIFICATE_DAYS = 825  # the longest that common TLS stacks take from a private authority

_SCHEMA = """
CREATE TABLE IF NOT EXISTS credential (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    device TEXT NOT NULL,
    role TEXT NOT NULL,
    org TEXT NOT NULL,
    sector TEXT NOT NULL,
    under TEXT NOT NULL,
    method TEXT NOT NULL,
    key BLOB NOT NULL,
    proof BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    revoked_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS credential_device ON credential (device);
CREATE INDEX IF NOT EXISTS credential_version ON credential (version);
"""
_COLUMNS = (
    "id, version, device, role, org, sector, under, method, key, proof, "
    "created_ms, not_after_ms, revoked_ms"
)


class EnrolmentError(ConfigError):
    """What was asked of the registry cannot be done; the message says why."""


class Method(StrEnum):
    """How a client proves who it is."""

    PASSWORD = "password"  # noqa: S105  # the name of a method
    CERTIFICATE = "certificate"
    PSK = "psk"


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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class CredentialStore:
    """Credentials of one data directory. One thread; several processes may have it open."""

    def __init__(
        self,
        data_dir: Path,
        clock: Callable[[], int] = _now_ms,
        randomness: Randomness = secrets.token_bytes,
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._randomness = randomness
        self._ca = data_dir / "ca"
        file = data_dir / FILE_NAME
        file.touch(mode=0o600)  # it holds pre-shared keys: its owner's only, WAL files follow
        self._db = sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # -- what the command line does --

    def enrol(self, request: Request) -> Issued:
        """Issue the first credential of a device.

        Raises:
            EnrolmentError: a name is wrong, or the device has a credential already.
        """
        _check(request)
        with self._changing() as version:
            if any(one.is_good(self._clock()) for one in self.show(request.device)):
                raise EnrolmentError(f"{request.device} is enrolled: rotate or revoke it")
            return self._issue(request, version)

    def rotate(self, device: str, overlap_ms: int = 0) -> Issued:
        """Issue a new credential like the newest; the old ones end after ``overlap_ms``.

        Raises:
            EnrolmentError: the device has no credential that is good.
        """
        now_ms = self._clock()
        with self._changing() as version:
            good = [one for one in self.show(device) if one.is_good(now_ms)]
            if not good:
                raise EnrolmentError(f"{device} has no credential to rotate: enrol it")
            for one in good:
                end_ms = min(one.not_after_ms or now_ms + overlap_ms, now_ms + overlap_ms)
                self._db.execute(
                    "UPDATE credential SET not_after_ms = ?, version = ? WHERE id = ?",
                    (end_ms, version, one.id),
                )
            last = good[-1]
            days = (last.not_after_ms - last.created_ms) // _DAY_MS if last.not_after_ms else 0
            return self._issue(
                Request(
                    device, last.org, last.sector, last.role, last.method, last.under, max(days, 0)
                ),
                version,
            )

    def revoke(self, device: str) -> int:
        """End all credentials of a device at once; return how many were still good."""
        now_ms = self._clock()
        with self._changing() as version:
            good = [one.id for one in self.show(device) if one.is_good(now_ms)]
            self._db.execute(
                "UPDATE credential SET revoked_ms = ?, version = ?"
                " WHERE device = ? AND revoked_ms = 0",
                (now_ms, version, device),
            )
            return len(good)

    def show(self, device: str) -> list[Credential]:
        """Return all credentials of a device, the oldest first."""
        return self._select("WHERE device = ? ORDER BY id", (device,))

    def devices(self, limit: int = 1000, after: str = "") -> list[Credential]:
        """Return the newest credential of each device, by name, beginning behind ``after``."""
        return self._select(
            "WHERE id IN (SELECT max(id) FROM credential WHERE device > ? GROUP BY device)"
            " ORDER BY device LIMIT ?",
            (after, limit),
        )

    # -- what the listener asks --

    def get(self, number: int) -> Credential | None:
        """Return one credential by its id."""
        return next(iter(self._select("WHERE id = ?", (number,))), None)

    def data_version(self) -> int:
        """Return a number that changes when another process has written; costs no read."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def changes(self, version: int) -> tuple[int, list[str]]:
        """Return the highest version, and the devices that changed after ``version``."""
        rows = self._db.execute(
            "SELECT device, max(version) FROM credential WHERE version > ? GROUP BY device",
            (version,),
        ).fetchall()
        return max([version, *(row[1] for row in rows)]), [row[0] for row in rows]

    # -- inside --

    def _issue(self, request: Request, version: int) -> Issued:
        now_ms = self._clock()
        end_ms = now_ms + request.valid_days * _DAY_MS if request.valid_days else 0
        secret, key, certificate = "", b"", None
        if request.method is Method.CERTIFICATE:
            days = request.valid_days or _CERTIFICATE_DAYS
            # a library of 6 MB that the processes which only check credentials need not have
            made = cast("Any", load("gateway.security.authority")).Authority(self._ca, self._clock)
            certificate = cast("CertificateFiles", made.issue(request.device, days))
            proof, end_ms = certificate.fingerprint, now_ms + days * _DAY_MS
        else:
            secret = make_secret(self._randomness)
            key = make_key(self._randomness)
            proof = hash_secret(secret.encode(), key)
            if request.method is Method.PSK:
                proof = psk_of(secret.encode())
        self._db.execute(
            f"INSERT INTO credential ({_COLUMNS}) VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,0)",  # noqa: S608
            (
                version,
                *(request.device, request.role, request.org, request.sector),
                json.dumps(request.under),
                *(request.method, key, proof, now_ms, end_ms),
            ),
        )
        return Issued(request.device, request.method, end_ms, secret, certificate)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[int]:
        """Hold the write lock and yield the version of this change."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            row = self._db.execute("SELECT coalesce(max(version), 0) FROM credential").fetchone()
            yield int(row[0]) + 1
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _select(self, tail: str, values: Sequence[object]) -> list[Credential]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM credential {tail}", values)  # noqa: S608
        return [_credential(row) for row in rows]


def _credential(row: tuple[Any, ...]) -> Credential:
    values = dict(zip(Credential._fields, row, strict=True))
    values["role"] = ClientRole(values["role"])
    values["method"] = Method(values["method"])
    values["under"] = tuple(json.loads(values["under"]))
    return Credential(**values)


def _check(request: Request) -> None:
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
