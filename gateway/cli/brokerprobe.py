"""What ``doctor`` asks a broker, with paho: a client that shares no code with our own.

The queue probe does what an outage does: a persistent subscriber goes away, messages come, the
subscriber returns. Mosquitto's default drops all but 1,000 of them without a word.
"""

import secrets
import threading
from collections.abc import Iterator

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config import BrokerSource

WAIT_S = 5.0
QUEUE_MESSAGES = 1_500  # above Mosquitto's and EMQX's default limit of 1,000
MIN_QOS = 1


def probe(section: BrokerSource) -> Iterator[tuple[str, str, str]]:
    """Yield (level, what, text) for one broker."""
    name = f"broker {section.url}"
    try:
        granted = _granted(section)
    except (OSError, TimeoutError) as error:
        yield "fail", name, f"cannot connect: {error}"
        return
    worst = min(granted, default=0)
    level = "ok" if worst == MIN_QOS else "fail"
    yield level, name, f"grants QoS {worst} on {len(section.filters)} filters"
    try:
        kept = _queue_kept(section)
    except (OSError, TimeoutError) as error:
        yield "warn", f"{name} queue", f"could not be probed: {error}"
        return
    if kept == QUEUE_MESSAGES:
        yield "ok", f"{name} queue", f"keeps {kept} messages for an absent client"
    else:
        yield (
            "fail",
            f"{name} queue",
            (
                f"kept {kept} of {QUEUE_MESSAGES} messages for an absent client, dropped the rest: "
                "raise max_queued_messages (Mosquitto) or max_mqueue_len (EMQX)"
            ),
        )


class _Probe:
    """One paho client that waits for what it asked."""

    def __init__(self, section: BrokerSource, client_id: str, *, clean: bool) -> None:
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
        )
        if section.username is not None:
            password = section.password.reveal() if section.password is not None else None
            self._client.username_pw_set(section.username, password)
        if section.is_tls:
            self._client.tls_set(
                str(section.ca) if section.ca else None,
                str(section.cert) if section.cert else None,
                str(section.key) if section.key else None,
            )
        self.granted: list[int] = []
        self.received = 0
        self._connected, self._subscribed = threading.Event(), threading.Event()
        self.enough = threading.Event()
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if clean else 60
        host, port = section.address
        self._client.connect(host, port, clean_start=clean, properties=properties)
        self._client.loop_start()
        self._wait(self._connected, "no CONNACK")

    def subscribe(self, *filters: str) -> None:
        self._client.subscribe([(topic_filter, 1) for topic_filter in filters])
        self._wait(self._subscribed, "no SUBACK")

    def publish(self, topic: str, count: int) -> None:
        infos = [self._client.publish(topic, str(number), qos=1) for number in range(count)]
        if infos[0].rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise OSError("the broker does not let us publish")
        infos[-1].wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @staticmethod
    def _wait(event: threading.Event, text: str) -> None:
        if not event.wait(WAIT_S):
            raise TimeoutError(text)

    def _on_connect(
        self,
        _client: mqtt.Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        *_properties: object,
    ) -> None:
        if not reason.is_failure:
            self._connected.set()

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _data: object,
        _mid: int,
        reasons: list[ReasonCode],
        *_properties: object,
    ) -> None:
        self.granted = [reason.value for reason in reasons]
        self._subscribed.set()

    def _on_message(self, _client: mqtt.Client, _data: object, _message: mqtt.MQTTMessage) -> None:
        self.received += 1
        if self.received == QUEUE_MESSAGES:
            self.enough.set()


def _granted(section: BrokerSource) -> list[int]:
    client = _Probe(section, f"infragate-doctor-{secrets.token_hex(4)}", clean=True)
    try:
        client.subscribe(*section.filters)
    finally:
        client.close()
    return client.granted


def _queue_kept(section: BrokerSource) -> int:
    name = f"infragate-doctor-{secrets.token_hex(4)}"
    topic = f"infragate/doctor/{name}"
    absent = _Probe(section, name, clean=False)
    absent.subscribe(topic)
    absent.close()
    sender = _Probe(section, f"{name}-sender", clean=True)
    sender.publish(topic, QUEUE_MESSAGES)
    sender.close()
    back = _Probe(section, name, clean=False)
    back.enough.wait(WAIT_S)
    back.close()
    _Probe(section, name, clean=True).close()  # forget the session
    return back.received
