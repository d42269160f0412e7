"""What the tests of foreign formats share: a gateway's decoders with everything foreign on."""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import settings

from gateway.config.sections import Mapping
from gateway.decode import Collector, Decoders
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.rooms import ANYWHERE, ROOMS, last_resort
from gateway.decode.foreign.sniff import Sniffer
from gateway.errors import RejectedError
from gateway.model import Event, Record
from gateway.profiles import load_profiles
from gateway.registry import Directory
from tests.conftest import SOAK

PROFILES = load_profiles()
FEW = settings(max_examples=2000 if SOAK else 30)
RECEIVED_MS = 1_795_300_260_000  # 2026-11-21T23:11:00Z


class Reading(NamedTuple):
    """One row as a test looks at it: values in the columns' units."""

    device: str
    profile: str
    time_ms: int
    is_stamped: bool
    is_backlog: bool
    status: int
    values: dict[str, float]


class Rig:
    """Decoders that remember births, as in a pipeline."""

    def __init__(self, zone: str | None = None, metrics: Sequence[Mapping] = ()) -> None:
        # as ``build_foreign`` does, but for the mapping files: they take a second to compile
        options = Options(PROFILES, (), zone, "site", metrics=metrics)
        rooms = [one for build in ROOMS.values() for one in build(options)]
        last = last_resort(ANYWHERE, options, Sniffer([]))
        self.decoders = Decoders(PROFILES, foreign=(*rooms, *last))
        self.directory = Directory(None, enrols=True, max_devices=10_000, rows=[])
        self.events: list[Event] = []
        self.number = 0

    def send(
        self,
        topic: str | bytes,
        payload: bytes,
        received_ms: int = RECEIVED_MS,
        *,
        source: int = 0,
        flags: int = 1,
    ) -> list[Reading]:
        """Return the readings of one message; its events are in ``events``."""
        self.number += 1
        out = Collector()
        raw = topic.encode() if isinstance(topic, str) else topic
        record = Record(self.number, received_ms, source, flags, raw, payload)
        try:
            self.decoders.decode(record, self.directory, out)
        except RejectedError:
            assert not out.batches(), "a refused message left readings"
            assert not out.events, "a refused message left events"
            raise
        self.events = out.events
        return list(self._readings(out))

    def why(self, topic: str | bytes, payload: bytes) -> str:
        """Return the reason for which a message is refused."""
        try:
            self.send(topic, payload)
        except RejectedError as error:
            return str(error.reason)
        return "accepted"

    def _readings(self, out: Collector) -> Sequence[Reading]:
        found = []
        for batch in out.batches():
            rows = batch.readings
            profile = PROFILES[rows.profile]
            for place in range(len(rows)):
                values = {
                    column.name: round(float(value) * column.scale, 9)
                    for column, value in zip(profile.columns, rows.values[place], strict=True)
                    if value == value  # noqa: PLR0124  # not NaN
                }
                found.append(
                    Reading(
                        self.directory.name_of(int(rows.device_index[place])).device,
                        rows.profile,
                        int(rows.time_ms[place]),
                        bool(batch.is_stamped[place]),
                        bool(batch.is_backlog[place]),
                        int(rows.status[place]),
                        values,
                    )
                )
        return found
