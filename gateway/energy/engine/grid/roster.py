"""Who is watched: the energy devices of the store, row by row, and what is above each.

Rows are only ever added, so what is kept by row stays right. Numbers of transformers, feeders and
uplinks are those of this process; what is written down names them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from gateway.energy import told
from gateway.energy.billing import Absences
from gateway.energy.engine.grid.pairs import Pairs
from gateway.energy.engine.grid.places import Atlas, Places, counted, taken
from gateway.energy.engine.grid.protocol import NO_PROTOCOL, Protocol, is_later, joined, protocol_of
from gateway.energy.outage import Role, Topology
from gateway.energy.series import Meters
from gateway.energy.vee.policy import MeterDefaults
from gateway.model import BoolArray, FloatArray, IntArray
from gateway.ports import DeviceRow
from gateway.profiles import Profile
from gateway.registry import Registry, Standing
from gateway.units import UNITS

SECTOR = "energy"
REGISTER = "ea_imp"
_REACTIVE = "er_imp"
DEFAULT_INTERVAL_MS = 1_800_000
_THREE_PHASE_COLUMN = "u_l1"
INSTRUMENTS = frozenset({"dtm", "pq3"})  # of the grid itself, not of a customer

_INSTRUMENT_A = 100_000.0  # beyond any low-voltage busbar


def is_meter(profile: Profile) -> bool:
    """Return whether rows of this profile carry a register of energy."""
    return profile.sector == SECTOR and profile.column_index(REGISTER) is not None


def is_told(profile: Profile) -> bool:
    """Return whether rows of this profile carry energy of intervals, and no register."""
    has = profile.column_index
    is_interval = has(told.IMPORT) is not None and has(told.LENGTH) is not None
    return profile.sector == SECTOR and is_interval and not is_meter(profile)


def is_billed(profile: Profile) -> bool:
    """Return whether a bill can be made of rows of this profile."""
    return is_meter(profile) or is_told(profile)


def reactive_rollover_varh(profile: Profile) -> float:
    """Return where the register of reactive energy begins anew, inf where it never does."""
    number = profile.column_index(_REACTIVE)
    column = None if number is None else profile.columns[number]
    if column is None or column.rollover is None:
        return np.inf
    return column.rollover * UNITS[column.unit][1]


class Watched(NamedTuple):
    """One device."""

    device_index: int
    name: str


class Roster:
    """All energy devices, and the tree above them at any time.

    Args:
        registry: the file's, None where no file says anything.
        profiles: all profiles by name.
    """

    def __init__(self, registry: Registry | None, profiles: Mapping[str, Profile]) -> None:
        self._atlas, self._profiles = Atlas(registry), profiles
        self.registers = {name for name, one in profiles.items() if is_meter(one)}
        self.told = {name for name, one in profiles.items() if is_told(one)}
        self.pairs = Pairs(registry)
        self.watched: list[Watched] = []
        self.row_of: dict[int, int] = {}  # by device index
        self.profile_of: dict[int, str] = {}  # device index → what it sends; of registers the first
        self.gasping: set[str] = set()  # profiles of which a device has had a last word
        self.transformers, self.feeders, self.substations, self.uplinks = self._atlas.tree[:4]
        self._now_ms = 0

    def take(self, rows: Iterable[DeviceRow], now_ms: int, order: Iterable[int] = ()) -> bool:
        """Add what is new among the devices of the store; return whether anything was.

        Args:
            rows: all devices.
            now_ms: the moment; of others the registry is asked later.
            order: device indexes in the order of the rows of an earlier life.
        """
        known = {row.device_index: row for row in rows if self._is_ours(row)}
        first = [known[index] for index in order if index in known]
        before = len(self.watched)
        for row in (*first, *known.values()):
            if row.device_index not in self.row_of:
                self.row_of[row.device_index] = len(self.watched)
                self.watched.append(Watched(row.device_index, row.device))
                self._atlas.add(row.device, now_ms)
                self.pairs.meet(row.device_index, row.device)
        return len(self.watched) > before

    def sends(self, device_index: IntArray, profile: str) -> bool:
        """Note what devices send; return whether that was not known. A register goes first."""
        fresh = {index for index in np.unique(device_index).tolist() if index in self.row_of}
        known, worth = self.profile_of, self._worth(profile)
        fresh -= {k for k in fresh & known.keys() if worth <= self._worth(known[k])}
        self.profile_of.update(dict.fromkeys(fresh, profile))
        return bool(fresh)

    def _worth(self, profile: str) -> int:
        return 2 if profile in self.registers else int(profile in self.told)

    def is_meter(self, profile: str) -> bool:
        """Return whether rows of a profile carry energy: a register, or that of intervals."""
        return profile in self.registers or profile in self.told

    def has_register(self, profile: str) -> bool:
        """Return whether rows of a profile carry a register of energy."""
        return profile in self.registers

    def is_told(self, profile: str) -> bool:
        """Return whether rows of a profile carry energy of intervals, out of files."""
        return profile in self.told

    def reactive_rollover_varh(self, profile: str) -> float:
        """Return where the register of reactive energy of a profile begins anew."""
        return reactive_rollover_varh(self._profiles[profile])

    def has_gasped(self, device_index: int) -> bool:
        """Note a last gasp: devices of this kind can. Return whether that was not known."""
        kind = self.profile_of.get(device_index, "")
        is_new = kind not in self.gasping
        self.gasping.add(kind)
        return is_new

    def standing(self, device_index: int, time_ms: int) -> Standing | None:
        """Return what the registry says of a device at a moment, None where it has no word."""
        return self._atlas.standing(self.name(device_index), time_ms)

    def absences(self, device_index: IntArray) -> Absences:
        """Return when meters were not in service."""
        known = self._atlas.absences
        if not known:
            return Absences.of([()] * len(device_index))
        return Absences.of([known.get(self.name(index), ()) for index in device_index.tolist()])

    def protocol(self, device_index: IntArray, interval_ms: int, since_ms: int) -> Protocol:
        """Return what the registry says of meters put up, taken down or exchanged from then on."""
        known, since_ms = self._atlas.meters, since_ms - interval_ms
        if not known:
            return NO_PROTOCOL
        return joined(
            protocol_of(row, known[name], interval_ms)
            for row, index in enumerate(device_index.tolist())
            if (name := self.name(index)) in known and is_later(known[name], since_ms)
        )

    @property
    def now_ms(self) -> int:
        """Return the moment of the newest step."""
        return self._now_ms

    @property
    def has_grid(self) -> bool:
        """Return whether anything is known above the meters."""
        return bool(self.transformers.names or self.feeders.names or self.substations.names)

    def moves(self, now_ms: int) -> bool:
        """Let the time pass; return whether the tree is another one now."""
        before, self._now_ms = self._now_ms, now_ms
        return self._atlas.epoch(before) != self._atlas.epoch(now_ms)

    def places(self, time_ms: int) -> Places:
        """Return where all devices hung at a moment, row by row."""
        return self._atlas.at(time_ms)

    def places_of(self, device_index: IntArray, time_ms: int) -> Places:
        """Return where some devices hung at a moment; nowhere, where they are not of energy."""
        return taken(self.places(time_ms), self.rows_of(device_index))

    def rows_of(self, device_index: IntArray) -> IntArray:
        """Return the rows of devices, −1 of those that are not of energy."""
        rows = [self.row_of.get(index, -1) for index in device_index.tolist()]
        return np.array(rows, np.int64)

    def is_customer(self, time_ms: int) -> BoolArray:
        """Return which rows were meters of customers at a moment."""
        at = self.places(time_ms)
        kinds = [self.profile_of.get(one.device_index) for one in self.watched]
        is_meter_row = [
            kind is not None and kind not in INSTRUMENTS and self.is_meter(kind) for kind in kinds
        ]
        found: BoolArray = np.array(is_meter_row, np.bool_) & ~at.is_head & (at.cabinet < 0)
        return found & ~at.is_check

    def is_instrument(self, device_index: IntArray, profile: str, time_ms: int) -> BoolArray:
        """Return which devices measure a node of the grid, and no customer."""
        return self.places_of(device_index, time_ms).is_head | (profile in INSTRUMENTS)

    def is_heard(self) -> BoolArray:
        """Return whose power can be watched: not of whom only files tell, days later."""
        kinds = [self.profile_of.get(one.device_index, "") for one in self.watched]
        return ~np.isin(kinds, list(self.told))

    def rating_va(self, time_ms: int) -> tuple[FloatArray, FloatArray]:
        """Return what transformers and feeders could carry at a moment, NaN = unknown."""
        transformers, feeders = self.transformers.names, self.feeders.names
        rated = self._atlas.rating_va
        return rated(transformers, time_ms), rated(feeders, time_ms)

    def order(self) -> list[int]:
        """Return the device index of each row."""
        return [one.device_index for one in self.watched]

    def name(self, device_index: int) -> str:
        """Return the name of a device."""
        return self.watched[self.row_of[device_index]].name

    def topology(self) -> Topology:
        """Return the tree as it is now, row for row."""
        known = self._atlas.absences
        kinds = [self.profile_of.get(one.device_index, "") for one in self.watched]
        now = self.places(self._now_ms)
        is_instrument = np.isin(kinds, list(INSTRUMENTS)) | now.is_head
        role = np.where(is_instrument, int(Role.INSTRUMENT), int(Role.CUSTOMER))
        role = np.where(now.is_check, int(Role.CHECK), role)
        is_heard = self.is_heard()
        return Topology(
            np.array(self.order(), np.int64),
            np.where(now.cabinet >= 0, int(Role.CABINET), role),
            np.where(is_heard, np.maximum(now.transformer, now.fed_transformer), -1),
            np.where(is_heard, now.uplink, -1),
            np.array([self._interval_ms(kind) for kind in kinds], np.int64),
            np.array([kind in self.gasping for kind in kinds], np.bool_),
            above(now.transformer, now.feeder, len(self.transformers.names)),
            above(now.feeder, now.substation, len(self.feeders.names)),
            now.cabinet,
            now.fed_feeder,
            {row: known[one.name] for row, one in enumerate(self.watched) if one.name in known},
        )

    @property
    def has_cabinets(self) -> bool:
        """Return whether anything is known that lives from the grid and is no meter."""
        return bool(self._atlas.tree.cabinets.names)

    def is_mute(self, row: int) -> bool:
        """Return whether a device never says that it lives: its silence is not evidence."""
        is_of_cabinet = self.places(self._now_ms).cabinet[row] >= 0
        return bool(is_of_cabinet) and self.watched[row].device_index not in self.profile_of

    def meters(
        self, device_index: IntArray, profile: Profile, defaults: MeterDefaults, time_ms: int
    ) -> Meters:
        """Return what VEE must know of meters of one profile, as it was at a moment."""
        made = defaults.meters(len(device_index))
        column = profile.columns[profile.column_index(REGISTER) or 0]
        if is_told(profile):  # nobody has said what such a connection can carry
            made.max_current_a[:] = _INSTRUMENT_A
        factor = UNITS[column.unit][1]
        made.resolution_wh[:] = column.scale * factor
        made.rollover_wh[:] = np.inf if column.rollover is None else column.rollover * factor
        places = counted(self.places_of(device_index, time_ms))
        is_instrument = places.is_head | (profile.name in INSTRUMENTS)
        made.is_prosumer[:] = places.is_prosumer | is_instrument
        made.is_connected[:] = places.is_connected
        made.transformer[:] = places.transformer
        if profile.column_index(_THREE_PHASE_COLUMN) is not None:
            made.phase_count[:] = 3
        made.max_current_a[is_instrument] = _INSTRUMENT_A  # overloaded, not incapable
        is_rated = np.isfinite(places.amperes)
        made.max_current_a[is_rated] = places.amperes[is_rated]
        return made

    def _is_ours(self, row: DeviceRow) -> bool:
        """Return whether a device is of the grid, or a cabinet's detector that lives from it."""
        return row.sector == SECTOR or self._atlas.is_supplied(row.device)

    def _interval_ms(self, profile: str) -> int:
        known = self._profiles.get(profile)
        own_ms = known.interval_s * 1000 if known is not None else 0
        return own_ms or DEFAULT_INTERVAL_MS


def above(node: IntArray, parent: IntArray, nodes: int) -> IntArray:
    """Return what is above each node, as the devices below it say; −1 where none does."""
    found = np.full(nodes, -1, np.int64)
    found[node[node >= 0]] = parent[node >= 0]
    return found
