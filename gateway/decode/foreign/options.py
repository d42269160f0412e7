"""What every room of a foreign format is built with."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from gateway.config.sections import Mapping as MappingSection
from gateway.decode.foreign.lorawan.codecs import Codecs
from gateway.profiles import Profiles


class Options(NamedTuple):
    """The configuration, as far as foreign formats ask for it."""

    profiles: Profiles
    source_max_age_ms: Sequence[int]  # of each source, 0 = the default
    zone: str | None  # of times without offset; None: such a time is not used, the row is stamped
    org: str
    codecs: Codecs | None = None  # of LoRaWAN frames; None: they are not read
    models: Mapping[str, str] = MappingProxyType({})  # topic filter -> model
    metrics: Sequence[MappingSection] = ()  # mappings of the configuration for Sparkplug metrics

    def max_age_ms(self, source: int) -> int:
        """Return how old readings of a source may be, 0 = the default."""
        return self.source_max_age_ms[source] if self.source_max_age_ms else 0
