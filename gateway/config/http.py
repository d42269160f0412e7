"""What the configuration says of API and board, and of who may do more than look."""

from pathlib import Path

from pydantic import Field, model_validator

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
    token: Secret | None = None  # of who may look; needed beyond loopback
    # who may do more; where there is neither, all who reach a loopback address are operators
    operator: tuple[OperatorSection, ...] = Field(default=(), max_length=100)
    insecure: bool = False
    board: bool = True

    @model_validator(mode="after")
    def _is_safe(self) -> "HttpSection":
        host, _ = split_address(self.listen)
        if (
            not is_loopback(host)
            and not self.insecure
            and (self.cert is None or self.token is None)
        ):
            raise ValueError("beyond loopback give cert, key and token, or insecure = true")
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")
        names = [one.name for one in self.operator]
        if len(set(names)) < len(names):
            raise ValueError("two operators have one name")
        return self

    @property
    def exposure(self) -> str:
        """What ``insecure = true`` lays open to the network, "" where it lays nothing open."""
        if is_loopback(split_address(self.listen)[0]):
            return ""
        found = [] if self.cert is not None else ["without TLS"]
        found += ["without a token"] if self.token is None else []
        return f"http://{self.listen} is open {' and '.join(found)}" if found else ""
