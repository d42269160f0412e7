"""Whether a socket is read: not while anything holds it."""

import asyncio
from enum import IntFlag


class Hold(IntFlag):
    """Why reading has stopped."""

    COALESCE = 1
    CONGESTED = 2  # the intake says so
    WINDOW = 4  # the broker sends more than our Receive Maximum (Mosquitto 2.0 does)
    PEER = 8  # the broker does not read our acknowledgements


class Gate:
    """Pauses and resumes a transport, which wants each of them once."""

    def __init__(self) -> None:
        self._holds = Hold(0)
        self._transport: asyncio.ReadTransport | None = None

    @property
    def is_deaf(self) -> bool:
        """Whether reading has stopped for so long that silence means nothing."""
        return bool(self._holds & (Hold.CONGESTED | Hold.WINDOW))

    def guard(self, transport: asyncio.ReadTransport | None) -> None:
        """Begin with a transport, or end."""
        self._transport = transport

    def hold(self, reason: Hold) -> None:
        """Stop reading until ``release`` for this and every other reason."""
        if not self._holds and self._transport is not None:
            self._transport.pause_reading()
        self._holds |= reason

    def release(self, reason: Hold) -> bool:
        """Take one reason back; return whether reading goes on because of it."""
        if not self._holds & reason:
            return False
        self._holds &= ~reason
        if self._holds or self._transport is None:
            return False
        self._transport.resume_reading()
        return True
