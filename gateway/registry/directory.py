"""Names to dense indexes: the registry as the hot path sees it (``ports.DeviceDirectory``)."""

from collections.abc import Iterable

from gateway.errors import RejectedError
from gateway.model import QuarantineReason
from gateway.ports import DeviceRow, Route
from gateway.registry.entries import Device
from gateway.registry.registry import Registry
from gateway.topics import is_device_id

# A foreign device is of the highest of the sectors whose profiles it sends.
_RANK = {
    sector: rank for rank, sector in enumerate(("urban", "env", "water", "transport", "energy"))
}


class Directory:
    """All devices ever seen.

    Args:
        registry: who may send; None where no file says so.
        enrols: whether an unknown device is taken in at its first message.
        max_devices: bounds our memory against made-up device ids.
        rows: devices of the last checkpoint.
    """

    def __init__(
        self,
        registry: Registry | None,
        *,
        enrols: bool,
        max_devices: int,
        rows: Iterable[DeviceRow] = (),
    ) -> None:
        self.now_ms = 0  # receive time of the message in hand, for ``first_seen_ms``
        self._registry = registry
        self._enrols = enrols
        self._max_devices = max_devices
        self._routes: dict[str, tuple[str, Route]] = {}  # device → org, route
        self._rows = {row.device_index: row for row in rows}
        self._new: list[DeviceRow] = []
        self._next = max(self._rows, default=-1) + 1
        self.reload(registry)

    def route(self, org: str, sector: str, device: str) -> Route:
        """Return the route of a device, enrolling it where that is allowed.

        Raises:
            RejectedError: ``identity`` or ``unregistered``.
        """
        known = self._routes.get(device)
        if known is None:
            return self._enrol(org, sector, device)
        route = known[1]
        if known[0] != org or route.sector != sector:
            raise RejectedError(
                QuarantineReason.IDENTITY,
                f"device {device!r} belongs to {known[0]}/{route.sector}, not to {org}/{sector}",
            )
        return route

    def foreign(self, topic: str, named: tuple[str, str], org: str, sector: str) -> Route:
        """See ``ports.DeviceDirectory``.

        A device of the file takes messages only of the topics that its entry lists: else whoever
        may write ``tele/#`` could speak for every meter.
        """
        owner = None if self._registry is None else self._registry.owner_of(topic)
        name = named[0] if owner is None else owner.id
        device = f"{name}-{named[1]}" if named[1] else name
        if not is_device_id(device):
            raise RejectedError(QuarantineReason.IDENTITY, f"{device[:80]!r} cannot be a device id")
        if owner is not None:
            org, sector = owner.org, owner.sector
        elif self._entry(device) is not None:
            raise RejectedError(
                QuarantineReason.IDENTITY, f"the registry names {device!r}, but not topic {topic!r}"
            )
        known = self._routes.get(device)
        if known is None:
            return self._enrol(org, sector, device)
        if known[0] != org:
            raise RejectedError(
                QuarantineReason.IDENTITY, f"device {device!r} belongs to {known[0]}, not to {org}"
            )
        route = known[1]
        if not route.is_registered and _RANK[sector] > _RANK[route.sector]:
            # its first word was of its radio; what it is there for, its readings say
            self._keep(self._rows[route.device_index]._replace(sector=sector))
            route = self._routes[device][1]
        return route

    def model(self, topic: str) -> str:
        """Return which model the device of a foreign topic is, "" where the file is silent."""
        owner = None if self._registry is None else self._registry.owner_of(topic)
        return "" if owner is None else owner.model

    def zone(self, topic: str) -> str | None:
        """Return the time zone that the file names for the device of a foreign topic."""
        owner = None if self._registry is None else self._registry.owner_of(topic)
        return None if owner is None else owner.zone

    def known(self, org: str, sector: str, device: str) -> int:
        """Return the index of a device, −1 where there is none of that name and place."""
        known = self._routes.get(device)
        if known is None or known[0] != org or known[1].sector != sector:
            return -1
        return known[1].device_index

    def name_of(self, device_index: int) -> DeviceRow:
        """Return what is known of a device by its index."""
        return self._rows[device_index]

    def exchanged(self, device_index: int, after_ms: int, up_to_ms: int) -> bool:
        """Return whether the registry dates a meter exchange in that time."""
        if self._registry is None:
            return False
        return self._registry.is_exchanged(self._rows[device_index].device, after_ms, up_to_ms)

    def new_rows(self) -> list[DeviceRow]:
        """Return the devices that are new or changed since the last call."""
        rows, self._new = self._new, []
        return rows

    def reload(self, registry: Registry | None) -> None:
        """Take another registry file; indexes stay, organisation and sector follow the file."""
        self._registry = registry
        self._routes.clear()
        for row in list(self._rows.values()):
            self._keep(self._as_registered(row))

    def _as_registered(self, row: DeviceRow) -> DeviceRow:
        entry = self._entry(row.device)
        if entry is None:
            return row._replace(is_registered=0)
        return row._replace(org=entry.org, sector=entry.sector, is_registered=1)

    def _entry(self, device: str) -> Device | None:
        return None if self._registry is None else self._registry.entry(device)

    def _enrol(self, org: str, sector: str, device: str) -> Route:
        entry = self._entry(device)
        if entry is None and not self._enrols:
            raise RejectedError(
                QuarantineReason.UNREGISTERED, f"no registry names device {device!r}"
            )
        if entry is not None and (entry.org != org or entry.sector != sector):
            raise RejectedError(
                QuarantineReason.IDENTITY,
                f"device {device!r} is registered in {entry.org}/{entry.sector}, "
                f"not in {org}/{sector}",
            )
        if self._next >= self._max_devices:
            raise RejectedError(
                QuarantineReason.UNREGISTERED,
                f"device {device!r} is one more than [registry] max_devices = {self._max_devices}",
            )
        index, self._next = self._next, self._next + 1
        self._keep(DeviceRow(index, org, sector, device, int(entry is not None), self.now_ms))
        return self._routes[device][1]

    def _keep(self, row: DeviceRow) -> None:
        if self._rows.get(row.device_index) != row:
            self._rows[row.device_index] = row
            self._new.append(row)
        if row.is_registered or self._enrols:
            # a device taken out of the file is unknown again; its index waits for its return
            route = Route(row.device_index, row.sector, bool(row.is_registered))
            self._routes[row.device] = (row.org, route)
