"""A ``[[mapping]]`` whose topic is a Sparkplug one says which column a metric is.

Births, aliases, times and sequence stay Sparkplug's; a path is the name of a metric, slashes and
all.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from gateway.config.sections import Mapping as MappingSection
from gateway.config.sections import MappingColumn
from gateway.decode.foreign.quantities import Place, Quantities
from gateway.decode.foreign.sparkplug_node import Places
from gateway.decode.plan import column_of
from gateway.errors import ConfigError
from gateway.profiles import Profile
from gateway.topics import SPARKPLUG, filter_matches, is_filter

# Keys of a mapping that say what Sparkplug itself says.
_SAID = ("device", "org", "rows", "seq", "time", "ignore_extra", "max_age")
_KIND_LEVEL = 2  # of a topic
_KINDS = frozenset({"+", "#", "NDATA", "DDATA"})


class MetricMappings:
    """Where metrics go: as the first mapping that names them says, else as the table does."""

    def __init__(
        self,
        mappings: Sequence[MappingSection],
        quantities: Quantities,
        profiles: Mapping[str, Profile],
    ) -> None:
        """Compile.

        Raises:
            ConfigError: names the mapping and the key.
        """
        self._quantities = quantities
        self._mappings = [(_filter_of(one), _places(one, profiles)) for one in mappings]

    def of(self, group: str, edge: str) -> Places:
        """Return where metrics of a node and its devices go."""
        if not self._mappings:
            return self._of_table
        return partial(self._place, group, edge)

    def _of_table(self, _device: str, name: str, unit: str) -> Place | None:
        return self._quantities.place(name, unit)

    def _place(self, group: str, edge: str, device: str, name: str, unit: str) -> Place | None:
        topic = f"{SPARKPLUG}{group}/{'DDATA' if device else 'NDATA'}/{edge}"
        topic = f"{topic}/{device}" if device else topic
        for topic_filter, places in self._mappings:
            place = places.get(name)
            if place is not None and filter_matches(topic_filter, topic):
                return place
        return self._quantities.place(name, unit)


def _filter_of(mapping: MappingSection) -> str:
    topic_filter = mapping.topic.replace("{device}", "+")
    levels = topic_filter.split("/")
    if not is_filter(topic_filter) or "{" in topic_filter:
        raise _error(mapping, "topic", f"{mapping.topic!r} is no filter of Sparkplug topics")
    if levels[_KIND_LEVEL:] and levels[_KIND_LEVEL] not in _KINDS:
        raise _error(mapping, "topic", "the third level is +, NDATA or DDATA; births are read, too")
    for key in _SAID:
        if getattr(mapping, key) != MappingSection.model_fields[key].get_default():
            raise _error(mapping, key, "Sparkplug says it itself")
    return topic_filter


def _places(mapping: MappingSection, profiles: Mapping[str, Profile]) -> dict[str, Place]:
    profile = profiles.get(mapping.profile)
    if profile is None:
        raise _error(mapping, "profile", f"unknown profile {mapping.profile!r}")
    found = {}
    for name, form in mapping.columns.items():
        index, linear = column_of(mapping, profile, name)
        metric = form.path if isinstance(form, MappingColumn) else form
        found[metric] = Place(profile, index + 1, linear.converter())
    if not found:
        raise _error(mapping, "columns", "none")
    return found


def _error(mapping: MappingSection, key: str, problem: str) -> ConfigError:
    return ConfigError(f"mapping {mapping.name!r}: {key}: {problem}")
