"""The register as lines: a day of each device, and the list of work as it stands."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.ports import Alarm, Result
from gateway.registry import Device
from gateway.transport.assets.policy import AssetPolicy
from gateway.transport.assets.register import Trouble, WorkItem, service, stage

ASSETS, WORK = "assets", "work"
EVERYTHING = "site:all"
_MOST_WORK = 500
_PREFIXES, _DEVICE = ("detector_", "roadside_"), "device:"
_DIGITS = 4


def troubles_of(alarms: Iterable[Alarm]) -> list[Trouble]:
    """Return what detector alarms say of equipment; those that were taken back say nothing."""
    found = []
    for one in alarms:
        if not (one.kind.startswith(_PREFIXES) and one.place.startswith(_DEVICE)):
            continue
        evidence = msgspec.json.decode(one.evidence)
        if "withdrawn" in evidence:
            continue
        cause = str(evidence.get("cause", ""))
        name, fault = one.place.removeprefix(_DEVICE), one.kind.partition("_")[2]
        known = cause if cause != "unknown" else ""
        found.append(Trouble(name, fault, known, one.raised_ms, one.cleared_ms))
    return found


def day_lines(
    devices: Iterable[Device],
    troubles: Sequence[Trouble],
    day_ms: tuple[int, int],
    now_ms: int,
    policy: AssetPolicy,
) -> list[Result]:
    """Return how each device has served in a day.

    Args:
        devices: of the registry.
        troubles: of all of them.
        day_ms: begin and end; of a day that lasts what has passed counts.
        now_ms: wall clock.
        policy: target, gap.
    """
    by_asset: dict[str, list[Trouble]] = {}
    for one in troubles:
        by_asset.setdefault(one.asset, []).append(one)
    begin_ms, end_ms = day_ms
    until_ms = min(end_ms, now_ms)
    lines = []
    for device in devices:
        mine = by_asset.get(device.id, [])
        served = service(device, mine, begin_ms, until_ms, policy)
        available = served.availability
        body = {
            "stage": stage(device, until_ms, mine).value,
            "service_s": round(served.service_s),
            "down_s": round(served.down_s),
            "failures": served.failures,
            "availability": _rounded(available),
            "is_below_target": available is not None and available < policy.target_availability,
            "mtbf_h": _rounded(served.mtbf_h),
            "mttr_h": _rounded(served.mttr_h),
        }
        lines.append(Result(ASSETS, f"{_DEVICE}{device.id}", begin_ms, end_ms, _json(body)))
    return lines


def work_line(items: Sequence[WorkItem], day_ms: tuple[int, int], now_ms: int) -> Result:
    """Return the list of work as it stands, the most urgent first; one line a day, renewed."""
    body = {
        "as_of_ms": now_ms,
        "open": len(items),
        "items": [
            {
                "place": item.place,
                "action": item.action,
                "assets": item.assets,
                "since_ms": item.since_ms,
                "priority": item.priority,
            }
            for item in items[:_MOST_WORK]
        ],
    }
    return Result(WORK, EVERYTHING, *day_ms, _json(body))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _json(body: object) -> str:
    return msgspec.json.encode(body).decode()
