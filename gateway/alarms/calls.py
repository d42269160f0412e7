"""What monitors are told over MQTT: an alarm on a topic of its own, retained while it is open.

``infragate/1/<org>/alarms/<domain>/<kind>/<id>`` (docs/protocol.md): outside the lanes of devices,
so no device can read or write it. What a maintenance window suppresses is not called out.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from gateway.alarms.policy import AlarmPolicy
from gateway.store.alarms import KeptAlarm, State
from gateway.views.alarms import to_call

_LEVEL = re.compile(r"[^A-Za-z0-9_.-]")  # a kind comes from a policy file of the site


class Call(NamedTuple):
    """One PUBLISH."""

    topic: str
    payload: str
    retain: bool


class Calls:
    """Remembers what monitors know, so that only what they care for is called out again."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[object, ...]] = {}  # as many as alarms are open

    def of(self, alarms: Iterable[KeptAlarm], policy: AlarmPolicy) -> list[Call]:
        """Return what has to be told of alarms that have changed."""
        calls: list[Call] = []
        for alarm in alarms:
            topic = topic_of(alarm)
            is_quiet = bool(alarm.suppressed)
            if alarm.state is State.CLEARED or is_quiet:
                is_late = policy.is_history(alarm.cleared_ms, alarm.updated_ms)
                if self._told.pop(alarm.id, None) is not None or not (is_quiet or is_late):
                    calls.append(Call(topic, _payload(alarm), retain=False))
                    calls.append(Call(topic, "", retain=True))  # nobody who comes now is told
                continue
            known = (alarm.state, alarm.severity, alarm.times)
            if self._told.get(alarm.id) != known:
                self._told[alarm.id] = known
                calls.append(Call(topic, _payload(alarm), retain=True))
        return calls

    def all_of(
        self, opened: Iterable[KeptAlarm], over: Iterable[KeptAlarm], policy: AlarmPolicy
    ) -> list[Call]:
        """Return everything for who knows nothing, or what was true long ago: after a restart."""
        self._told.clear()
        ends = [Call(topic_of(one), "", retain=True) for one in over]
        return ends + self.of(opened, policy)


def topic_of(alarm: KeptAlarm) -> str:
    """Return the topic of an alarm."""
    levels = (alarm.org, "alarms", alarm.domain, alarm.kind, alarm.id)
    return "infragate/1/" + "/".join(_LEVEL.sub("_", level) for level in levels)


def _payload(alarm: KeptAlarm) -> str:
    return msgspec.json.encode(to_call(alarm)).decode()
