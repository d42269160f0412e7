"""What the truth file and the gateway's API say: the one place that knows their shapes.

Today the gateway reports what devices report of themselves: event codes of meters. Alarms of its
sectors come on the same list with a kind of their own (``/api/v1/events``); their detail may
name a node in ``where`` and estimates as numbers.
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
_PHASES = range(3)
# docs/protocol.md §7: what a meter's own event may mean
CODES: Mapping[int, tuple[str, ...]] = {
    1: (*_OUTAGES, "phase_loss"),
    99: (*_OUTAGES, "phase_loss"),
    **dict.fromkeys((40, 42, 44, 48), ("bypass",)),
    **{77 + k: ("voltage_out_of_band",) for k in _PHASES},
    **{80 + k: ("voltage_out_of_band",) for k in _PHASES},
    **{86 + k: ("phase_loss",) for k in _PHASES},
    4: ("clock_drift",),
    6: ("clock_drift",),
}
_NOT_ALARMS = frozenset({"event", "state", "reply", "gap"})
OF_DEVICES = frozenset(kind for kinds in CODES.values() for kind in kinds)


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
        self._connection.request("GET", f"/api/v1/{quote(path)}?{urlencode(known)}")
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"{path}: {answer.status} {body[:200].decode(errors='replace')}")
        content: dict[str, object] = json.loads(body)
        return content

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def read_claims(api: Api, begin: str, end: str) -> list[Claim]:
    """Return what the gateway says of a time, its own alarms and what devices report.

    Raises:
        OSError: the API does not answer.
    """
    claims: list[Claim] = []
    after: object = None
    while len(claims) < MOST_CLAIMS:
        query = {"from": begin, "to": end, "limit": PAGE, "after": after}
        answer = api.get("events", **query)
        events = answer["events"]
        if not isinstance(events, list):
            raise OSError("events: not a list")
        claims += [claim for event in events for claim in claims_of(event)]
        after = answer["next"]
        if after is None:
            break
    return claims


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
