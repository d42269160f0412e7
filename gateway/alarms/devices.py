"""Devices that say nothing though nobody watches their sector, and clocks that are wrong."""

from collections.abc import Collection, Iterator, Sequence

from gateway.alarms.own import Condition
from gateway.alarms.policy import AlarmPolicy
from gateway.alarms.watchers import SERIOUS, WARNING
from gateway.views.fleet import Device, DeviceState, Fleet

_NAMED = 20  # in the evidence of an alarm of many
_FRESH_MS = 600_000  # devices heard lately say something of our clock


class DeviceWatcher:
    """Looks at the fleet.

    Args:
        policy: the edition that holds.
        watched: sectors whose engines know better who is silent, and why.
    """

    def __init__(self, policy: AlarmPolicy, watched: Collection[str]) -> None:
        self._policy, self._watched = policy, watched
        self._last: tuple[int, float] | None = None
        self._step_ms: tuple[int, int] | None = None  # when our clock jumped, and how far

    def look(self, fleet: Fleet) -> Iterator[Condition]:
        """Yield what is wrong with devices."""
        yield from self._silent(fleet)
        yield from self._ahead(fleet)

    def watch_clock(self, now_ms: int, monotonic_s: float) -> Iterator[Condition]:
        """Yield whether our own clock has jumped; to be called every second or so."""
        policy = self._policy.clock
        if self._last is not None:
            passed_ms = (monotonic_s - self._last[1]) * 1000
            jump_ms = round(now_ms - self._last[0] - passed_ms)
            if abs(jump_ms) >= policy.step_s * 1000:
                self._step_ms = (now_ms, jump_ms)
        self._last = (now_ms, monotonic_s)
        if self._step_ms is not None:
            age_ms = now_ms - self._step_ms[0]
            if 0 <= age_ms < policy.step_hold_s * 1000:
                evidence = {"jump_s": round(self._step_ms[1] / 1000, 1)}
                yield Condition("clock_wrong", "clock:step", WARNING, evidence)

    def _silent(self, fleet: Fleet) -> Iterator[Condition]:
        policy = self._policy.devices
        lost: dict[str, list[Device]] = {}
        for device in fleet.devices:
            if device.state is not DeviceState.LOST or device.row.sector in self._watched:
                continue
            if fleet.now_ms - device.last_seen_ms >= policy.silent_s * 1000:
                lost.setdefault(device.row.sector, []).append(device)
        for sector, devices in lost.items():
            if len(devices) > policy.most_single:
                evidence = {"devices": len(devices), "some": _names(devices)}
                yield Condition("devices_silent", f"sector:{sector}", SERIOUS, evidence)
                continue
            for device in devices:
                silent_s = round((fleet.now_ms - device.last_seen_ms) / 1000)
                evidence = {"silent_s": silent_s, "interval_s": device.interval_ms // 1000}
                yield Condition("device_silent", f"device:{device.name}", WARNING, evidence)

    def _ahead(self, fleet: Fleet) -> Iterator[Condition]:
        policy = self._policy.clock
        heard = [
            (device, (device.latest[0].time_ms - device.latest[0].received_ms) / 1000)
            for device in fleet.devices
            if device.latest and fleet.now_ms - device.latest[0].received_ms < _FRESH_MS
        ]
        ahead = [(device, ahead_s) for device, ahead_s in heard if ahead_s >= policy.ahead_s]
        if len(ahead) >= policy.min_devices and len(ahead) >= policy.share * len(heard):
            middle_s = sorted(ahead_s for _, ahead_s in ahead)[len(ahead) // 2]
            evidence = {"devices": len(ahead), "of": len(heard), "median_ahead_s": round(middle_s)}
            yield Condition("clock_wrong", "clock:gateway", SERIOUS, evidence)
            return
        for device, ahead_s in ahead[: self._policy.devices.most_single]:
            evidence = {"ahead_s": round(ahead_s)}
            yield Condition("clock_wrong", f"device:{device.name}", WARNING, evidence)


def _names(devices: Sequence[Device]) -> list[str]:
    return [device.name for device in devices[:_NAMED]]
