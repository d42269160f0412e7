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
from pathlib import Path
from typing import Any, cast

from gateway.imports import load
from gateway.ports import ClientRole
from gateway.security.certificate import CertificateFiles
from gateway.security.credential import Credential, EnrolmentError, Issued, Method, Request, check
from gateway.security.secret import (
    Randomness,
    hash_secret,
    is_same,
    is_secret,
    make_key,
    make_secret,
    psk_of,
)

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

    def enrol(self, request: Request, valid_ms: int = 0) -> Issued:
        """Issue the first credential of a device; ``valid_ms`` instead of its ``valid_days``.

        Raises:
            EnrolmentError: a name is wrong, or the device has a credential already.
        """
        check(request)
        with self._changing() as version:
            if any(one.is_good(self._clock()) for one in self.show(request.device)):
                raise EnrolmentError(f"{request.device} is enrolled: rotate or revoke it")
            return self._issue(request, version, valid_ms or request.valid_days * _DAY_MS)

    def claim(self, request: Request, valid_ms: int) -> Issued:
        """Issue a claim: whoever shows it first, and in time, sets the device's password.

        Raises:
            EnrolmentError: a name is wrong, or the device has a credential already.
        """
        return self.enrol(request._replace(method=Method.CLAIM), valid_ms)

    def redeem(self, device: str, claim: bytes, secret: str) -> Credential | None:
        """Trade a claim for a password that the device has drawn; None where it is not good.

        Both or neither: a device that was cut off knows its password and tries that, too.
        """
        now_ms = self._clock()
        # before the lock: a stranger must not hold up the command line
        if not is_secret(secret) or self._good_claim(device, claim) is None:
            return None
        with self._changing() as version:
            one = self._good_claim(device, claim)
            if one is None:
                return None
            self._db.execute(
                "UPDATE credential SET revoked_ms = ?, version = ? WHERE id = ?",
                (now_ms, version, one.id),
            )
            key = make_key(self._randomness)
            request = Request(device, one.org, one.sector, one.role, under=one.under)
            return self._insert(request, version, (key, hash_secret(secret.encode(), key)), 0)

    def rotate(self, device: str, overlap_ms: int = 0) -> Issued:
        """Issue a new credential like the newest; the old ones end after ``overlap_ms``.

        Raises:
            EnrolmentError: the device has no credential that is good.
        """
        now_ms = self._clock()
        with self._changing() as version:
            good = [
                one
                for one in self.show(device)
                if one.is_good(now_ms) and one.method is not Method.CLAIM
            ]
            if not good:
                raise EnrolmentError(f"{device} has no credential to rotate: enrol it")
            for one in good:
                end_ms = min(one.not_after_ms or now_ms + overlap_ms, now_ms + overlap_ms)
                self._db.execute(
                    "UPDATE credential SET not_after_ms = ?, version = ? WHERE id = ?",
                    (end_ms, version, one.id),
                )
            last = good[-1]
            valid_ms = max(last.not_after_ms - last.created_ms, 0) // _DAY_MS * _DAY_MS
            request = Request(device, last.org, last.sector, last.role, last.method, last.under)
            return self._issue(request, version, valid_ms)

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

    def _issue(self, request: Request, version: int, valid_ms: int) -> Issued:
        secret, key, certificate = "", b"", None
        if request.method is Method.CERTIFICATE:
            days = valid_ms // _DAY_MS or _CERTIFICATE_DAYS
            # a library of 6 MB that the processes which only check credentials need not have
            made = cast("Any", load("gateway.security.authority")).Authority(self._ca, self._clock)
            certificate = cast("CertificateFiles", made.issue(request.device, days))
            proof, valid_ms = certificate.fingerprint, days * _DAY_MS
        else:
            secret = make_secret(self._randomness)
            key = make_key(self._randomness)
            proof = hash_secret(secret.encode(), key)
            if request.method is Method.PSK:
                proof = psk_of(secret.encode())
        end_ms = self._insert(request, version, (key, proof), valid_ms).not_after_ms
        return Issued(request.device, request.method, end_ms, secret, certificate)

    def _insert(
        self, request: Request, version: int, proof: tuple[bytes, bytes], valid_ms: int
    ) -> Credential:
        now_ms = self._clock()
        self._db.execute(
            f"INSERT INTO credential ({_COLUMNS}) VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,0)",  # noqa: S608
            (
                version,
                *(request.device, request.role, request.org, request.sector),
                json.dumps(request.under),
                *(request.method, *proof, now_ms, now_ms + valid_ms if valid_ms else 0),
            ),
        )
        return self.show(request.device)[-1]

    def _good_claim(self, device: str, claim: bytes) -> Credential | None:
        now_ms = self._clock()
        for one in self.show(device):
            is_claim = one.method is Method.CLAIM and one.is_good(now_ms)
            if is_claim and is_same(hash_secret(claim, one.key), one.proof):
                return one
        return None

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
