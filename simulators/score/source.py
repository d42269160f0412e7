"""What the truth file and the gateway's API say: the one place that knows their shapes.

Devices report events of their own (``/api/v1/events``); the gateway's alarms of a sector are at
``/api/v1/<sector>/alarms`` (docs/energy.md names their kinds), each with a place and with estimates
as numbers in its evidence.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from simulators.city.city import parse_ms
from simulators.score.match import Claim, Fact

PAGE = 10_000
TIMEOUT_S = 30.0
MOST_CLAIMS = 1_000_000
_OUTAGES = ("transformer_outage", "feeder_outage")
_JAMS = ("stalled_vehicle", "lane_closure", "queue_spillback", "road_flood")
_POWER = (*_OUTAGES, "phase_loss", "service_outage")
_PHASES = range(3)
# docs/protocol.md §7: what a meter's own event may mean
CODES: Mapping[int, tuple[str, ...]] = {
    1: _POWER,
    99: _POWER,
    **dict.fromkeys((40, 42, 44, 48), ("bypass",)),
    **{77 + k: ("voltage_out_of_band",) for k in _PHASES},
    **{80 + k: ("voltage_out_of_band",) for k in _PHASES},
    **{86 + k: ("phase_loss",) for k in _PHASES},
    4: ("clock_drift",),
    6: ("clock_drift",),
}
# docs/energy.md: which truths an alarm may be of; the first is what it counts as where it is wrong
ALARMS: Mapping[str, tuple[str, ...]] = {
    "service_outage": ("service_outage", *_OUTAGES, "phase_loss"),
    "partial_outage": ("phase_loss", *_OUTAGES),
    "transformer_outage": _OUTAGES,
    "feeder_outage": ("feeder_outage",),
    "substation_outage": ("substation_outage", "feeder_outage"),
    "comms_outage": ("comms_outage",),
    "undervoltage": ("voltage_out_of_band",),
    "overvoltage": ("voltage_out_of_band",),
    "loss": ("theft", "bypass", "reversed_ct", "meter_stopped"),
    "wrong_transformer": ("wrong_transformer",),
    # docs/transport.md
    "detector_no_data": ("detector_dead", "road_comms_outage", "cabinet_dark"),
    "detector_locked_on": ("detector_stuck",),
    "detector_chatter": ("detector_chatter", "detector_over_count"),
    "detector_no_hits": ("detector_card_off",),
    "detector_no_change": ("detector_constant",),
    "detector_hanging": ("detector_hanging",),
    "detector_occupancy_spike": ("detector_hanging",),
    "detector_over_count": ("detector_over_count", "detector_cross_talk", "detector_chatter"),
    "detector_under_count": ("detector_under_count",),
    "detector_cross_talk": ("detector_cross_talk", "detector_over_count"),
    "lane_unused": ("lane_closure",),
    "incident": _JAMS,
    "lane_closed": _JAMS,
    "queue_spillback": _JAMS,
    "toll_reader_failed": ("toll_reader_failure",),
    "overload": ("overload_truck",),
}
SECTORS = ("energy", "transport")
_NOT_ALARMS = frozenset({"event", "state", "reply", "gap"})
OF_DEVICES = frozenset(kind for kinds in CODES.values() for kind in kinds)
OF_ALARMS = frozenset(kind for kinds in ALARMS.values() for kind in kinds)


def read_truth(file: Path) -> tuple[list[Fact], int, int]:
    """Return the facts of a truth file, and from when to when it speaks.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a truth file.
    """
    content = json.loads(file.read_text("utf-8"))
    try:
        facts = [_fact(entry) for entry in content["scenarios"]]
        return facts, parse_ms(content["from"]), parse_ms(content["to"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file}: not a truth file: {error!r}") from error


def _fact(entry: Mapping[str, object]) -> Fact:
    touches, magnitude = entry.get("touches", []), entry.get("magnitude", {})
    if not isinstance(touches, list) or not isinstance(magnitude, dict):
        raise TypeError("touches is a list and magnitude an object")
    numbers = {k: float(v) for k, v in magnitude.items() if isinstance(v, int | float)}
    places = frozenset([str(entry["where"]), *map(str, touches)])
    begin_ms, end_ms = parse_ms(str(entry["from"])), parse_ms(str(entry["to"]))
    return Fact(str(entry["what"]), places, begin_ms, end_ms, numbers)


class Api:
    """The gateway's API; the connection is kept, an answer is read whole."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError("--api must be http://host[:port]")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, TIMEOUT_S)

    def get(self, path: str, **query: object) -> dict[str, object]:
        """Return an answer.

        Raises:
            OSError: nobody there, or not what was asked for.
        """
        known = {name: value for name, value in query.items() if value is not None}
        try:
            self._connection.request("GET", f"/api/v1/{quote(path)}?{urlencode(known)}")
            answer = self._connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"{path}: {error!r}") from error
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"{path}: {answer.status} {body[:200].decode(errors='replace')}")
        content: dict[str, object] = json.loads(body)
        return content

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def read_claims(api: Api, begin: str, end: str, *, at: str = "found") -> list[Claim]:
    """Return what the gateway says of a time, its own alarms and what devices report.

    Args:
        api: of the gateway.
        begin: RFC 3339.
        end: RFC 3339.
        at: which time of an alarm counts: ``found``, or ``raised`` where the city ran faster
            than the gateway's clock.

    Raises:
        OSError: the API does not answer.
    """
    claims = [c for event in _pages(api, "events", begin, end) for c in claims_of(event)]
    for sector in SECTORS:
        told = _pages(api, f"{sector}/alarms", begin, end)
        claims += [claim_of_alarm(alarm, at) for alarm in told]
    return claims


def _pages(api: Api, path: str, begin: str, end: str) -> Iterator[Mapping[str, object]]:
    after: object = None
    for _ in range(MOST_CLAIMS // PAGE):
        query = {"from": begin, "to": end, "limit": PAGE, "after": after}
        answer = api.get(path, **query)
        entries = answer[path.rpartition("/")[2]]
        if not isinstance(entries, list):
            raise OSError(f"{path}: not a list")
        yield from entries
        after = answer["next"]
        if after is None:
            return


def claim_of_alarm(alarm: Mapping[str, object], at: str) -> Claim:
    """Return what an alarm of a sector claims."""
    kind, evidence = str(alarm["kind"]), alarm.get("evidence")
    known = evidence if isinstance(evidence, dict) else {}
    estimate = {k: float(v) for k, v in known.items() if isinstance(v, int | float)}
    place = str(alarm["place"]).partition(":")[2]
    return Claim(ALARMS.get(kind, (kind,)), place, parse_ms(str(alarm[at])), estimate)


def claims_of(event: Mapping[str, object]) -> Iterator[Claim]:
    """Yield what one event of the API claims, if anything."""
    kind, detail = str(event["kind"]), event.get("detail")
    at_ms, device = parse_ms(str(event["time"])), event.get("device")
    if kind == "event":
        kinds = CODES.get(int(str(event["code"])))
        if kinds is not None and device is not None:
            yield Claim(kinds, str(device), at_ms)
    elif kind not in _NOT_ALARMS:
        known = detail if isinstance(detail, dict) else {}
        estimate = {k: float(v) for k, v in known.items() if isinstance(v, int | float)}
        yield Claim((kind,), str(known.get("where", device)), at_ms, estimate)
