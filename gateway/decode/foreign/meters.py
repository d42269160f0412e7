"""Telegrams of meters as a message: DSMR P1, DLMS push, SML. The first byte tells which.

Such a payload is read on any topic of a foreign format, and on the native lanes t and b, where a
node passes on what its meter says. All of them become ``em3``, also those of single-phase meters,
since a meter's short lists do not say how many phases it has; gas, water, heat and cold behind a
P1 port are ``gas1``, ``wtr1`` and ``thm1``, with the time at which they were read there.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Never

from gateway.decode.foreign import dlms, p1, sml
from gateway.decode.foreign.naming import MAX_ID_CHARS, part_slug, slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.rows_out import Found, Row, add_all, header_of, topic_of
from gateway.decode.foreign.telegrams import SubMeter, Telegram, converter, is_empty, row_of
from gateway.decode.foreign.zones import LocalTime, Zoned, local_time
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, Decode, DeviceDirectory, Route
from gateway.profiles import Profile

READERS: Mapping[int, Callable[[bytes], Telegram]] = {
    p1.FIRST_BYTE: p1.read_p1,
    **dict.fromkeys(dlms.FIRST_BYTES, dlms.read_push),
    sml.FIRST_BYTE: sml.read_sml,
}
_NATIVE = (p1.FIRST_BYTE, dlms.FRAMED, sml.FIRST_BYTE)  # none of them begins a native payload
_PROFILE = "em3"
# Meters behind a P1 port, by M-Bus device type (EN 13757-3): word, profile, column of the register.
# Volume is measured at the return (4, 10) or at the flow (12, 11); 13 counts both heat and cold,
# and a P1 port has one register for it.
_MEDIA = {
    3: ("gas", "gas1", "vol"),
    4: ("heat", "thm1", "heat"),
    6: ("warmwater", "wtr1", "vol"),
    7: ("water", "wtr1", "vol"),
    10: ("cold", "thm1", "cold"),
    11: ("cold", "thm1", "cold"),
    12: ("heat", "thm1", "heat"),
    13: ("heat", "thm1", "heat"),
    21: ("hotwater", "wtr1", "vol"),
}


class MeterTelegrams:
    """Implements ``anywhere.Knowing``: no topic gives a telegram away."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._profile = options.profiles[_PROFILE]
        self._local = Zoned(local_time, options.zone)

    @property
    def formats(self) -> Mapping[int, Decode]:
        """Formats of the native lanes by first byte."""
        return dict.fromkeys(_NATIVE, self.native)

    def knows(self, payload: bytes) -> bool:
        """Return whether a payload looks like a telegram."""
        head = payload.lstrip()[:1]
        return bool(head) and head[0] in READERS

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of a telegram on a foreign topic; the device is the topic's.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        telegram = self._read(record)
        device = slug(topic_of(record))
        found = []
        row = row_of(telegram, self._profile)
        if not is_empty(row):
            local = self._local.of(directory, topic_of(record))
            time_ms = _time(telegram, record, local)
            found.append(Found((device, ""), self._profile, time_ms, (row,)))
        # of all that are announced: who has a reading just now changes from telegram to telegram
        several = Counter(_word(medium) for medium in telegram.media)
        for sub in telegram.sub_meters:
            read = self._register(sub)
            if read is not None:
                is_alone = several[_word(sub.medium)] == 1
                part = _part(sub, MAX_ID_CHARS - len(f"{device}-"), is_alone=is_alone)
                found.append(Found((device, part), read[0], sub.time_ms, (read[1],)))
        if not found:
            _refuse(telegram)
        add_all(found, record, directory, self._options, out)

    def native(self, record: Record, route: Route, lane: str, out: Collecting) -> None:
        """Add the readings of a telegram on a native lane; implements ``ports.Decode``."""
        telegram = self._read(record)
        row = row_of(telegram, self._profile)
        if is_empty(row):
            _refuse(telegram)
        if route.sector != self._profile.sector:
            detail = f"a meter's telegram is of sector energy, not {route.sector}"
            reject(QuarantineReason.PROFILE, detail)
        time_ms = _time(telegram, record, self._local.default)
        out.add_rows(header_of(_PROFILE, route, time_ms, lane, record, self._options), (row,))

    def _read(self, record: Record) -> Telegram:
        head = record.payload.lstrip()[:1]
        read = READERS.get(head[0]) if head else None
        if read is None:
            reject(QuarantineReason.UNMAPPED, "no telegram of a meter")
        return read(record.payload)

    def _register(self, sub: SubMeter) -> tuple[Profile, Row] | None:
        """Return profile and row of a meter of another medium, None where none is for it."""
        _, name, wanted = _MEDIA.get(sub.medium, ("", "", ""))
        profile = self._options.profiles.get(name)
        index = None if profile is None else profile.column_index(wanted)
        if profile is None or index is None:
            return None
        column = profile.columns[index]
        convert = converter(sub.register.unit, column.unit, column.scale)
        if convert is None:
            return None
        row: list[float | None] = [0.0, *[None] * (len(profile.columns) + 1)]
        row[index + 1] = convert(sub.register.value)
        return profile, row


def _word(medium: int) -> str:
    return _MEDIA.get(medium, (str(medium),))[0]


def _part(sub: SubMeter, room: int, *, is_alone: bool) -> str:
    """Return the name of a meter behind another; two of a medium are told apart by who they are."""
    word = _word(sub.medium)
    if is_alone:
        return word
    return f"{word}-{part_slug(sub.serial or str(sub.channel), room - len(word) - 1)}"


def _refuse(telegram: Telegram) -> Never:
    media = sorted({_word(sub.medium) for sub in telegram.sub_meters})
    what = (
        f"only meters of {', '.join(media)}, for which there is no profile" if media else "nothing"
    )
    reject(QuarantineReason.UNMAPPED, f"the telegram holds {what}")


def _time(telegram: Telegram, record: Record, local: LocalTime) -> int:
    """Return the time of a telegram; 0: it has none, or one without zone and nobody names it."""
    if telegram.time_ms or telegram.wall is None:
        return telegram.time_ms
    return local(telegram.wall.replace(tzinfo=None).isoformat(), record.received_ms)
