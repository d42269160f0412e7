"""Alarms as API, board and command line show them: what is open, and where the evidence is."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from gateway.store.alarms import AlarmReader, KeptAlarm, Tally, Window
from gateway.views.engineering import time_text

# A wall shows what a shift can work through; the list of the API pages through all.
MOST_SHOWN = 500
# Characters of evidence in a message: of a feeder it may name 10,000 meters, and a retained message
# of the listener has at most 64 KiB.
MOST_CALLED = 16_384
API = "/api/v1"
# around an alarm, for the evidence: lines of a local day begin up to 24 h before it
BEFORE_MS, AFTER_MS = 26 * 3_600_000, 3_600_000

# kind → the series whose lines of the same place show what the alarm is made of
SERIES = {
    "loss": "balance",
    "undervoltage": "violations",
    "overvoltage": "violations",
    "standby": "insight",
    "budget": "insight",
    "prolonged_estimation": "days",
    "use_while_disconnected": "days",
    "feed_in": "days",
    "scale_drift": "weighing",
    "speed_advice": "live",
    "toll_reader_failed": "tolls",
}


class OpenAlarms(NamedTuple):
    """What is open at one moment; shared by all who watch."""

    alarms: Sequence[KeptAlarm]  # called out first, severe first, new first; at most MOST_SHOWN
    tally: Sequence[Tally]  # of all of them

    def number_open(self, *, is_suppressed: bool = False) -> int:
        """Return how many are open, or kept quiet by a maintenance window."""
        return sum(one.number for one in self.tally if one.is_suppressed is is_suppressed)

    def by_severity(self) -> dict[int, int]:
        """Return how many are called out, by severity 1 to 4."""
        found = dict.fromkeys(range(1, 5), 0)
        for one in self.tally:
            if not one.is_suppressed:
                found[one.severity] = found.get(one.severity, 0) + one.number
        return found


class Links(NamedTuple):
    """Where the evidence of an alarm is."""

    api: str
    board: str


def look(reader: AlarmReader) -> OpenAlarms:
    """Return what is open now."""
    return OpenAlarms(reader.open(MOST_SHOWN), reader.tally())


def device_of(alarm: KeptAlarm) -> str:
    """Return the device that an alarm is of, "" where it is of something else."""
    level, _, name = alarm.place.partition(":")
    return name if level == "device" else ""


def links_of(alarm: KeptAlarm) -> Links:
    """Return where to look: the numbers in the API, the page of the board."""
    device = device_of(alarm)
    board = "/alarm?" + urlencode({"id": alarm.id})
    if alarm.domain == "gateway":
        return Links(_own(alarm, device), board)
    until_ms = (alarm.cleared_ms or alarm.updated_ms) + AFTER_MS
    span = {"from": str(alarm.raised_ms - BEFORE_MS), "to": str(until_ms)}
    series = SERIES.get(alarm.kind, "alarms")
    if series == "violations" and not device:  # of meters; a place has its alarm only
        series = "alarms"
    query = urlencode({"place": alarm.place, **span})
    return Links(f"{API}/{alarm.domain}/{series}?{query}", board)


def _own(alarm: KeptAlarm, device: str) -> str:
    if device:
        return f"{API}/devices/{device}"
    of, _, reason = alarm.place.partition(":")
    if of == "reason":
        return f"{API}/quarantine?{urlencode({'reason': reason})}"
    return "/metrics"


def to_document(alarm: KeptAlarm) -> dict[str, object]:
    """Return an alarm as the API, its stream and MQTT show it."""
    acknowledged = None
    if alarm.ack_ms:
        when = time_text(alarm.ack_ms)
        acknowledged = {"by": alarm.ack_who, "at": when, "note": alarm.ack_note}
    return {
        "id": alarm.id,
        "state": alarm.state,
        "severity": alarm.severity,
        "domain": alarm.domain,
        "kind": alarm.kind,
        "place": alarm.place,
        "org": alarm.org,
        "raised": time_text(alarm.raised_ms),
        "found": time_text(alarm.found_ms),
        "updated": time_text(alarm.updated_ms),
        "cleared": time_text(alarm.cleared_ms) if alarm.cleared_ms else None,
        "last_raised": time_text(alarm.last_raised_ms),
        "times": alarm.times,
        "confidence": alarm.confidence,
        "acknowledged": acknowledged,
        "suppressed": alarm.suppressed or None,
        "evidence": msgspec.Raw(alarm.evidence.encode()),
        "links": links_of(alarm)._asdict(),
    }


def to_window(window: Window, now_ms: int) -> dict[str, object]:
    """Return a maintenance window as API and command line show it."""
    return {
        "id": window.id,
        "state": window.stage(now_ms),
        "subject": window.subject,
        "begin": time_text(window.from_ms),
        "end": time_text(window.to_ms),
        "reason": window.reason,
        "by": window.who,
        "since": time_text(window.when_ms),
        "ended_by": window.ended_who or None,
        "ended": time_text(window.ended_ms) if window.ended_ms else None,
    }


def to_call(alarm: KeptAlarm) -> dict[str, object]:
    """Return an alarm as it is called out: long evidence is left where ``links.api`` says."""
    is_long = len(alarm.evidence) > MOST_CALLED
    return to_document(alarm) | ({"evidence": None} if is_long else {})
