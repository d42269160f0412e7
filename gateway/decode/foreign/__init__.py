"""Formats of other makers: the one place where they are put together.

Two kinds, both ``decode.Foreign``: *families of mappings* are data (``gateway/mappings/*.toml``,
one file for each maker, and the user's own folder); *rooms* are code, for formats that a
mapping cannot say (Sparkplug B, SenML): an entry in ``ROOMS`` each. The first that takes a topic
gets its messages: the user's mappings, then rooms, then the mappings that ship, and at last what
knows its payload on any topic (``anywhere``, ``sniff``).
"""

from collections.abc import Iterable, Sequence

from gateway.config.foreign import ForeignSection
from gateway.config.sections import Mapping
from gateway.decode import Foreign
from gateway.decode.foreign.discovery import DISCOVERY, Discovery
from gateway.decode.foreign.family import CODECS, SHIPPED, load_families
from gateway.decode.foreign.lorawan.codecs import Codecs
from gateway.decode.foreign.lorawan.forms import load_codec_files
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
    metrics: Sequence[Mapping] = (),
    *,
    own_only: bool = False,
) -> tuple[Foreign, ...]:
    """Return the foreign formats that the configuration asks for, in the order they are asked.

    ``remembered`` are topics and payloads of discovery messages of an earlier life, ``metrics``
    mappings of the configuration that say what Sparkplug metrics are. ``own_only`` leaves out what
    ships, of which the tests know that it is right: what a configuration can get wrong is found
    in a fifth of the time, and a start waits for that.

    Raises:
        ConfigError: a family is unknown, or names the mapping file and the key.
    """
    if metrics and not (section.enabled and "sparkplug" in (section.families or ROOMS)):
        problem = "[foreign] does not read Sparkplug"
        raise ConfigError(f"mapping {metrics[0].name!r}: topic: {problem}")
    if not section.enabled:
        return ()
    codecs = _codecs(section, profiles, own_only=own_only)
    options = Options(
        profiles, source_max_age_ms, section.zone, section.org, codecs, section.models, metrics
    )
    shipped = {} if own_only else load_families(SHIPPED)
    names = (file.stem for file in SHIPPED.glob("*.toml"))
    known = dict.fromkeys((*ROOMS, *ANYWHERE, *sorted(names), DISCOVERY))
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


def _codecs(section: ForeignSection, profiles: Profiles, *, own_only: bool) -> Codecs:
    """Return the codecs of LoRaWAN frames; a user's file of the same maker wins."""
    own = {} if section.mappings is None else load_codec_files(section.mappings / CODECS)
    shipped = {} if own_only else load_codec_files(SHIPPED / CODECS)
    codecs = Codecs(
        {**own, **{key: one for key, one in shipped.items() if key not in own}}.values(), profiles
    )
    Codecs(own.values(), profiles).check()  # of those that ship the tests know that they are right
    return codecs
