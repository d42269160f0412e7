"""Every metric that a gateway has: its kind, its labels, and what it says, in one sentence.

``/metrics`` takes its help texts from here, ``docs/operations.md`` its table
(``tools/operations_doc.py``); a test holds both against the code.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Term(NamedTuple):
    """One metric."""

    kind: str  # counter | gauge | histogram
    labels: tuple[str, ...]
    text: str


def _counter(text: str, *labels: str) -> Term:
    return Term("counter", labels, text)


def _gauge(text: str, *labels: str) -> Term:
    return Term("gauge", labels, text)


def _histogram(text: str) -> Term:
    return Term("histogram", (), text)


METRICS: Mapping[str, Term] = {
    # the accounts, from the store: they outlive every process
    "infragate_messages_received_total": _counter("Messages in the journal, requeued ones once"),
    "infragate_messages_stored_total": _counter("Messages of which something is stored"),
    "infragate_messages_duplicate_total": _counter("Messages that brought nothing new"),
    "infragate_messages_quarantined_total": _counter("Messages in quarantine; a requeue lowers it"),
    "infragate_messages_pending": _gauge("Messages that the pipeline has not reached"),
    "infragate_readings_received_total": _counter("Readings; a pending message counts as one"),
    "infragate_readings_stored_total": _counter("Readings stored"),
    "infragate_readings_duplicate_total": _counter("Readings that were stored already"),
    "infragate_readings_quarantined_total": _counter("Readings in quarantine; a requeue lowers it"),
    "infragate_readings_pending": _gauge("Messages that the pipeline has not reached, one each"),
    "infragate_devices": _gauge("Devices", "sector", "state"),
    # the intake
    "infragate_journal_bytes": _gauge("Size of the journal on disk"),
    "infragate_journal_congested": _gauge("1 while sources do not read: the disk is full or slow"),
    "infragate_commit_seconds": _histogram("Duration of a group commit of the journal"),
    "infragate_listener_connections": _gauge("Clients of a listener", "source"),
    "infragate_listener_subscriptions": _gauge("Subscriptions of its clients", "source"),
    "infragate_listener_events_total": _counter(
        "What happened at a listener: connections, refusals, throttling …", "source", "event"
    ),
    "infragate_source_connected": _gauge("1 while the broker has us", "source"),
    "infragate_source_reconnects_total": _counter("Connections after the first", "source"),
    "infragate_source_sessions_lost_total": _counter(
        "Times the broker had forgotten our session: devices send again", "source"
    ),
    "infragate_source_filters_refused": _gauge("Filters not granted at QoS 1", "source"),
    "infragate_source_publishes_dropped_total": _counter(
        "Receipts not sent since the broker was slow; the next one repeats them", "source"
    ),
    "infragate_child_restarts_total": _counter("Processes that ended and were started", "child"),
    "infragate_insecure": _gauge("1 where insecure = true lays something open to the network"),
    "infragate_snapshots_failed_total": _counter("Times these numbers could not be written down"),
    # the processor
    "infragate_step_seconds": _histogram("Duration of one step of the processor"),
    "infragate_batch_messages": _gauge("Messages of the last step"),
    "infragate_end_to_end_seconds": _histogram("From receipt of a message to visible readings"),
    "infragate_quarantined_total": _counter(
        "Readings put into quarantine since the start, requeued ones again", "reason"
    ),
    "infragate_disk_full_total": _counter("Writes that had to wait for room on the disk"),
    # the analyst
    "infragate_findings_total": _counter("Alarms found or found again", "domain"),
    "infragate_analysis_step_seconds": _histogram("Duration of one step of the analyst"),
    "infragate_analysis_pending": _gauge("Days of groups of meters to be worked out", "domain"),
    # the annunciator
    "infragate_alarms_open": _gauge("Alarms that last and are not suppressed", "severity"),
    "infragate_alarms_raised_total": _counter("Alarms raised, or come again"),
    "infragate_alarm_calls_total": _counter("Messages about alarms to monitors over MQTT"),
    # the keeper
    "infragate_sink_up": _gauge("0 while tries fail", "sink"),
    "infragate_sink_lag_seconds": _gauge("Age of the oldest record that waits", "sink"),
    "infragate_sink_pending_records": _gauge("Outbox records that wait", "sink"),
    "infragate_sink_written_total": _counter("Lines accepted, replays included", "sink"),
    "infragate_sink_refused_total": _counter("Lines handed over as refused", "sink"),
    "infragate_sink_empty_total": _counter("Readings without any value", "sink"),
    "infragate_sink_errors_total": _counter("Failed tries", "kind", "sink"),
    "infragate_sink_replays_total": _counter("Restarts of a server that were made good", "sink"),
    "infragate_sink_skipped_records_total": _counter(
        "Outbox records deleted before the sink took them", "sink"
    ),
    "infragate_derived_told_total": _counter("Lines of derived measurements put into their outbox"),
    "infragate_derived_unreadable_total": _counter(
        "Findings of another version that could not be told", "domain"
    ),
    "infragate_derived_unwritable_total": _counter("Points that no line can carry"),
}
