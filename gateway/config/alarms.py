"""What the configuration says of alarms."""

from pydantic import field_validator

from gateway.config.values import Section
from gateway.topics import is_device_id


class AlarmsSection(Section):
    """The life of alarms of every sector and of the gateway itself."""

    enabled: bool = True
    listener: bool = True  # monitors of a listener are told
    broker: bool = False  # … and those of brokers, who see to it themselves who may read
    org: str = "site"  # in the topic of what belongs to no organisation: the gateway's own

    @field_validator("org")
    @classmethod
    def _is_id(cls, org: str) -> str:
        if not is_device_id(org):
            raise ValueError(f"{org!r} is not [a-z0-9][a-z0-9-]{{1,63}}")
        return org
