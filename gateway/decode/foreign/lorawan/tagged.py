"""Layouts of tagged entries: tag, fields, tag, fields, up to the end of the frame."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gateway.decode.foreign.lorawan.fields import Entry, Values, compile_field, put
from gateway.decode.foreign.lorawan.forms import EntryForm, FieldForm
from gateway.decode.foreign.lorawan.numbers import Order
from gateway.decode.wire import reject
from gateway.model import QuarantineReason

ANY = "**"
CHANNELS = "channel"  # values of entries of any channel, by its number


class Said(NamedTuple):
    """What a frame says of one moment."""

    time_s: int | None  # Unix time; None: of when it was sent
    values: Values


Read = Callable[[bytes], list[Said]]


def compile_entry(tag: str, form: EntryForm | Sequence[FieldForm], order: Order) -> Entry:
    """Return an entry.

    Raises:
        ValueError: names what is wrong.
    """
    full = form if isinstance(form, EntryForm) else EntryForm(fields=tuple(form))
    fields = tuple(compile_field(one, order) for one in full.fields)
    return Entry(tag or "of no tag", fields, full.record, full.list, full.last, full.says)


class Tagged(NamedTuple):
    """A tagged layout, compiled; calling it reads a frame."""

    entries: Mapping[str, Entry]
    sizes: Sequence[int]  # of tags, bytes, the longest first
    whose: str  # for people

    def read(self, frame: bytes) -> list[Said]:
        """Return what a frame says: of now first, then what the device had stored.

        Raises:
            RejectedError: ``unmapped``, an entry is unknown; ``schema``, the frame is cut off.
        """
        if not frame:
            reject(QuarantineReason.SCHEMA, "an empty frame")
        at, now, now_s, stored = 0, Values(), None, list[Said]()
        while at < len(frame):
            entry, tag = self._entry(frame, at)
            into = self._into(entry, tag, now)
            at, time_s = entry.read(frame, at + len(tag) // 2, into)
            if entry.is_record:
                stored.append(Said(time_s or 0, into))
            elif entry.list_name:
                _append(now, entry.list_name, into)
            elif time_s is not None:
                now_s = time_s
            if (entry.is_last or not tag) and at != len(frame):
                more = f"{len(frame) - at} bytes more than {self.whose} has after {entry.name}"
                reject(QuarantineReason.SCHEMA, more)
        return [Said(now_s, now), *stored]

    def _into(self, entry: Entry, tag: str, now: Values) -> Values:
        """Return where the values of an entry go."""
        if entry.is_record or entry.list_name:
            return {}
        return now if tag in self.entries else _channel(now, int(tag[:2], 16))

    def _entry(self, frame: bytes, at: int) -> tuple[Entry, str]:
        for size in self.sizes:
            tag = frame[at : at + size].hex()
            found = self.entries.get(tag) or self.entries.get(ANY + tag[2:])
            if found is not None:
                return found, tag
        most = frame[at : at + max(self.sizes)].hex()
        detail = f"entry {most} at byte {at} is not in codec {self.whose}"
        return reject(QuarantineReason.UNMAPPED, detail)


def _channel(now: Values, channel: int) -> Values:
    """Return the values of a channel."""
    channels = now.setdefault(CHANNELS, {})
    of: Values = channels.setdefault(str(channel), {}) if type(channels) is dict else {}
    return of


def _append(now: Values, name: str, element: Values) -> None:
    elements = now.setdefault(name, [])
    if type(elements) is list:
        elements.append(element)
    else:
        put(now, name, element)
