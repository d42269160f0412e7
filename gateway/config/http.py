"""What the configuration says of API and board, and of who may do more than look."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gateway.config.values import Secret, Section, is_loopback, split_address


class OperatorSection(Section):
    """Somebody who may acknowledge alarms and open maintenance windows."""

    name: str = Field(pattern=r"^[^\s:][^\x00-\x1f\x7f:]{0,62}$")  # shown beside what was done
    token: Secret


class HttpSection(Section):
    """API and board."""

    listen: str = "127.0.0.1:8080"
    cert: Path | None = None
    key: Path | None = None
    token: Secret | None = None  # of programs and people who may look
    # who may do more, beside the accounts of `infragate operator`; where there is nothing of all
    # this, whoever reaches a loopback address is an operator, and nobody else comes in
    operator: tuple[OperatorSection, ...] = Field(default=(), max_length=100)
    insecure: bool = False
    board: bool = True
    time_zone: str = (
        "Asia/Ho_Chi_Minh"  # of days and moments on the board; days end by policies/calendar
    )

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError(f"{name!r} is no time zone such as Asia/Ho_Chi_Minh") from None
        return name

    @model_validator(mode="after")
    def _is_safe(self) -> "HttpSection":
        if self._is_beyond and not self.insecure and self.cert is None:
            raise ValueError("beyond loopback give cert and key, or insecure = true")
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")
        names = [one.name for one in self.operator]
        if len(set(names)) < len(names):
            raise ValueError("two operators have one name")
        return self

    @property
    def asks_sign_in(self) -> bool:
        """Whether nobody looks without having signed in, or a token."""
        return self.token is not None or (self._is_beyond and not self.insecure)

    @property
    def _is_beyond(self) -> bool:
        return not is_loopback(split_address(self.listen)[0])

    @property
    def exposure(self) -> str:
        """What ``insecure = true`` lays open to the network, "" where it lays nothing open."""
        if not self._is_beyond:
            return ""
        found = [] if self.cert is not None else ["without TLS"]
        found += [] if self.asks_sign_in else ["without a token"]
        return f"http://{self.listen} is open {' and '.join(found)}" if found else ""
