"""The verdict: what the gateway shows, held against what was sent and promised."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulators.chaos.api import Api, ApiError
from simulators.chaos.ledger import LOG, Book, Ledger

_COLUMNS = (("ea_imp", 1), ("ea_exp", 1), ("p", 1), ("u", 10), ("i", 100), ("pf", 1000))
_EXAMPLES = 5


@dataclass
class Verdict:
    """How many of each, and the first few of them in words."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    absent: set[tuple[str, int]] = field(default_factory=set)  # readings that are not stored

    def add(self, kind: str, what: str) -> None:
        """Note one more."""
        self.counts[kind] += 1
        found = self.examples.setdefault(kind, [])
        if len(found) < _EXAMPLES:
            found.append(what)

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not any(self.counts.values())


def judge(ledger: Ledger, api: Api) -> Verdict:
    """Ask the gateway for everything, and say what is wrong with it.

    Raises:
        ApiError: it does not answer.
    """
    verdict = Verdict()
    for book in ledger.books:
        _judge_readings(book, api, verdict)
    known = {book.name for book in ledger.books}
    for line in api.pages("/api/v1/devices", "devices"):
        if line["device"] not in known and line.get("stored", 0):
            verdict.add("phantom", f"device {line['device']} has {line['stored']} readings")
    _judge_quarantine(ledger, api, verdict)
    _judge_accounts(api, verdict)
    return verdict


def _judge_readings(book: Book, api: Api, verdict: Verdict) -> None:
    seen: set[int] = set()
    for reading in _readings(book, api):
        seq = reading["seq"]
        if seq in seen:
            verdict.add("duplicated", f"{book.name} {seq}")
        elif seq is None or reading["log"] != LOG or not 1 <= seq <= book.last:
            verdict.add("phantom", f"{book.name} log {reading['log']} number {seq}")
            continue
        seen.add(seq)
        if not _is_right(book, seq, reading):
            verdict.add("corrupted", f"{book.name} {seq}: {reading}")
    for seq in range(1, book.last + 1):
        if seq not in seen:
            kind = "lost" if book.is_promised(seq) else "never_taken"
            verdict.add(kind, f"{book.name} {seq}")
            verdict.absent.add((book.name, seq))


def _readings(book: Book, api: Api) -> Iterator[dict[str, Any]]:
    if not book.last:
        return
    span = {"from": "0", "to": str(book.times_ms[-1] + 10 * 365 * 86_400_000)}
    try:
        yield from api.pages(
            "/api/v1/readings", "readings", device=book.name, profile="em1", **span
        )
    except ApiError as error:
        if ": 404 " not in str(error):  # a device that it has never heard of
            raise


def _is_right(book: Book, seq: int, reading: dict[str, Any]) -> bool:
    time_ms = round(datetime.fromisoformat(reading["time"]).timestamp() * 1000)
    shown = tuple(
        None if reading[name] is None else round(reading[name] * scale) for name, scale in _COLUMNS
    )
    is_same = shown == book.values(seq) and reading["status"] == 0
    return is_same and time_ms == book.times_ms[seq - 1]


def _judge_quarantine(ledger: Ledger, api: Api, verdict: Verdict) -> None:
    found: dict[tuple[str, str], int] = {}
    for line in api.pages("/api/v1/quarantine", "quarantine"):
        key = (line["topic"], line["sha256"])
        found[key] = line["id"]
        if key not in ledger.bad_sent:
            verdict.add("phantom", f"quarantine {line['id']} {line['topic']} {line['reason']}")
    for key, bad in ledger.bad_promised.items():
        number = found.get(key)
        if number is None:
            verdict.add("missing_quarantine", f"{bad.topic} {bad.payload[:60]!r}")
        elif api.get(f"/api/v1/quarantine/{number}/payload") != bad.payload:
            verdict.add("missing_quarantine", f"{number} has other bytes than {bad.payload[:60]!r}")


def _judge_accounts(api: Api, verdict: Verdict) -> None:
    accounts = api.accounts()
    for part in (accounts, accounts["messages"], accounts["readings"]):
        total = part["stored"] + part["duplicate"] + part["quarantined"] + part["pending"]
        if part["received"] != total:
            verdict.add("accounts_off", f"{part}")
