"""What boards need beyond readings and rollups, as points of the databases.

Findings of the analyst, and what the fleet, the registry and the gateway itself say at a moment,
become lines (the table "Derived measurements" of docs/sinks.md). ``Teller`` puts them into an
outbox of their own, which the drains of the sinks empty like the others.
"""

from gateway.sinks.derived.point import Point, Writer
from gateway.sinks.derived.teller import Teller, TellerRooms

__all__ = ["Point", "Teller", "TellerRooms", "Writer"]
