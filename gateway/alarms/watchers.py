"""What is wrong with the gateway, from the numbers its processes keep of themselves."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.alarms.own import Condition
from gateway.alarms.policy import AlarmPolicy
from gateway.alarms.rates import Rates
from gateway.stats import Sample

WARNING, SERIOUS, CRITICAL = 2, 3, 4
# severity of a process that has nothing to say: without the first two nothing gets in or is seen
_VITAL = {"intake": CRITICAL, "processor": CRITICAL}
# reasons that are never a sender's doing, each of which is an alarm with the first message
_AT_ONCE = {"journal_damage": "journal_damaged", "fault": "decoder_fault"}

IsOpen = Callable[[str, str], bool]  # kind, place


class Look(NamedTuple):
    """What can be seen of the gateway at one moment."""

    now_ms: int
    samples: Iterable[Sample]
    ages_s: Mapping[str, float]  # process → age of its last word
    free_share: float  # of the file system of the data
    free_bytes: int
    journal_max_bytes: int


class Watchers:
    """All of them; one look a second."""

    def __init__(self, policy: AlarmPolicy, is_open: IsOpen) -> None:
        self._policy, self._is_open = policy, is_open
        self._quarantine = Rates(policy.quarantine.window_s)
        self._restarts = Rates(policy.process.window_s)
        self._attacks = Rates(policy.attacks.window_s)

    def look(self, look: Look) -> Iterator[Condition]:
        """Yield what is wrong."""
        gauges: dict[str, dict[str, float]] = {}
        counters: dict[str, dict[tuple[str, ...], float]] = {}
        for one in look.samples:
            values = tuple(value for _, value in one.labels)
            if one.kind == "gauge":
                gauges.setdefault(one.name, {})["/".join(values)] = one.value
            elif one.kind == "counter":
                counters.setdefault(one.name, {})[values] = one.value
        yield from self._sinks(gauges)
        yield from self._brokers(gauges)
        yield from self._disk(look)
        yield from self._journal(gauges, look.journal_max_bytes)
        yield from self._processes(look.ages_s, counters, look.now_ms)
        yield from self._unread(counters, look.now_ms)
        yield from self._attackers(counters, look.now_ms)

    def _sinks(self, gauges: Mapping[str, Mapping[str, float]]) -> Iterator[Condition]:
        policy = self._policy.sink
        lags_s = gauges.get("infragate_sink_lag_seconds", {})
        waiting = gauges.get("infragate_sink_pending_records", {})
        for name, up in gauges.get("infragate_sink_up", {}).items():
            place, lag_s = f"sink:{name}", lags_s.get(name, 0.0)
            evidence = {"lag_s": round(lag_s), "pending_records": int(waiting.get(name, 0))}
            if up == 0:
                yield Condition("sink_down", place, SERIOUS, evidence, policy.down_s)
                continue
            limit_s = policy.caught_up_s if self._is_open("sink_behind", place) else policy.behind_s
            if lag_s > limit_s:
                yield Condition("sink_behind", place, WARNING, evidence)

    def _brokers(self, gauges: Mapping[str, Mapping[str, float]]) -> Iterator[Condition]:
        for name, up in gauges.get("infragate_source_connected", {}).items():
            if up == 0:
                hold_s = self._policy.broker.away_s
                yield Condition("broker_away", f"source:{name}", SERIOUS, {"up": 0}, hold_s)

    def _disk(self, look: Look) -> Iterator[Condition]:
        policy, kind, place = self._policy.disk, "disk_nearly_full", "disk:data"
        limit = policy.free_clear if self._is_open(kind, place) else policy.free_raise
        if look.free_share < limit:
            severity = CRITICAL if look.free_share < policy.free_critical else SERIOUS
            evidence = {"free_share": round(look.free_share, 3), "free_bytes": look.free_bytes}
            yield Condition(kind, place, severity, evidence, policy.hold_s)

    def _journal(
        self, gauges: Mapping[str, Mapping[str, float]], most_bytes: int
    ) -> Iterator[Condition]:
        policy, place = self._policy.journal, "journal:intake"
        size_bytes = gauges.get("infragate_journal_bytes", {}).get("", 0.0)
        evidence = {"journal_bytes": int(size_bytes), "journal_max_bytes": most_bytes}
        if gauges.get("infragate_journal_congested", {}).get("", 0.0) > 0:
            hold_s = policy.congested_s
            yield Condition("journal_congested", place, CRITICAL, evidence, hold_s)
        kind = "journal_nearly_full"
        limit = policy.share_clear if self._is_open(kind, place) else policy.share_raise
        if size_bytes > limit * most_bytes:
            yield Condition(kind, place, SERIOUS, evidence)

    def _processes(
        self,
        ages_s: Mapping[str, float],
        counters: Mapping[str, Mapping[tuple[str, ...], float]],
        now_ms: int,
    ) -> Iterator[Condition]:
        policy = self._policy.process
        for name, age_s in ages_s.items():
            if age_s > policy.silent_s:
                severity, evidence = _VITAL.get(name, SERIOUS), {"silent_s": round(age_s)}
                yield Condition("process_silent", f"process:{name}", severity, evidence)
        self._restarts.add(now_ms, counters.get("infragate_child_restarts_total", {}))
        for (name, *_), number in self._restarts.rises(now_ms).items():
            if number >= self._limit(policy.restarts, "process_restarting", f"process:{name}"):
                evidence = {"restarts": number, "window_s": round(policy.window_s)}
                yield Condition("process_restarting", f"process:{name}", SERIOUS, evidence)

    def _unread(
        self, counters: Mapping[str, Mapping[tuple[str, ...], float]], now_ms: int
    ) -> Iterator[Condition]:
        policy = self._policy.quarantine
        self._quarantine.add(now_ms, counters.get("infragate_quarantined_total", {}))
        for (reason, *_), number in self._quarantine.rises(now_ms).items():
            is_ill, kind = reason in _AT_ONCE, _AT_ONCE.get(reason, "quarantine_burst")
            place = f"reason:{reason}"
            most = policy.damaged if is_ill else policy.readings
            if number >= self._limit(most, kind, place):
                evidence = {"readings": number, "window_s": round(policy.window_s)}
                yield Condition(kind, place, SERIOUS if is_ill else WARNING, evidence)

    def _attackers(
        self, counters: Mapping[str, Mapping[tuple[str, ...], float]], now_ms: int
    ) -> Iterator[Condition]:
        policy, kind = self._policy.attacks, "attack_signs"
        self._attacks.add(now_ms, counters.get("infragate_listener_events_total", {}))
        seen: dict[str, dict[str, int]] = {}
        for (event, source), number in self._attacks.rises(now_ms).items():
            sign = "refused" if event.startswith("refused") else event
            signs = seen.setdefault(f"source:{source}", {})
            signs[sign] = signs.get(sign, 0) + number
        for place, signs in seen.items():
            limits = {sign: self._limit(most, kind, place) for sign, most in policy.limits.items()}
            over = {sign: n for sign, n in signs.items() if n >= limits.get(sign, n + 1)}
            if over:
                evidence = {**over, "window_s": round(policy.window_s)}
                yield Condition(kind, place, SERIOUS, evidence)

    def _limit(self, most: int, kind: str, place: str) -> int:
        """Return the limit to raise, half of it to end."""
        return max(1, most // 2) if self._is_open(kind, place) else most
