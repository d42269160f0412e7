"""A discovered entity maps itself: Home Assistant's discovery messages, read the other way round.

An entity whose state comes on a topic that a family understands anyway (zigbee2mqtt, Tasmota) is
left to it. Of the others a mapping is made, as if it stood in a file. What was discovered is an
event of kind ``discovery``, and remembered over a restart (``remembered``): devices announce
themselves when they connect, not when the gateway would like it.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from gateway.decode.foreign.entities import Entities, Entity
from gateway.decode.foreign.family import (
    ColumnForm,
    Family,
    MessageForm,
    ReadingForm,
    may_be_foreign,
)
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.payloads import document_of
from gateway.decode.wire import reject
from gateway.errors import ConfigError, RejectedError
from gateway.model import Event, QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory, LatestRow

DISCOVERY = "discovery"
PREFIX = "homeassistant/"
MAX_TOPICS = 20_000  # of entities; announcements can be made up without end
MAX_ENTITIES = 64  # of one topic
_WEAK = frozenset({"esphome", "espeasy"})  # families that know a value by its name only
_OWN = "infragate-"  # what we announce ourselves (``views.homeassistant``) is stored already
_ODD = frozenset('{}*"\0')


class Discovery:
    """Implements ``decode.Foreign``, and ``decode.Learning``."""

    def __init__(
        self,
        options: Options,
        families: Sequence[MappedFamily],
        remembered: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        self._options = options
        self._strong = [one for one in families if one.family.family not in _WEAK]
        self._entities = Entities(options.profiles)
        self._by_topic: dict[str, dict[str, Entity]] = {}  # state topic → config topic → entity
        self._mapped: dict[str, MappedFamily] = {}
        self._on_learnt: Callable[[], None] = lambda: None
        for topic, payload in remembered:
            try:
                self._learn(topic, payload)
            except RejectedError:  # of an older version of these rules
                continue

    def tell(self, on_learnt: Callable[[], None]) -> None:
        """Call ``on_learnt`` whenever other topics are taken than before."""
        self._on_learnt = on_learnt

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""
        for family in self._mapped.values():
            family.forget_routes()

    def resume(self, latest: Sequence[LatestRow]) -> None:
        """Go on from the newest readings of an earlier life."""
        for family in self._mapped.values():
            family.resume(latest)

    def takes(self, topic: str) -> bool:
        """Return whether a topic is an announcement, or one that was announced."""
        return topic in self._mapped or (topic.startswith(PREFIX) and topic.endswith("/config"))

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Learn of an entity, or add the readings of one.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        topic = record.topic.decode()
        family = self._mapped.get(topic)
        if family is not None:
            family.decode(record, directory, out)
            return
        device = self._learn(topic, record.payload)
        named = slug(device), ""
        route = directory.foreign(topic, named, self._options.org, "urban")
        said = {"topic": topic, "config": record.payload.decode()}
        detail = msgspec.json.encode(said).decode()
        times = record.received_ms, record.received_ms
        out.add_event(Event(*times, route.device_index, DISCOVERY, 0, detail, record.number))

    def _learn(self, topic: str, payload: bytes) -> str:
        """Take an announcement in; return whose it is."""
        if not payload:
            for state_topic in [t for t, known in self._by_topic.items() if topic in known]:
                del self._by_topic[state_topic][topic]
                self._map(state_topic)
            return topic.split("/")[-2]
        entity = self._entities.read(topic, document_of(payload))
        if entity is None or not _may_be_read(entity):
            return topic.split("/")[-2]
        if not any(one.takes(entity.topic) for one in self._strong):
            known = self._by_topic.setdefault(entity.topic, {})
            if len(self._by_topic) > MAX_TOPICS or len(known) >= MAX_ENTITIES:
                reject(QuarantineReason.TOO_LARGE, "more entities than are kept")
            known[topic] = entity
            self._map(entity.topic)
        return entity.device

    def _map(self, state_topic: str) -> None:
        entities = list(self._by_topic[state_topic].values())
        self._mapped.pop(state_topic, None)
        if entities:
            try:
                self._mapped[state_topic] = MappedFamily(_family(entities), self._options)
            except ConfigError as error:
                reject(QuarantineReason.SCHEMA, str(error))
        self._on_learnt()


def _may_be_read(entity: Entity) -> bool:
    """Return whether its state comes on a topic that is for others, and has a name for a file."""
    is_odd = _ODD & set(entity.topic + entity.device)
    return not is_odd and may_be_foreign(entity.topic) and not entity.device.startswith(_OWN)


def _family(entities: Sequence[Entity]) -> Family:
    first = entities[0]
    columns: dict[str, dict[str, ColumnForm | str | tuple[str, ...]]] = {}
    is_text = all(not entity.path for entity in entities)
    for entity in entities:
        form = ColumnForm(
            path="value" if is_text else entity.path or "value",
            unit=entity.unit or None,
            codes=dict(entity.codes),
        )
        columns.setdefault(entity.profile, {}).setdefault(entity.column, form)
    readings = tuple(ReadingForm(profile=name, columns=of) for name, of in columns.items())
    message = MessageForm(
        name="entity",
        topic=(first.topic,),
        payload="text" if is_text else "json",
        device=first.device,
        reading=readings,
    )
    title = "discovered by Home Assistant's rules"
    return Family(family="discovered", title=title, source="discovery", message=(message,))
