"""The seams: who calls, when, what survives, which errors. One contract suite each.

Five processes share one data directory and meet only here (``app.py`` starts them):

=========  ======================================================  =======================
process    does                                                    the only writer of
=========  ======================================================  =======================
intake     sources → journal → PUBACK; receipts; control socket    ``journal/``
processor  journal → pipeline → store, ledger, quarantine, outbox  ``store/`` rows, state
keeper     outbox → sinks; merges pages, rollups, retention        sink cursors, merges, rollups
analyst    what the readings mean: energy, transport               ``derived.sqlite``
web        API, metrics and board                                  nothing
=========  ======================================================  =======================

A child that dies is started again alone; when the intake dies, the others go with it. Either way
there is one recovery: the journal drops its torn tail, the store drops what lies past the last
checkpoint, and the processor goes on from there. Everything after the journal is a function of it.
"""

from gateway.ports.analysis import Alarm, Changes, Engine, Findings, Memo, Result
from gateway.ports.decoding import (
    Collecting,
    Decode,
    DeviceDirectory,
    Raw,
    Route,
    RowsHeader,
    RowsHeads,
)
from gateway.ports.intake import (
    Authenticator,
    ClientRole,
    Credentials,
    Identity,
    Intake,
    Message,
    Publisher,
    Source,
)
from gateway.ports.keeping import (
    Checkpoint,
    CountRow,
    DeviceRow,
    JournalReading,
    LatestRow,
    MemoryRow,
    StoreWriter,
    StreamRow,
    Totals,
)
from gateway.ports.sending import Sink

__all__ = [
    "Alarm",
    "Authenticator",
    "Changes",
    "Checkpoint",
    "ClientRole",
    "Collecting",
    "CountRow",
    "Credentials",
    "Decode",
    "DeviceDirectory",
    "DeviceRow",
    "Engine",
    "Findings",
    "Identity",
    "Intake",
    "JournalReading",
    "LatestRow",
    "Memo",
    "MemoryRow",
    "Message",
    "Publisher",
    "Raw",
    "Result",
    "Route",
    "RowsHeader",
    "RowsHeads",
    "Sink",
    "Source",
    "StoreWriter",
    "StreamRow",
    "Totals",
]
