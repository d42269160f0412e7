"""Home Assistant's discovery messages: what an entity is, where its state comes, in which unit.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery; the short names of keys are those
of its list of abbreviations. A template that computes is not understood: such an entity stays
unmapped, and nothing is guessed.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from gateway.decode.foreign.guess import Names, guess, load_names
from gateway.errors import ConfigError
from gateway.policies import Policy, load_policies
from gateway.profiles import Profiles
from gateway.units import conversion

_TOPIC = re.compile(r"[^/]+/(sensor|binary_sensor)/(?:([^/]+)/)?([^/]+)/config\Z")
_TEMPLATE = re.compile(
    r"\{\{\s*value_json((?:\.\w+|\[['\"][^'\"]+['\"]\]|\[\d+\])+)"
    r"\s*(?:\|\s*(?:float|int|is_defined|round)\s*(?:\([^()]*\))?\s*)*\}\}\Z"
)
_ITSELF = re.compile(r"\{\{\s*value\s*(?:\|\s*(?:float|int|round)\s*(?:\([^()]*\))?\s*)*\}\}\Z")
_LONG = {
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "unit_of_meas": "unit_of_measurement",
    "dev_cla": "device_class",
    "dev": "device",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
}


class Classes(Policy):
    """What device classes are here."""

    sensor: dict[str, str]
    binary_sensor: dict[str, str]
    units: dict[str, str]


class Entity(NamedTuple):
    """One discovered value."""

    topic: str  # of its state
    path: str  # in the payload; "" = the payload itself
    device: str
    profile: str
    column: str
    unit: str
    codes: Mapping[str, float]


class Entities:
    """Reads discovery messages."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._classes = load_policies("foreign-classes", Classes).editions("classes")[-1]
        self._names: Names = load_names()

    def read(self, topic: str, config: Mapping[str, object]) -> Entity | None:
        """Return what a discovery message announces, None where it is not for us."""
        found = _TOPIC.match(topic)
        if found is None:
            return None
        component, node, thing = found.groups()
        said = {_LONG.get(key, key): value for key, value in config.items()}
        state_topic, path = _text(said, "state_topic"), _path(said.get("value_template"))
        if not state_topic or path is None:
            return None
        base = said.get("~")
        if isinstance(base, str):
            state_topic = re.sub(r"\A~|~\Z", lambda _: base, state_topic)
        place = self._place(component, said, thing)
        if place is None:
            return None
        device = _device(said.get("device")) or node or thing
        codes = {} if component == "sensor" else _codes(said)
        return Entity(state_topic, path, device, *place, codes)

    def _place(
        self, component: str, said: Mapping[str, object], thing: str
    ) -> tuple[str, str, str] | None:
        """Return profile, column and unit."""
        kind = _text(said, "device_class")
        if component == "binary_sensor":
            named = self._classes.binary_sensor.get(kind, "")
            profile, _, column = named.partition(".")
            return (profile, column, "1") if named else None
        unit = _text(said, "unit_of_measurement")
        unit = self._classes.units.get(unit, unit)
        named = self._classes.sensor.get(kind, "")
        if not named:
            name = _text(said, "name") or thing
            made = guess(name, unit, self._profiles, self._names) if unit and not kind else None
            return None if made is None else (made.profile, made.column, made.unit)
        profile, _, column = named.partition(".")
        return (profile, column, unit) if self._fits(profile, column, unit) else None

    def _fits(self, profile: str, column: str, unit: str) -> bool:
        known = self._profiles[profile]
        try:
            conversion(unit, known.columns[known.column_index(column) or 0].unit)
        except ConfigError:
            return False
        return True


def _text(said: Mapping[str, object], key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) else ""


def _path(template: object) -> str | None:
    if template is None:
        return ""
    if not isinstance(template, str):
        return None
    if _ITSELF.match(template.strip()):
        return ""
    found = _TEMPLATE.match(template.strip())
    return None if found is None else found[1].removeprefix(".").replace("'", '"')


def _codes(said: Mapping[str, object]) -> Mapping[str, float]:
    return {_text(said, "payload_on") or "ON": 1.0, _text(said, "payload_off") or "OFF": 0.0}


def _device(device: object) -> str:
    if not isinstance(device, dict):
        return ""
    for key in ("identifiers", "ids", "name"):
        value = device.get(key)
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str) and first:
            return first
    return ""
