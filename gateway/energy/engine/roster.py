"""Who is watched: the energy devices of the store, row by row, and what is above each.

Rows are only ever added, so what is kept by row stays right. Numbers of transformers, feeders and
uplinks are those of this process; what is written down names them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from gateway.energy.outage import Role, Topology
from gateway.energy.series import Meters
from gateway.energy.vee.policy import MeterDefaults
from gateway.model import IntArray
from gateway.ports import DeviceRow
from gateway.profiles import Profile
from gateway.registry import Node, NodeKind, Registry, Standing
from gateway.units import UNITS

SECTOR = "energy"
REGISTER = "ea_imp"
DEFAULT_INTERVAL_MS = 1_800_000
_THREE_PHASE_COLUMN = "u_l1"
INSTRUMENTS = frozenset({"dtm", "pq3"})  # of the grid itself, not of a customer

_INSTRUMENT_A = 100_000.0  # beyond any low-voltage busbar


def is_meter(profile: Profile) -> bool:
    """Return whether rows of this profile carry a register of energy."""
    return profile.sector == SECTOR and profile.column_index(REGISTER) is not None


class Watched(NamedTuple):
    """One device, and the numbers of what is above it; −1 = nothing known."""

    device_index: int
    name: str
    amperes: float | None
    transformer: int
    uplink: int
    cabinet: int = -1  # it lives from this one, and is no meter: it shows whether there is power
    fed_by: tuple[int, int] = (-1, -1)  # transformer and feeder of that cabinet


class Names:
    """Numbers for names, in the order they are first met."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str | None) -> int:
        """Return the number of a name, −1 of none."""
        if name is None:
            return -1
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]


