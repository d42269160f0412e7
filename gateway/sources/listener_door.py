"""Who is let in, and on which terms: the answer to a CONNECT."""

import asyncio
import hashlib
import ssl
from typing import Any, NamedTuple

from gateway.mqtt import (
    CONNACK_V311,
    V5,
    V311,
    Code,
    ConnAck,
    Connect,
    Prop,
    Properties,
    PropertyValue,
    Will,
    encode,
    int_of,
)
from gateway.ports import ClientRole, Credentials, Identity
from gateway.sources.listener_access import may_publish
from gateway.sources.listener_hub import Hub

_MAX_CLIENT_ID_BYTES = 256
_MAX_KEEPALIVE_S = 3600  # of a client that wants none: half-open connections must end some day
_NO_LIMIT_BYTES = 1 << 28  # the largest packet MQTT knows


class Terms(NamedTuple):
    """What a client is let in with."""

    identity: Identity
    client_id: str
    will: Will | None
    silence_s: int  # longer than this and the client is gone, §3.1.2.10: 1.5 × keepalive
    max_packet_bytes: int  # the client's own limit
    answer: bytes


class Refusal(NamedTuple):
    """Why a client is not let in."""

    code: Code
    answer: bytes


def answer(connect: Connect, tls: Credentials, hub: Hub) -> Terms | Refusal:
    """Decide about a CONNECT; ``tls`` is what the connection itself has proved."""
    identity = _identify(connect, tls, hub)
    code = _fault_of(connect, identity, hub)
    if code is not Code.SUCCESS or identity is None:
        return Refusal(code, refusal(code, connect.version))
    client_id = connect.client_id or hub.shelf.make_id()
    silence_s = connect.keepalive_s * 3 // 2 or _MAX_KEEPALIVE_S
    return Terms(
        identity,
        client_id,
        connect.will,
        silence_s,
        int_of(connect.properties, Prop.MAXIMUM_PACKET_BYTES, _NO_LIMIT_BYTES),
        encode(ConnAck(properties=_terms(connect, client_id, hub)), connect.version),
    )


def refusal(code: int, version: int) -> bytes:
    """Return the CONNACK that turns a client away."""
    if version != V5:
        code = CONNACK_V311.get(Code(code), 5)
    return encode(ConnAck(code), version)


def _identify(connect: Connect, tls: Credentials, hub: Hub) -> Identity | None:
    shown = Credentials(
        connect.username, connect.password, tls.common_name, tls.fingerprint, tls.psk_identity
    )
    if shown.password is None and shown.common_name is None and shown.psk_identity is None:
        # a bare user name proves nothing: that is what MQTT libraries send by default
        if hub.shelf.section.allows_anonymous:
            return Identity("", ClientRole.ANONYMOUS)
        return None
    return hub.shelf.authenticator.authenticate(shown)


def _fault_of(connect: Connect, identity: Identity | None, hub: Hub) -> Code:
    will = connect.will
    faults = (
        (Prop.AUTH_METHOD in connect.properties, Code.BAD_AUTH_METHOD),
        (len(connect.client_id.encode()) > _MAX_CLIENT_ID_BYTES, Code.CLIENT_ID_INVALID),
        (
            not connect.client_id and not connect.clean_start and connect.version == V311,
            Code.CLIENT_ID_INVALID,
        ),
        (hub.is_full, Code.SERVER_BUSY),
        (identity is None and connect.password is not None, Code.BAD_CREDENTIALS),
        (identity is None, Code.NOT_AUTHORISED),
        (will is not None and will.qos > 1 and connect.version == V5, Code.QOS_UNSUPPORTED),
        (
            will is not None and identity is not None and not may_publish(identity, will.topic),
            Code.NOT_AUTHORISED,
        ),
    )
    return next((code for is_fault, code in faults if is_fault), Code.SUCCESS)


def _terms(connect: Connect, client_id: str, hub: Hub) -> Properties:
    section = hub.shelf.section
    terms: dict[Prop, PropertyValue] = {
        Prop.SESSION_EXPIRY_S: 0,  # nothing is kept for a client that is away
        Prop.RECEIVE_MAXIMUM: hub.receive_maximum,
        Prop.MAXIMUM_QOS: 1,
        Prop.MAXIMUM_PACKET_BYTES: section.max_packet_bytes,
        Prop.TOPIC_ALIAS_MAXIMUM: 0,
        Prop.SUBSCRIPTION_ID_AVAILABLE: 0,
        Prop.SHARED_AVAILABLE: 0,
    }
    if not connect.client_id:
        terms[Prop.ASSIGNED_CLIENT_ID] = client_id
    if not connect.keepalive_s:
        terms[Prop.SERVER_KEEPALIVE_S] = _MAX_KEEPALIVE_S * 2 // 3
    return terms


def shown_by_tls(transport: asyncio.Transport | None) -> tuple[Credentials, int]:
    """Return what TLS has verified of a client, and when that runs out (Unix ms, 0 = never)."""
    tls: ssl.SSLObject | None = None
    if transport is not None:
        tls = transport.get_extra_info("ssl_object")
    certificate = None if tls is None else tls.getpeercert()
    raw = None if tls is None else tls.getpeercert(binary_form=True)
    if not certificate or raw is None:
        # see security.tls: a context of its own for each connection with a pre-shared key
        psk_identity = getattr(tls and tls.context, "psk_identity", None)
        return Credentials(psk_identity=psk_identity), 0
    subject: Any = certificate["subject"]  # tuples of tuples of pairs
    names = [str(value) for part in subject for key, value in part if key == "commonName"]
    end_ms = int(ssl.cert_time_to_seconds(str(certificate["notAfter"]))) * 1000
    fingerprint = hashlib.sha256(raw).digest()
    return Credentials(common_name=names[0] if names else "", fingerprint=fingerprint), end_ms
