"""Policies: limits, thresholds, tariffs and holidays as dated files, never in code.

A file ``gateway/policies/<domain>/<anything>.toml`` is one edition of one policy:

    name = "vn-evn-3price"          # several editions share a name
    effective_from = 2025-05-29     # first local day on which this edition holds
    utc_offset_min = 420            # whose local day
    source = "where the numbers come from"
    …                               # what the model of the domain asks for, unknown keys refused

A bill for last March is made by the edition of last March, whenever it is made.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import ConfigError
from gateway.written import load

MS_PER_MIN = 60_000


class Part(BaseModel):
    """Base of everything in a policy file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(Part):
    """Base of every domain's model: what each edition must say of itself."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    effective_from: date
    utc_offset_min: int = Field(ge=-720, le=840)
    source: str = Field(min_length=8)

    @property
    def effective_from_ms(self) -> int:
        """Return the first moment at which this edition holds."""
        day = self.effective_from
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        return round(midnight * 1000) - self.utc_offset_min * MS_PER_MIN


PolicyT = TypeVar("PolicyT", bound=Policy)


class Policies(Generic[PolicyT]):
    """All editions of the policies of one domain."""

    def __init__(self, domain: str, editions: Mapping[str, list[PolicyT]]) -> None:
        self._domain = domain
        self._editions = {
            name: sorted(group, key=lambda edition: edition.effective_from_ms)
            for name, group in editions.items()
        }
        for name, group in self._editions.items():
            for older, newer in pairwise(group):
                if older.effective_from_ms == newer.effective_from_ms:
                    begin = newer.effective_from
                    raise ConfigError(f"policies/{domain}: two editions of {name!r} from {begin}")

    @property
    def names(self) -> list[str]:
        """Return the names of the policies."""
        return sorted(self._editions)

    def editions(self, name: str) -> list[PolicyT]:
        """Return the editions of a policy, oldest first.

        Raises:
            ConfigError: there is no policy of that name.
        """
        if name not in self._editions:
            known = ", ".join(self.names) or "none"
            raise ConfigError(f"policies/{self._domain}: no policy {name!r}; there are: {known}")
        return self._editions[name]

    def at(self, name: str, time_ms: int) -> PolicyT:
        """Return the edition that holds at a moment.

        Raises:
            ConfigError: there is no policy of that name, or all its editions begin later.
        """
        held = [one for one in self.editions(name) if one.effective_from_ms <= time_ms]
        if not held:
            first = self._editions[name][0].effective_from
            raise ConfigError(f"policies/{self._domain}: {name!r} begins only at {first}")
        return held[-1]


def load_policies(domain: str, model: type[PolicyT], *extra_folders: Path) -> Policies[PolicyT]:
    """Read the policies of a domain that ship with infragate, and those of ``extra_folders``.

    Args:
        domain: name of the folder under ``gateway/policies``, or under each extra folder.
        model: what a file of this domain must hold.
        extra_folders: a site's own folders, each with a folder per domain.

    Raises:
        ConfigError: names the file and the key.
    """
    editions: defaultdict[str, list[PolicyT]] = defaultdict(list)
    for folder in (Path(__file__).parent, *extra_folders):
        for file in sorted((folder / domain).glob("*.toml")):
            edition = load(file, model)
            editions[edition.name].append(edition)
    return Policies(domain, editions)
