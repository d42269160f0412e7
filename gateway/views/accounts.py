"""The accounting identity: received = stored + duplicate + quarantined + pending."""

from typing import NamedTuple

from gateway.ports import CountRow, Totals


class Account(NamedTuple):
    """One account; ``received`` is defined by the identity, so it holds whenever it is read."""

    received: int
    stored: int
    duplicate: int
    quarantined: int
    pending: int

    @property
    def is_balanced(self) -> bool:
        """Whether everything received has a fate. Pending below zero would say it has two."""
        fates = self.stored + self.duplicate + self.quarantined + self.pending
        return self.received == fates and self.pending >= 0


class Accounts(NamedTuple):
    """Both accounts of the gateway or of one device."""

    readings: Account
    messages: Account


def accounts_of(row: Totals | CountRow) -> Accounts:
    """Return the accounts of the gateway or of a device.

    A message that is not decoded yet counts as one pending reading: nobody knows how many it
    holds. Whose it is nobody knows either, so a device has nothing pending.
    """
    pending = row.pending_messages if isinstance(row, Totals) else 0
    readings = row.stored + row.duplicate + row.quarantined
    messages = row.messages_stored + row.messages_duplicate + row.messages_quarantined
    received_messages = row.received_messages if isinstance(row, Totals) else messages
    return Accounts(
        Account(readings + pending, row.stored, row.duplicate, row.quarantined, pending),
        Account(
            received_messages,
            row.messages_stored,
            row.messages_duplicate,
            row.messages_quarantined,
            pending,
        ),
    )
