"""What a reader of the gateway holds in hands: store, registry, profiles, clock."""

from collections.abc import Callable
from pathlib import Path

from gateway.config import Settings
from gateway.ports import DeviceRow, Totals
from gateway.profiles import Profiles, load_profiles
from gateway.quarantine import Entry, QuarantineReader
from gateway.registry import Registry
from gateway.stats import Sample, load_samples
from gateway.store.alarms import AlarmReader
from gateway.store.derived import DerivedReader
from gateway.store.reader import StoreReader
from gateway.views.accounts import accounts_of
from gateway.views.alarms import OpenAlarms
from gateway.views.alarms import look as look_at_alarms
from gateway.views.fleet import Device, Fleet, Muster, join, no_counts
from gateway.views.flow import Flow
from gateway.views.health import Health, look
from gateway.views.missing import Completeness, completeness_of
from gateway.views.pulse import Pulse
from gateway.views.tail import QuarantineTail

SHOWN_ENTRIES = 20  # a wall shows what is new; the API pages through all


class Sight:
    """Everything the API and the board read. Nothing here writes."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int],
        data_dir: Path | None = None,
        profiles: Profiles | None = None,
        durable: Callable[[], int] = lambda: 0,
    ) -> None:
        folder = settings.gateway.profiles
        if profiles is None:
            profiles = load_profiles(*([folder] if folder is not None else []))
        self.settings = settings
        self.clock = clock
        self.data_dir = settings.gateway.data_dir if data_dir is None else data_dir
        self.profiles = profiles
        self.registry = Registry.load(file) if (file := settings.registry.file) else None
        self.store = StoreReader(self.data_dir, self.profiles)
        self.quarantine = QuarantineReader(self.data_dir)
        self.derived = DerivedReader(self.data_dir)
        self.alarms = AlarmReader(self.data_dir)
        self._durable = durable  # the last record of the journal on disk, 0: nobody knows
        self._intervals_ms = {name: 1000 * one.interval_s for name, one in profiles.items()}
        # kept from look to look, as only what changed is read; the registry bounds the devices
        self._muster = Muster(self._intervals_ms)
        self._change = 0
        self._fleet = Pulse(self._look)
        self._tail = Pulse(QuarantineTail(self.quarantine, SHOWN_ENTRIES).look)
        self._health = Pulse(lambda: look(self.data_dir / "run", self.clock()))
        self._alarms = Pulse(lambda: look_at_alarms(self.alarms))
        self.flow = Flow()

    def fleet(self) -> Fleet:
        """Return the fleet, about a second old at most."""
        return self._fleet.see()

    def accounting(self) -> Totals:
        """Return the accounts of the gateway, with what has been received since the checkpoint."""
        return self.store.accounting(self._durable())

    def device(self, name: str) -> DeviceRow | None:
        """Return the device of that name."""
        return self.store.device(name)

    def look_at(self, row: DeviceRow) -> Device:
        """Return one device as it is now, not a second ago."""
        own = self.store.count(row.device_index)
        latest = self.store.latest(device_index=row.device_index)
        at = (self.clock(), self._intervals_ms)
        return join(row, own or no_counts(row.device_index), latest, at)

    def completeness(self, row: DeviceRow) -> Completeness:
        """Return which of a device's numbers are missing."""
        return completeness_of(self.store.streams(row.device_index))

    def quarantine_tail(self) -> tuple[int, list[Entry]]:
        """Return how many messages are in quarantine, and the newest of them."""
        return self._tail.see()

    def open_alarms(self) -> OpenAlarms:
        """Return the alarms that are open, about a second old at most."""
        return self._alarms.see()

    def health(self) -> Health:
        """Return what the other processes last said of themselves, in an operator's terms."""
        return self._health.see()

    def sample_flow(self) -> None:
        """Remember how much has flowed; to be called every ``flow.STEP_S``."""
        received = accounts_of(self.accounting()).readings.received
        self.flow.sample(self.clock(), received, self.samples())

    def samples(self) -> list[Sample]:
        """Return what the other processes last said of themselves."""
        return load_samples(self.data_dir / "run")

    def _look(self) -> Fleet:
        totals = self.accounting()
        changed, change = self.store.changed_since(self._change)
        if change < self._change:  # another store is in its place: begin anew
            self._muster.forget()
            changed, change = self.store.changed_since(0)
        self._change = change
        rows = (self.store.devices(), self.store.counts())
        return self._muster.look(self.clock(), totals, rows, changed)
