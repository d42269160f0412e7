"""The types that flow: ``Message`` → ``Record`` → ``ReadingBatch`` → pages, points and events.

Times are integers in milliseconds since the Unix epoch, UTC. Values travel as float64 in the
scaled units of their profile (a register of watt-hours stays an exact integer up to 2**53).
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MAX_SOURCES = 256  # a record has one byte for the index of its source
IMPORT_SOURCE = 255  # of records that `infragate import` wrote; no source of the configuration
REQUEUE_NUMBER_BYTES = 8  # a requeued payload is led by the record number it had, big endian
NO_SEQ = -1  # a reading without sequence number: its identity is (device, profile, time)


class Lane(StrEnum):
    """Last level of a topic, ``docs/protocol.md`` §1."""

    TELEMETRY = "t"
    BACKLOG = "b"
    EVENT = "e"
    STATE = "s"
    RECEIPT = "a"
    COMMAND = "c"
    REPLY = "r"
    CONFIG = "k"


class RecordFlag(IntFlag):
    """What the journal knows of a message beside its bytes (one byte on disk)."""

    QOS1 = 1
    RETAINED = 2
    DUP = 4
    REQUEUED = 8  # put back from quarantine by a person; ``received`` does not count it again


class Record(NamedTuple):
    """One journalled message. Nothing in it is trusted."""

    number: int  # counts up by one over the life of the data directory, first is 1
    received_ms: int
    source: int  # index of the source in the configuration
    flags: int  # RecordFlag
    topic: bytes
    payload: bytes


class Position(NamedTuple):
    """A reader's place in a journal: everything before ``number`` is behind it."""

    number: int = 1
    segment: int = 0  # file and byte offset are a hint that saves a scan; the number rules
    offset: int = 0


class Quality(IntEnum):
    """One grade for kWh and for vehicles (``reference`` §4.3; ESPI, PeMS and Sparkplug map on it).

    The order of preference between grades is ``QUALITY_RANK``, not the number.
    """

    RAW = 0
    VALID = 1
    RECOVERED = 2
    VERIFIED = 3
    ESTIMATED_FLAT = 4
    ESTIMATED_LIKE_DAY = 5
    IMPUTED = 6
    EDITED = 7
    SUSPECT = 8
    FAILED = 9
    MISSING = 10


# Lower is better: which of two readings of one device and time is shown. The other one stays
# in the store as lineage. A person's word beats a measurement, a measurement an estimate.
QUALITY_RANK = np.array([5, 2, 3, 1, 6, 7, 8, 0, 9, 10, 11], dtype=np.int8)


class Reason(IntFlag):
    """Why a reading has its grade. Bits 0-19 are VEE rules V01-V20, 20-27 detector tests D1-D8."""

    TIME_SYNC = 1 << 0
    DUPLICATE = 1 << 1
    INTERVAL_SIZE = 1 << 2
    GAP = 1 << 3
    CONFLICT = 1 << 4
    REGISTER_BACKWARDS = 1 << 5
    CAPABILITY = 1 << 6
    SUM_CHECK = 1 << 7
    TOU_SUM = 1 << 8
    SPIKE = 1 << 9
    HIGH_LOW = 1 << 10
    ZERO = 1 << 11
    INACTIVE_USE = 1 << 12
    FLAT_LINE = 1 << 13
    REVERSE = 1 << 14
    PHASE_CONSISTENCY = 1 << 15
    POWER_FACTOR = 1 << 16
    OUTAGE_AGREE = 1 << 17
    NEIGHBOUR_VOLTAGE = 1 << 18
    PROLONGED_ESTIMATION = 1 << 19
    D1_NO_DATA = 1 << 20
    D2_INSUFFICIENT = 1 << 21
    D3_CARD_OFF = 1 << 22
    D4_HIGH_VALUE = 1 << 23
    D5_INTERMITTENT = 1 << 24
    D6_CONSTANT = 1 << 25
    D7_FLOW_CONSERVATION = 1 << 26
    D8_LANE_SHARE = 1 << 27
    NO_CLOCK = 1 << 28  # the gateway stamped the reading with its receive time
    LATE = 1 << 29  # outside the live window, or sent on the backlog lane
    UNREGISTERED = 1 << 30  # auto-enrolled device that no registry file names
    ROLLOVER = 1 << 31
    REGISTER_RESET = 1 << 32
    METER_EXCHANGE = 1 << 33
    SEQ_GAP = 1 << 34  # readings before this one are missing
    SEQ_RESET = 1 << 35  # the device began to count anew
    DEVICE_STATUS = 1 << 36  # the device's own status byte says critical, clock or data invalid
    NULL_VALUE = 1 << 37  # a column was not measured


