"""How an alarm lives, and from where on the gateway itself needs somebody: a dated policy."""

from collections.abc import Mapping

from pydantic import Field

from gateway.policies import Part, Policies, Policy, load_policies

DOMAIN = "alarms"
_NAME = "default"


class SinkPart(Part):
    """Databases."""

    down_s: float = Field(ge=0)
    behind_s: float = Field(gt=0)
    caught_up_s: float = Field(gt=0)


class BrokerPart(Part):
    """Brokers."""

    away_s: float = Field(ge=0)


class DiskPart(Part):
    """The file system of the data."""

    free_raise: float = Field(gt=0, lt=1)
    free_clear: float = Field(gt=0, lt=1)
    free_critical: float = Field(gt=0, lt=1)
    hold_s: float = Field(ge=0)


class JournalPart(Part):
    """The journal."""

    share_raise: float = Field(gt=0, le=1)
    share_clear: float = Field(gt=0, le=1)
    congested_s: float = Field(ge=0)


class QuarantinePart(Part):
    """Messages that cannot be read."""

    window_s: float = Field(gt=0)
    readings: int = Field(ge=1)
    damaged: int = Field(ge=1)


class ProcessPart(Part):
    """The gateway's processes."""

    silent_s: float = Field(gt=0)
    restarts: int = Field(ge=1)
    window_s: float = Field(gt=0)


class DevicePart(Part):
    """Devices of sectors that nobody watches."""

    look_every_s: float = Field(gt=0)
    silent_s: float = Field(ge=0)
    most_single: int = Field(ge=1)


class ClockPart(Part):
    """Clocks, of devices and our own."""

    ahead_s: float = Field(gt=0)
    share: float = Field(gt=0, le=1)
    min_devices: int = Field(ge=1)
    step_s: float = Field(gt=0)
    step_hold_s: float = Field(gt=0)


class AttackPart(Part):
    """What a listener sees of an attack: how many of each within the window."""

    window_s: float = Field(gt=0)
    refused: int = Field(ge=1)
    denied_messages: int = Field(ge=1)
    denied_subscriptions: int = Field(ge=1)
    broken: int = Field(ge=1)
    evicted: int = Field(ge=1)
    silent: int = Field(ge=1)
    throttled: int = Field(ge=1)

    @property
    def limits(self) -> Mapping[str, int]:
        """By event."""
        return {name: value for name, value in self.model_dump().items() if name != "window_s"}


class ConsequencePart(Part):
    """Alarms that follow from another one, of something above them."""

    causes: tuple[str, ...]
    kinds: tuple[str, ...]
    before_s: float = Field(ge=0)
    after_s: float = Field(ge=0)


class AlarmPolicy(Policy):
    """One edition."""

    reopen_within_min: float = Field(ge=0)
    clear_after_s: float = Field(ge=0)
    settle_s: float = Field(ge=0)
    evidence_every_s: float = Field(ge=0)
    horizon_h: float = Field(gt=0)
    not_found_min: float = Field(ge=0)
    max_open: int = Field(ge=1)
    max_kept: int = Field(ge=1)
    max_windows: int = Field(ge=1)
    max_window_d: float = Field(gt=0)
    consequences: ConsequencePart
    sink: SinkPart
    broker: BrokerPart
    disk: DiskPart
    journal: JournalPart
    quarantine: QuarantinePart
    process: ProcessPart
    devices: DevicePart
    clock: ClockPart
    attacks: AttackPart

    @property
    def reopen_ms(self) -> float:
        """How soon what comes back is the same alarm."""
        return self.reopen_within_min * 60_000

    def is_history(self, cleared_ms: int, at_ms: int) -> bool:
        """Return whether what we hear of at a moment was over long before: listed, not called."""
        return 0 < cleared_ms < at_ms - self.horizon_h * 3_600_000

    def blind_s(self, kind: str) -> float:
        """Return how long after a start it cannot be seen that a kind of ours is over."""
        windows_s = {
            "quarantine_burst": self.quarantine.window_s,
            "journal_damaged": self.quarantine.window_s,
            "decoder_fault": self.quarantine.window_s,
            "process_restarting": self.process.window_s,
            "attack_signs": self.attacks.window_s,
            "clock_wrong": self.clock.step_hold_s,
        }
        return max(self.settle_s, windows_s.get(kind, 0.0))


class AlarmPolicies:
    """The editions that ship."""

    def __init__(self, editions: Policies[AlarmPolicy]) -> None:
        self._editions = editions

    @classmethod
    def load(cls) -> "AlarmPolicies":
        """Read them.

        Raises:
            ConfigError: names the file and the key.
        """
        return cls(load_policies(DOMAIN, AlarmPolicy))

    def at(self, time_ms: int) -> AlarmPolicy:
        """Return the edition that holds at a moment."""
        return self._editions.at(_NAME, time_ms)
