"""The journal: raw messages on disk before anything else is done with them."""

from gateway.journal.audit import Damage, Report, last_number, verify
from gateway.journal.journal import Journal
from gateway.journal.reader import JournalReader

__all__ = ["Damage", "Journal", "JournalReader", "Report", "last_number", "verify"]
