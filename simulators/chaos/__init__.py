"""A gateway under kills, pauses, full disks and broken networks, and a ledger that judges it."""
