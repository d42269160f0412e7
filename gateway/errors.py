"""The error tree, grouped by who handles it."""


class GatewayError(Exception):
    """Base of every error that infragate raises on purpose."""


# Handled by the command line: exit code 2, the message names the key or the line.


class ConfigError(GatewayError):
    """The configuration, a registry file, a profile or a mapping is wrong."""


# Handled by the processor: the message goes to quarantine with this reason, never retried.


class RejectedError(GatewayError):
    """A payload, or one row of it, cannot become a reading.

    Args:
        reason: a bounded code (``quarantine_reason`` label), one of ``model.QuarantineReason``.
        detail: what a person needs to mend it; may quote the payload, so never used as a label.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


# Handled by a source: the connection ends, nothing of it is trusted any more.


class ProtocolError(GatewayError):
    """The peer broke MQTT; ``code`` is the MQTT 5 reason code to say goodbye with."""

    def __init__(self, message: str, code: int = 0x81) -> None:
        super().__init__(message)
        self.code = code


# Handled by the intake: stop acknowledging, keep what is in memory, try again.


class JournalFullError(GatewayError):
    """The journal cannot take more: disk full or its size limit reached."""


class JournalDamagedError(GatewayError):
    """A journal file is not what its header and checksums say."""


# Handled by the sink drain: see the status table in ``sinks``.


class SinkUnavailableError(GatewayError):
    """Nothing was written, keep the batch; try again after ``retry_after_s`` or the back-off."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SinkRefusedError(GatewayError):
    """The server said no to this content; the drain bisects to find the line it means."""


class SinkDeniedError(GatewayError):
    """The server does not know us or our database; keep everything, ask rarely, raise an alarm."""
