"""Rows of lanes on their way into intervals: at which raster, and whose are left out."""

from collections.abc import Sequence

from gateway.model import BoolArray, IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.store import StoreReader
from gateway.store.pages import concat
from gateway.transport.engine.live import Live, history_ms
from gateway.transport.engine.quarters import Waiting
from gateway.transport.engine.raster import Rasters, fits
from gateway.transport.engine.slots import Slots

AHEAD_MS = 180_000  # of what is read again: clocks are ahead
_EVERYBODY = (0, 1 << 53)


class Feed:
    """The intervals of a site, as long as most of its lanes have them.

    A lane that measures at another interval is not watched, only summed up by the quarter; so are
    rows from when it did.

    Args:
        reader: the readings.
        profile: of the lanes.
        raster_ms: to begin with.
    """

    def __init__(self, reader: StoreReader, profile: Profile, raster_ms: int) -> None:
        self._reader, self._profile = reader, profile
        self._rasters = Rasters(raster_ms)
        self.slots = Slots(raster_ms, history_ms(raster_ms))

    def hear(self, batches: Sequence[ReadingBatch], lanes: IntArray) -> bool:
        """Learn intervals; return whether the raster is another one now, and all is empty."""
        if batches:
            self._rasters.hear(concat(batches))
        raster_ms = self._rasters.common(lanes) if batches else self.slots.raster_ms
        if raster_ms == self.slots.raster_ms:
            return False
        self.slots = Slots(raster_ms, history_ms(raster_ms))
        return True

    def is_watched(self, device_index: IntArray) -> BoolArray:
        """Return which lanes measure at the raster."""
        watched: BoolArray = self._rasters.of(device_index) == self.slots.raster_ms
        return watched

    def place(
        self, batches: Sequence[ReadingBatch], live: Live | None, waiting: Waiting, now_ms: int
    ) -> int:
        """Put rows into their intervals; return the first that was closed before, else 0."""
        late = [0]
        if live is not None and any(len(one) for one in batches):
            batch = concat(batches)  # steps tell an interval only where no row is in another batch
            waiting.note(batch.time_ms, now_ms)
            is_ours = self.is_watched(batch.device_index) & fits(batch, self.slots.raster_ms)
            ours = batch.take(is_ours)
            next_ms = live.state.next_ms if live.state else int(batch.time_ms.max())
            begins = self.slots.take(self._profile, ours, next_ms, now_ms)
            late += begins[begins < next_ms].tolist() if live.state else []
        if live is not None and live.state is None and self.slots.first_ms:
            live.start(self.slots.first_ms)
        return min((one for one in late if one), default=0)

    def again(self, from_ms: int, now_ms: int) -> list[ReadingBatch]:
        """Return what the store has since a moment."""
        span = from_ms, now_ms + AHEAD_MS
        return list(self._reader.rows_of(self._profile.name, _EVERYBODY, *span))