class Roster:
    """All energy devices, and the tree above them as it stood when they were first met.

    Args:
        registry: the file's, None where no file says anything.
        profiles: all profiles by name.
    """

    def __init__(self, registry: Registry | None, profiles: Mapping[str, Profile]) -> None:
        self._registry, self._profiles = registry, profiles
        self.watched: list[Watched] = []
        self.row_of: dict[int, int] = {}  # by device index
        self.profile_of: dict[int, str] = {}  # device index → what it sends; of registers the first
        self.gasping: set[str] = set()  # profiles of which a device has had a last word
        self.transformers, self.feeders = Names(), Names()
        self.substations, self.uplinks = Names(), Names()
        self.cabinets = Names()
        self._feeder_of: dict[int, int] = {}  # transformer → feeder
        self._substation_of: dict[int, int] = {}

    def take(self, rows: Iterable[DeviceRow], now_ms: int, order: Iterable[int] = ()) -> bool:
        """Add what is new among the devices of the store; return whether anything was.

        Args:
            rows: all devices.
            now_ms: the moment of which the registry is asked.
            order: device indexes in the order of the rows of an earlier life.
        """
        known = {row.device_index: row for row in rows if self._is_ours(row)}
        first = [known[index] for index in order if index in known]
        before = len(self.watched)
        for row in (*first, *known.values()):
            if row.device_index not in self.row_of:
                self.row_of[row.device_index] = len(self.watched)
                self.watched.append(self._watched(row, now_ms))
        return len(self.watched) > before

    def sends(self, device_index: IntArray, profile: str) -> bool:
        """Note what devices send; return whether that was not known. A register goes first."""
        fresh = {index for index in np.unique(device_index).tolist() if index in self.row_of}
        is_register = is_meter(self._profiles[profile])
        known = self.profile_of
        fresh -= {k for k in fresh & known.keys() if not is_register or self._is_meter(known[k])}
        self.profile_of.update(dict.fromkeys(fresh, profile))
        return bool(fresh)

    def _is_meter(self, profile: str) -> bool:
        return is_meter(self._profiles[profile])

    def has_gasped(self, device_index: int) -> bool:
        """Note a last gasp: devices of this kind can. Return whether that was not known."""
        kind = self.profile_of.get(device_index, "")
        is_new = kind not in self.gasping
        self.gasping.add(kind)
        return is_new

    def order(self) -> list[int]:
        """Return the device index of each row."""
        return [one.device_index for one in self.watched]

    def name(self, device_index: int) -> str:
        """Return the name of a device."""
        return self.watched[self.row_of[device_index]].name

    def topology(self) -> Topology:
        """Return the tree, row for row."""
        kinds = [self.profile_of.get(one.device_index, "") for one in self.watched]
        roles = [_role_of(one, kind) for one, kind in zip(self.watched, kinds, strict=True)]
        return Topology(
            np.array(self.order(), np.int64),
            np.array([int(role) for role in roles], np.int64),
            np.array([max(one.transformer, one.fed_by[0]) for one in self.watched], np.int64),
            np.array([one.uplink for one in self.watched], np.int64),
            np.array([self._interval_ms(kind) for kind in kinds], np.int64),
            np.array([kind in self.gasping for kind in kinds], np.bool_),
            _column(self._feeder_of, self.transformers),
            _column(self._substation_of, self.feeders),
            np.array([one.cabinet for one in self.watched], np.int64),
            np.array([one.fed_by[1] for one in self.watched], np.int64),
        )

    def is_mute(self, row: int) -> bool:
        """Return whether a device never says that it lives: its silence is not evidence."""
        one = self.watched[row]
        return one.cabinet >= 0 and one.device_index not in self.profile_of

    def meters(self, device_index: IntArray, profile: Profile, defaults: MeterDefaults) -> Meters:
        """Return what VEE must know of meters of one profile."""
        made = defaults.meters(len(device_index))
        column = profile.columns[profile.column_index(REGISTER) or 0]
        factor = UNITS[column.unit][1]
        made.resolution_wh[:] = column.scale * factor
        made.rollover_wh[:] = np.inf if column.rollover is None else column.rollover * factor
        made.is_prosumer[:] = True  # the registry does not say who may feed in
        if profile.column_index(_THREE_PHASE_COLUMN) is not None:
            made.phase_count[:] = 3
        if profile.name in INSTRUMENTS:
            made.max_current_a[:] = _INSTRUMENT_A  # a transformer is overloaded, not incapable
        for place, index in enumerate(device_index.tolist()):
            one = self.watched[self.row_of[index]]
            made.transformer[place] = one.transformer
            if one.amperes is not None:
                made.max_current_a[place] = one.amperes
        return made

    def _watched(self, row: DeviceRow, now_ms: int) -> Watched:
        if self._registry is None or self._registry.device(row.device) is None:
            return Watched(row.device_index, row.device, None, -1, -1)
        standing = self._registry.at(row.device, now_ms)
        if row.sector != SECTOR:
            return self._fed(row, standing)
        rating = standing.rating
        return Watched(
            row.device_index,
            row.device,
            None if rating is None else rating.amperes,
            self._climb(standing.parent)[0],
            self.uplinks.number(standing.uplink),
        )

    def _is_ours(self, row: DeviceRow) -> bool:
        """Return whether a device is of the grid, or a cabinet's detector that lives from it."""
        if row.sector == SECTOR or self._registry is None:
            return row.sector == SECTOR
        known = self._registry.device(row.device)
        return known is not None and bool(known.supply)

    def _fed(self, row: DeviceRow, standing: Standing) -> Watched:
        cabinet = standing.fed_by(NodeKind.CABINET)
        return Watched(
            *(row.device_index, row.device, None, -1, self.uplinks.number(standing.uplink)),
            self.cabinets.number(row.device if cabinet is None else cabinet.id),
            self._climb(standing.fed_by),
        )

    def _climb(self, above: Callable[[NodeKind], Node | None]) -> tuple[int, int]:
        """Return the numbers of transformer and feeder, having learned what is above them."""
        transformer = above(NodeKind.TRANSFORMER)
        feeder = above(NodeKind.FEEDER)
        substation = above(NodeKind.SUBSTATION)
        numbers = [
            names.number(None if node is None else node.id)
            for names, node in (
                (self.transformers, transformer),
                (self.feeders, feeder),
                (self.substations, substation),
            )
        ]
        self._feeder_of[numbers[0]] = numbers[1]
        self._substation_of[numbers[1]] = numbers[2]
        return numbers[0], numbers[1]

    def _interval_ms(self, profile: str) -> int:
        known = self._profiles.get(profile)
        own_ms = known.interval_s * 1000 if known is not None else 0
        return own_ms or DEFAULT_INTERVAL_MS


def _role_of(one: Watched, profile: str) -> Role:
    if one.cabinet >= 0:
        return Role.CABINET
    return Role.INSTRUMENT if profile in INSTRUMENTS else Role.CUSTOMER


def _column(above: Mapping[int, int], names: Names) -> IntArray:
    return np.array([above.get(number, -1) for number in range(len(names.names))], np.int64)