class QuarantineReason(StrEnum):
    """Why a message could not be read. Bounded: it is a metric label and an API value."""

    TOPIC = "topic"  # not a topic of the grammar and no mapping takes it
    IDENTITY = "identity"  # a device id under another organisation or sector than enrolled
    UNREGISTERED = "unregistered"  # unknown device while auto_enrol is off
    ENCODING = "encoding"  # neither JSON nor CBOR nor a block, or broken in its own format
    SCHEMA = "schema"  # well-formed, but not the shape of rows, event, state or mapping
    PROFILE = "profile"  # names a profile that does not exist, or not of this sector
    LIMIT = "limit"  # a value outside the physical limits of its profile
    NOT_FINITE = "not_finite"  # NaN or infinity
    TIME = "time"  # outside the time window
    CHECKSUM = "checksum"  # CRC of a block or telegram does not match
    TOO_LARGE = "too_large"
    UNMAPPED = "unmapped"  # foreign payload on a foreign topic without a mapping
    FAULT = "fault"  # decoding failed at it: a fault of the gateway that this message shows
    JOURNAL_DAMAGE = "journal_damage"  # a bit flipped at rest; the payload is what is left


@dataclass(slots=True)
class ReadingBatch:
    """Readings of one profile as columns; every array has the length of ``device_index``.

    ``values`` has one column per profile column, in profile order, NaN where not measured.
    """

    profile: str
    device_index: IntArray
    log: IntArray
    seq: IntArray  # NO_SEQ where the device sends none
    time_ms: IntArray
    received_ms: IntArray
    values: FloatArray  # shape (n, columns)
    status: IntArray  # AMR profile status byte
    quality: IntArray  # Quality
    reasons: IntArray  # Reason bits
    record: IntArray  # number of the journal record each reading came from

    def __len__(self) -> int:
        """Return the number of readings."""
        return len(self.device_index)

    def take(self, index: IntArray | BoolArray) -> "ReadingBatch":
        """Return the readings that ``index`` (positions or mask) selects, in its order."""
        return self._pick(index)

    def part(self, start: int, stop: int) -> "ReadingBatch":
        """Return the readings from ``start`` to before ``stop``; views, not copies."""
        return self._pick(slice(start, stop))

    def _pick(self, index: IntArray | BoolArray | slice) -> "ReadingBatch":
        return ReadingBatch(
            self.profile,
            self.device_index[index],
            self.log[index],
            self.seq[index],
            self.time_ms[index],
            self.received_ms[index],
            self.values[index],
            self.status[index],
            self.quality[index],
            self.reasons[index],
            self.record[index],
        )


@dataclass(slots=True)
class DecodedBatch:
    """What the decoders hand to ``screen``: readings and what only the wire knew of them.

    Quality is RAW and reasons are 0 throughout; arrays have the length of ``readings``.
    """

    readings: ReadingBatch
    boot: IntArray  # -1 where the device counts no boots
    is_backlog: BoolArray  # came on lane b
    is_registered: BoolArray
    is_stamped: BoolArray  # the device had no clock, ``time_ms`` comes from the receive time
    max_age_ms: IntArray  # 0 = the configuration's default

    def take(self, index: IntArray | BoolArray) -> "DecodedBatch":
        """Return the readings that ``index`` (positions or mask) selects, in its order."""
        return DecodedBatch(
            self.readings.take(index),
            self.boot[index],
            self.is_backlog[index],
            self.is_registered[index],
            self.is_stamped[index],
            self.max_age_ms[index],
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once: a device's own word (lane e, s) or a finding of ours."""

    time_ms: int
    received_ms: int
    device_index: int
    kind: str  # "event" | "state" | "reply" | an alarm kind of a sector
    code: int  # event code of the meter world (99 = last gasp), 0 where none applies
    detail: str  # JSON object, as sent where a device sent it
    record: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message that could not be read, byte for byte, and why."""

    record: int  # number of the journal record; also its id, so a replay cannot double it
    received_ms: int
    source: int
    topic: bytes
    payload: bytes
    reason: str  # QuarantineReason
    detail: str
    device_index: int = -1  # -1 where the message names no known device
    readings: int = 1  # how many readings of it are counted as quarantined
