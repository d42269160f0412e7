"""People's accounts: who may sign in at the board, with what role; never a password.

``accounts.json`` in the data directory, readable by its owner only. A password is kept as its
scrypt hash (RFC 7914, the standard library's) with a salt of its own; the parameters stand beside
it, so that later ones may cost more. The command line writes, the web process reads it when it has
changed: an account holds, or holds no more, from the next request on.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from typing_extensions import override

from gateway.errors import ConfigError
from gateway.store.files import name_lock, sync_folder

FILE_NAME = "accounts.json"
MOST_ACCOUNTS = 1000  # each request looks through them
LEAST_LETTERS, MOST_LETTERS = 12, 128
# OWASP's password storage cheat sheet: N 2^15, r 8, p 3 is 32 MB and some 0.3 s of one core. One
# is worked out at a time, so a Pi has the memory.
_LOG_N, _R, _P = 15, 8, 3
_LEAST_LOG_N, _MOST_P = 10, 16  # what a file may ask for: never more memory, some seconds at most
_SALT_BYTES, _HASH_BYTES = 16, 32
_MEMORY_BYTES = 64 << 20
# without 0, 1, l, o: a password is read from a screen and typed elsewhere
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LETTERS = 4, 5  # 20 letters of 32: 100 bits

Randomness = Callable[[int], bytes]


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"  # look
    OPERATOR = "operator"  # acknowledge, open and end maintenance windows, put back from quarantine


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person; what is read from a file is held to these bounds."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    role: Role
    salt: Annotated[str, msgspec.Meta(pattern=rf"\A[0-9a-f]{{{2 * _SALT_BYTES}}}\Z")]
    # an empty one would make the cookie an HMAC under a key that everybody knows
    hash: Annotated[str, msgspec.Meta(pattern=rf"\A[0-9a-f]{{{2 * _HASH_BYTES}}}\Z")]
    log_n: Annotated[int, msgspec.Meta(ge=_LEAST_LOG_N, le=_LOG_N)]
    r: Annotated[int, msgspec.Meta(ge=1, le=_R)]
    p: Annotated[int, msgspec.Meta(ge=1, le=_MOST_P)]
    since_ms: int  # when this password was set

    @override
    def __repr__(self) -> str:
        return f"Account({self.name!r}, {self.role})"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    accounts: list[Account]


def make_password(randomness: Randomness = secrets.token_bytes) -> str:
    """Return a new password in groups of letters; 100 bits."""
    raw = randomness(_GROUPS * _GROUP_LETTERS)
    letters = [_LETTERS[byte % len(_LETTERS)] for byte in raw]  # 256 is a multiple of 32
    groups = range(0, len(letters), _GROUP_LETTERS)
    return "-".join("".join(letters[start : start + _GROUP_LETTERS]) for start in groups)


def new_account(
    name: str, role: Role, password: str, now_ms: int, randomness: Randomness = secrets.token_bytes
) -> Account:
    """Return an account for a password.

    Raises:
        ConfigError: the password is too short or too long.
    """
    if not LEAST_LETTERS <= len(password) <= MOST_LETTERS:
        raise ConfigError(f"a password has {LEAST_LETTERS} to {MOST_LETTERS} characters")
    salt = randomness(_SALT_BYTES)
    known = Account(name, role, salt.hex(), "", _LOG_N, _R, _P, now_ms)
    return msgspec.structs.replace(known, hash=_hashed(known, password).hex())


def is_right(account: Account | None, password: str) -> bool:
    """Return whether a password is an account's; for nobody it takes as long and is not."""
    if account is None:
        _hashed(_NOBODY, password)
        return False
    return hmac.compare_digest(_hashed(account, password), bytes.fromhex(account.hash))


class Accounts:
    """The accounts of a data directory, read again when the file has changed."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FILE_NAME
        self._mark: tuple[int, ...] = ()
        self._known: Mapping[str, Account] = MappingProxyType({})

    def all(self) -> Mapping[str, Account]:
        """Return them by name; the same object as long as nothing has changed.

        Raises:
            ConfigError: the file cannot be read, or others may read it.
        """
        try:
            found = self._file.stat()
        except FileNotFoundError:
            mark: tuple[int, ...] = ()
        else:
            mark = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)
        if mark != self._mark:
            self._known = MappingProxyType(_read(self._file) if mark else {})
            self._mark = mark
        return self._known

    def put(self, account: Account) -> None:
        """Add an account, or set what is kept of it; durable on return.

        Raises:
            ConfigError: there are too many, or the file cannot be read.
        """
        with name_lock(self._file.parent):
            known = dict(self.all())
            known[account.name] = account
            if len(known) > MOST_ACCOUNTS:
                raise ConfigError(f"there are {MOST_ACCOUNTS} accounts: remove some")
            self._write(list(known.values()))

    def remove(self, name: str) -> bool:
        """Remove an account; return whether there was one."""
        with name_lock(self._file.parent):
            known = dict(self.all())
            if known.pop(name, None) is None:
                return False
            self._write(list(known.values()))
        return True

    def _write(self, accounts: Sequence[Account]) -> None:
        half = self._file.with_name(f"{FILE_NAME}.new")
        half.unlink(missing_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(_File(1, list(accounts)))))
            out.flush()
            os.fsync(out.fileno())
        folder = self._file.parent.stat()
        if os.geteuid() == 0 and folder.st_uid != 0:  # made by root for the service's own user
            os.chown(half, folder.st_uid, folder.st_gid)
        half.rename(self._file)
        sync_folder(self._file.parent)


def _read(file: Path) -> dict[str, Account]:
    if file.stat().st_mode & 0o077:
        raise ConfigError(f"{file} is readable by others: chmod 600 it")
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_File)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    known = {one.name: one for one in found.accounts}
    if len(known) < len(found.accounts):
        raise ConfigError(f"{file}: two accounts have one name")
    return known


def _hashed(account: Account, password: str) -> bytes:
    return hashlib.scrypt(
        password.encode(),
        salt=bytes.fromhex(account.salt),
        n=1 << account.log_n,
        r=account.r,
        p=account.p,
        maxmem=_MEMORY_BYTES,
        dklen=_HASH_BYTES,
    )


_NOBODY = Account("", Role.VIEWER, "00" * _SALT_BYTES, "", _LOG_N, _R, _P, 0)
