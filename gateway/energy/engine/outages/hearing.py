"""From stored events and readings to the facts that the outage watch takes."""

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from gateway.energy.engine.grid.roster import Roster
from gateway.energy.outage import EVENT_FACTS, FactKind, Facts
from gateway.model import BoolArray, Event, FloatArray, IntArray, ReadingBatch, Reason
from gateway.policies import MS_PER_MIN
from gateway.profiles import Profile
from gateway.units import UNITS
from gateway.views.engineering import engineer

_STATES = {"lost": FactKind.LOST, "online": FactKind.ONLINE}
_VOLTAGES = ("u", "u_l1", "u_l2", "u_l3")
NOTHING = Facts(
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0),
    np.zeros(0, np.int64),
    np.zeros(0, np.bool_),
)


def facts_of_events(events: Iterable[Event], roster: Roster) -> Facts:
    """Return what events say; those of unknown devices and of other codes are left out."""
    told = list(_told(events, roster))
    if not told:
        return NOTHING
    row, kind, time_ms = (np.array(column, np.int64) for column in zip(*told, strict=True))
    count = len(told)
    unknown = np.full(count, np.nan)
    return Facts(row, kind, time_ms, unknown, np.zeros(count, np.int64), np.zeros(count, np.bool_))


def _told(events: Iterable[Event], roster: Roster) -> Iterator[tuple[int, int, int]]:
    for event in events:
        row = roster.row_of.get(event.device_index)
        kind = _kind(event)
        if row is not None and kind is not None and not roster.is_mute(row):
            yield row, int(kind), event.time_ms


def _kind(event: Event) -> FactKind | None:
    if event.kind == "event":
        return EVENT_FACTS.get(event.code)
    if event.kind != "state":
        return None
    try:
        document = msgspec.json.decode(event.detail)
    except msgspec.DecodeError:
        return None
    state = document.get("st") if isinstance(document, dict) else None
    return _STATES.get(state) if isinstance(state, str) else None


def facts_of_readings(
    batch: ReadingBatch, profile: Profile, roster: Roster, nominal_v: float
) -> Facts:
    """Return readings as facts; those of unknown devices are left out."""
    distinct, inverse = np.unique(batch.device_index, return_inverse=True)
    rows = np.array([roster.row_of.get(index, -1) for index in distinct.tolist()], np.int64)
    row = rows[inverse]
    volts = _lowest_v(batch, profile)
    chosen = (row >= 0) & ~_is_repeated(row, batch, volts)
    batch = batch.take(chosen)
    count = len(batch)
    return Facts(
        row[chosen],
        np.full(count, int(FactKind.READING)),
        batch.time_ms,
        volts[chosen] / nominal_v,
        batch.status,
        (batch.reasons & int(Reason.LATE)) != 0,
    )


def _is_repeated(row: IntArray, batch: ReadingBatch, volts: FloatArray) -> BoolArray:
    """Return which readings say no more than another of the same minute and status.

    Most of a fast meter do. Of each minute the one with the lowest voltage stays.
    """
    minute = batch.time_ms // MS_PER_MIN
    order = np.lexsort((batch.time_ms, volts, batch.status, minute, row))
    is_repeated = np.zeros(len(batch), np.bool_)
    alike = (row[order][1:] == row[order][:-1]) & (minute[order][1:] == minute[order][:-1])
    is_repeated[order[1:]] = alike & (batch.status[order][1:] == batch.status[order][:-1])
    return is_repeated


def _lowest_v(batch: ReadingBatch, profile: Profile) -> FloatArray:
    lowest = np.full(len(batch), np.nan)
    for name in _VOLTAGES:
        number = profile.column_index(name)
        if number is not None:
            column = profile.columns[number]
            volts = engineer(column, batch.values[:, number]) * UNITS[column.unit][1]
            lowest = np.fmin(lowest, volts)
    return lowest
