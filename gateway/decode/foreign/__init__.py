"""Formats of other makers: the one place where they are put together.

Two kinds, both ``decode.Foreign``: *families of mappings* are data (``gateway/mappings/*.toml``,
one file for each maker, and the user's own folder); *rooms* are code, for formats that a
mapping cannot say (Sparkplug B, SenML): an entry in ``ROOMS`` each. The first that takes a topic
gets its messages: the user's mappings, then rooms, then the mappings that ship, and at last what
knows its payload on any topic (``anywhere``, ``sniff``).
"""

from collections.abc import Iterable, Sequence

from gateway.config.foreign import ForeignSection
from gateway.decode import Foreign
from gateway.decode.foreign.discovery import DISCOVERY, Discovery
from gateway.decode.foreign.family import SHIPPED, load_families
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.rooms import ANYWHERE, ROOMS, last_resort
from gateway.decode.foreign.sniff import Sniffer
from gateway.errors import ConfigError
from gateway.profiles import Profiles

__all__ = ["ROOMS", "Options", "build_foreign"]


def build_foreign(
    section: ForeignSection,
    profiles: Profiles,
    source_max_age_ms: Sequence[int] = (),
    remembered: Iterable[tuple[str, bytes]] = (),
) -> tuple[Foreign, ...]:
    """Return the foreign formats that the configuration asks for, in the order they are asked.

    ``remembered`` are topics and payloads of discovery messages of an earlier life.

    Raises:
        ConfigError: a family is unknown, or names the mapping file and the key.
    """
    if not section.enabled:
        return ()
    options = Options(profiles, source_max_age_ms, section.zone, section.org)
    shipped = load_families(SHIPPED)
    known = dict.fromkeys((*ROOMS, *ANYWHERE, *shipped, DISCOVERY))
    unknown = set(section.families) - known.keys()
    if unknown:
        raise ConfigError(f"foreign.families: {min(unknown)!r} is unknown: {', '.join(known)}")
    own = {} if section.mappings is None else load_families(section.mappings)
    mine = [MappedFamily(family, options) for family in own.values()]
    chosen = set(section.families or known) - own.keys()  # a user's file of the same name wins
    rooms = [one for name, build in ROOMS.items() if name in chosen for one in build(options)]
    theirs = [MappedFamily(family, options) for name, family in shipped.items() if name in chosen]
    found = [Discovery(options, [*mine, *theirs], remembered)] if DISCOVERY in chosen else []
    last = last_resort(chosen, options, Sniffer([*mine, *theirs]))
    return (*mine, *rooms, *found, *theirs, *last)
