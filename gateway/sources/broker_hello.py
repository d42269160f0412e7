"""How we introduce ourselves to a broker, and what its answers mean. Pure but for files."""

import ssl
from typing import NamedTuple

from typing_extensions import override

from gateway.config.sections import BrokerSource, duration_ms
from gateway.errors import ConfigError
from gateway.mqtt import Code, ConnAck, Connect, Prop, Properties, int_of, text_of

_EXPIRY_MAX_S = 0xFFFF_FFFF  # "never" in MQTT 5
# Credentials and permissions are mended by people. The last four are the 3.1.1 return codes
# for version, client id, password and permission; 3 there is "unavailable", which passes.
_FOR_PEOPLE = {
    *(Code.BAD_CREDENTIALS, Code.NOT_AUTHORISED, Code.BANNED, Code.CLIENT_ID_INVALID),
    *(Code.BAD_AUTH_METHOD, Code.UNSUPPORTED_VERSION, Code.SESSION_TAKEN_OVER),
    *(1, 2, 4, 5),
}
_V311_REASONS = ("", "version", "client id", "unavailable", "user name or password", "permission")


class Login(NamedTuple):
    """Who we are to the broker."""

    client_id: str
    username: str | None = None
    password: str | None = None

    @override
    def __repr__(self) -> str:
        return f"Login({self.client_id!r})"


class Farewell(NamedTuple):
    """Why a connection ended, in words for the log."""

    reason: str
    is_refused: bool = False  # only a person can mend it: ask rarely


class Terms(NamedTuple):
    """What the broker's CONNACK lays down."""

    keepalive_s: float
    max_packet_bytes: int = _EXPIRY_MAX_S
    can_retain: bool = True


def login_of(section: BrokerSource) -> Login:
    """Return the credentials of a section.

    Raises:
        ConfigError: the password is not where the section says.
    """
    password = section.password.reveal() if section.password is not None else None
    return Login(section.client_id, section.username, password)


def tls_of(section: BrokerSource) -> ssl.SSLContext | None:
    """Return the TLS context of a section, None for plain TCP.

    Raises:
        ConfigError: a certificate or key cannot be read.
    """
    if not section.is_tls:
        return None
    try:
        context = ssl.create_default_context(cafile=section.ca)
        if section.cert is not None:
            context.load_cert_chain(section.cert, section.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"source {section.client_id}: ca, cert or key: {error}") from error
    return context


def hello(section: BrokerSource, login: Login, version: int) -> Connect:
    """Return the CONNECT of a client whose session outlives its connections."""
    expiry_s = min(duration_ms(section.session_expiry) // 1000, _EXPIRY_MAX_S)
    return Connect(
        version=version,
        client_id=login.client_id,
        clean_start=False,
        keepalive_s=section.keepalive_s,
        username=login.username,
        password=None if login.password is None else login.password.encode(),
        properties={
            Prop.SESSION_EXPIRY_S: expiry_s,
            Prop.RECEIVE_MAXIMUM: section.window,
            Prop.MAXIMUM_PACKET_BYTES: section.max_packet_bytes,
        },
    )


def farewell_of(code: int, properties: Properties, what: str) -> Farewell:
    """Return what a CONNACK or DISCONNECT with this code means."""
    if code < len(_V311_REASONS):
        meaning = _V311_REASONS[code]
    else:
        known = {member.value: member.name.lower() for member in Code}
        meaning = known.get(code, "").replace("_", " ")
    words = ": ".join(filter(None, (meaning, text_of(properties, Prop.REASON_STRING))))
    return Farewell(f"the broker {what} us: 0x{code:02x} {words}".rstrip(), code in _FOR_PEOPLE)


def terms_of(connack: ConnAck, asked: Terms) -> Terms:
    """Return the terms of a connection: the broker may change the keepalive we asked for."""
    properties = connack.properties
    return Terms(
        float(int_of(properties, Prop.SERVER_KEEPALIVE_S, 0) or asked.keepalive_s),
        int_of(properties, Prop.MAXIMUM_PACKET_BYTES, asked.max_packet_bytes),
        bool(int_of(properties, Prop.RETAIN_AVAILABLE, 1)),
    )
