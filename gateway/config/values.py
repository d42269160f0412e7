"""What keys of the configuration are made of: durations, addresses, secrets.

A secret is named by ``file`` (which only its owner may read) or ``env``, never written down.
"""

import os
import re
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from gateway.errors import ConfigError

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)\Z")
_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str) -> int:
    """Return a duration such as ``90s``, ``5m``, ``60d`` in milliseconds."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as '500ms', '30s', '5m', '1h', '60d'")
    return int(match[1]) * _DURATION_MS[match[2]]


def _as_duration(text: str) -> str:
    duration_ms(text)
    return text


Duration = Annotated[str, AfterValidator(_as_duration)]


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[v6]:port``."""
    parts = urlsplit(f"//{text}")
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"{text!r} is not host:port or [v6]:port")
    return parts.hostname, parts.port


def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's own and never leaves it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name; "127.0.0.1.example.com" is one too
        return host == "localhost"


class Section(BaseModel):
    """Base of every part of the file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Secret(Section):
    """Where a secret is: a file (mode 0600) or an environment variable, never the value."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _is_named_once(self) -> "Secret":
        if (self.file is None) == (self.env is None):
            raise ValueError("name a secret by exactly one of file, env")
        return self

    def reveal(self) -> str:
        """Return the secret itself.

        Raises:
            ConfigError: it is not there, empty, or readable by others.
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
        else:
            assert self.file is not None  # noqa: S101  # _is_named_once
            try:
                mode = self.file.stat().st_mode
                value = self.file.read_text("utf-8").strip()
            except OSError as error:
                raise ConfigError(f"secret file {self.file}: {error.strerror}") from error
            if mode & (stat.S_IRGRP | stat.S_IROTH):
                raise ConfigError(f"secret file {self.file} is readable by others: chmod 600 it")
        if not value:
            raise ConfigError(f"secret {self.env or self.file} is empty")
        return value
