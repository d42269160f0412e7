"""Who may look, and who may do more: tokens of the configuration, accounts of people."""

import hmac
import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from gateway.api.signin import proof_of, proof_of_account
from gateway.config import Settings
from gateway.errors import ConfigError
from gateway.store.accounts import Account, Accounts, Role
from gateway.views.visitor import ANYBODY, Visitor

logger = logging.getLogger(__name__)


class People:
    """The accounts as requests ask for them; a file that cannot be read lets nobody in.

    Args:
        accounts: of the data directory, None: there are none.
    """

    def __init__(self, accounts: Accounts | None = None) -> None:
        self._accounts = accounts
        self._seen: Mapping[str, Account] | None = None
        self._proofs: tuple[tuple[bytes, Visitor], ...] = ()
        self._is_broken = False

    @property
    def are_any(self) -> bool:
        """Whether anybody has an account, or it cannot be told."""
        return bool(self.all()) or self._is_broken

    def all(self) -> Mapping[str, Account]:
        """Return the accounts by name."""
        if self._accounts is None:
            return MappingProxyType({})
        try:
            found = self._accounts.all()
        except (ConfigError, OSError) as error:
            if not self._is_broken:
                logger.warning("no account opens anything: %s", error)
            self._is_broken, found = True, MappingProxyType({})
        else:
            self._is_broken = False
        if found is not self._seen:
            # seen only once they are built: a failure must not leave those of before in force
            self._seen, self._proofs = None, ()
            self._proofs = tuple(
                (proof_of_account(one).encode(), _visitor(one)) for one in found.values()
            )
            self._seen = found
        return found

    def find(self, proof: bytes) -> Visitor | None:
        """Return whose cookie it is."""
        self.all()
        found = None
        for known, visitor in self._proofs:
            if hmac.compare_digest(proof, known):
                found = visitor
        return found


class Keys(NamedTuple):
    """Who may look, and who may do more; nothing at all: whoever reaches us is an operator.

    With operators and without ``[http] token`` everybody may look, on loopback.
    """

    token: str | None = None
    operators: Mapping[str, str] = MappingProxyType({})  # token by name
    people: People = People()
    is_open: bool = True  # without a token: who reaches us may look

    @classmethod
    def of(cls, settings: Settings, data_dir: Path | None = None) -> "Keys":
        """Return the keys of a configuration.

        Raises:
            ConfigError: a secret cannot be read.
        """
        http = settings.http
        if http is None:
            return cls()
        token = None if http.token is None else http.token.reveal()
        operators = {one.name: one.token.reveal() for one in http.operator}
        people = People(Accounts(data_dir or settings.gateway.data_dir))
        return cls(token, operators, people, not http.asks_sign_in)

    def find(self, offered: str) -> Visitor | None:
        """Return who comes with a token, None where it is nobody who may look."""
        raw = offered.encode()
        for name, token in self.operators.items():
            if hmac.compare_digest(raw, token.encode()):
                return Visitor(name, is_operator=True)
        if self.token is None:
            is_anybody = not (self.operators or self.people.are_any)
            return Visitor(ANYBODY, is_operator=is_anybody) if self.is_open else None
        is_known = hmac.compare_digest(raw, self.token.encode())
        return Visitor("", is_operator=False) if is_known else None

    def find_signed_in(self, proof: str) -> Visitor | None:
        """Return who signed in and has the cookie to prove it, None where it proves nothing."""
        raw = proof.encode()
        for name, token in self.operators.items():
            if hmac.compare_digest(raw, proof_of(token).encode()):
                return Visitor(name, is_operator=True)
        is_known = self.token is not None and hmac.compare_digest(
            raw, proof_of(self.token).encode()
        )
        return Visitor("", is_operator=False) if is_known else self.people.find(raw)

    @property
    def has_nobody(self) -> bool:
        """Whether nobody can come in at all, as nobody has been given anything."""
        nothing = self.token is None and not self.operators and not self.people.are_any
        return nothing and not self.is_open


def _visitor(account: Account) -> Visitor:
    return Visitor(account.name, is_operator=account.role is Role.OPERATOR)
