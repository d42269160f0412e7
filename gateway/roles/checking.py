"""Whether a configuration can be run, found out before anything is touched.

A start waits for it, so what only some configurations need is loaded only for those.
"""

import contextlib
import logging
import ssl
from collections.abc import Callable, Iterator
from typing import Protocol, cast

from gateway.config import (
    EnergySection,
    HttpSection,
    ListenerSource,
    Settings,
    SinkSection,
    SourceSection,
)
from gateway.errors import ConfigError
from gateway.imports import load
from gateway.profiles import Profiles
from gateway.roles import now_ms
from gateway.roles.files import load_all_profiles, load_registry, own_folder
from gateway.security.tls import client_context, load_pair, server_context
from gateway.sources.broker_hello import login_of, tls_of
from gateway.store.accounts import Accounts

logger = logging.getLogger(__name__)


class _Sinks(Protocol):
    open_sink: Callable[[SinkSection, Callable[[], int]], object]


class _Building(Protocol):
    check_decoders: Callable[[Settings, Profiles], None]


class _Named(Protocol):
    check: Callable[[str, str, str], None]


def check(settings: Settings) -> dict[str, object]:
    """Load every file that the configuration names; return what was found.

    Raises:
        ConfigError: names the file and the key or line.
    """
    profiles, registry = load_all_profiles(settings), load_registry(settings)
    _check_what_is_chosen(settings, profiles)
    for index, source in enumerate(settings.source):
        with _naming(f"source.{index}"):
            _try_keys(source)
    for index, sink in enumerate(settings.sink):
        with _naming(f"sink.{index}"):
            client_context(sink.ca)
            cast("_Sinks", load("gateway.sinks")).open_sink(sink, now_ms)
    if settings.http is not None:
        with _naming("http"):
            _try_web_keys(settings.http)
    devices = None if registry is None else sum(1 for _ in registry.devices())
    return {
        "profiles": len(profiles),
        "sources": len(settings.source),
        "sinks": len(settings.sink),
        "mappings": len(settings.mapping),
        "insecure": list(settings.exposures),
        "sign_in": _who_signs_in(settings),
        "devices": "enrolled at their first message" if devices is None else devices,
    }


def _check_what_is_chosen(settings: Settings, profiles: Profiles) -> None:
    """Check what differs from what ships, of which the tests know that it is right."""
    foreign = settings.foreign
    if settings.mapping or own_folder(settings) or foreign.families or foreign.models:
        cast("_Building", load("gateway.roles.building")).check_decoders(settings, profiles)
    if settings.energy != EnergySection():
        with _naming("energy"):
            section = settings.energy
            names = section.tariff, section.norm, section.calendar
            cast("_Named", load("gateway.energy.named")).check(*names)


def has_anybody(settings: Settings) -> bool:
    """Return whether anybody can look at the board, where one is asked who he is."""
    http = settings.http or HttpSection()
    return bool(not http.asks_sign_in or http.token or http.operator or _people(settings) != 0)


def _who_signs_in(settings: Settings) -> str:
    http = settings.http or HttpSection()
    people = _people(settings)
    if people is None:
        return "account file cannot be read: no account opens anything"
    operators = len(http.operator) + people
    if not operators and not http.asks_sign_in:
        return "nobody is asked: whoever reaches the loopback address is an operator"
    if not has_anybody(settings):
        return "nobody can yet: infragate operator add NAME"
    return f"accounts and operators: {operators}"


def _people(settings: Settings) -> int | None:
    """Return how many have an account, None where the file cannot be read.

    Then the web process lets nobody in; devices are heard all the same, so a start goes on.
    """
    try:
        return len(Accounts(settings.gateway.data_dir).all())
    except (ConfigError, OSError) as error:
        logger.warning("account file cannot be read, no account opens anything: %s", error)
        return None


@contextlib.contextmanager
def _naming(key: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error


def _try_keys(section: SourceSection) -> None:
    if isinstance(section, ListenerSource):
        server_context(section, lambda _: b"")
    else:
        login_of(section)
        tls_of(section)


def _try_web_keys(http: HttpSection) -> None:
    for secret in (http.token, *(one.token for one in http.operator)):
        if secret is not None:
            secret.reveal()
    if http.cert is not None and http.key is not None:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), http.cert, http.key)
