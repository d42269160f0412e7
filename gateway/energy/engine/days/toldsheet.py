"""A day of intervals out of files, as VEE takes it: what ``sheets`` is for registers."""

from typing import NamedTuple

import numpy as np

from gateway.energy import told, vee
from gateway.energy.placing import Span
from gateway.energy.told import Told
from gateway.model import IntArray, ReadingBatch
from gateway.profiles import Profile


class ToldSheet(NamedTuple):
    """Interval readings that touch a local day."""

    span: Span
    profile: Profile
    readings: ReadingBatch
    longest_ms: int

    def seen(self) -> IntArray:
        """Return the devices that tell anything of the day, ascending."""
        begin_ms = told.begins_ms(self.profile, self.readings)
        span = self.span
        is_inside = begin_ms < span.start_ms + span.slots * span.interval_ms
        is_inside &= self.readings.time_ms > span.start_ms
        is_inside &= told.tells(self.profile, self.readings)
        return np.unique(self.readings.device_index[is_inside])

    def told(self, meters: IntArray, slots: int) -> Told:
        """Return the first so many slots of meters."""
        span = self.span._replace(slots=slots)
        return told.on_slots(span, meters, self.profile, self.readings, self.longest_ms)


def extra_of(found: Told) -> vee.Extra:
    """Return what VEE is told beside registers, of which there are none."""
    return vee.Extra(
        interval_wh=found.import_wh,
        interval_export_wh=found.export_wh,
        interval_method=found.method,
        is_feed_in=found.is_feed_in,
    )
