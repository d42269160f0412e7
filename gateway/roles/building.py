"""What a configuration builds that more than one process or command needs."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, cast

from gateway.config import (
    HttpSection,
    ListenerSource,
    Settings,
    SinkSection,
    SourceSection,
    duration_ms,
)
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign
from gateway.decode.mapping import CompiledMapping
from gateway.energy.tariff import TARIFF_DOMAIN, Tariff
from gateway.energy.voltage import VoltagePolicy
from gateway.errors import ConfigError
from gateway.imports import load
from gateway.ledger import FindTimes, Ledger
from gateway.model import IMPORT_SOURCE, MAX_SOURCES
from gateway.pipeline import Pipeline, Stages
from gateway.policies import load_policies
from gateway.ports import Checkpoint
from gateway.profiles import Profiles, load_profiles
from gateway.registry import Directory, Registry
from gateway.roles import now_ms
from gateway.screen import Screen, Window
from gateway.security.tls import client_context, load_pair, server_context
from gateway.sources.broker_hello import login_of, tls_of
from gateway.store.notes import load_notes
from gateway.validate import Validator

# History that a person brings may be as old as meters are: a century of it.
IMPORT_AGE_MS = 36_525 * 86_400_000


class _Sinks(Protocol):
    open_sink: Callable[[SinkSection, Callable[[], int]], object]


def check(settings: Settings) -> dict[str, object]:
    """Load every file that the configuration names; return what was found.

    Raises:
        ConfigError: names the file and the key or line.
    """
    profiles, registry = load_all_profiles(settings), load_registry(settings)
    _decoders(settings, profiles)
    with _naming("energy"):
        load_policies(TARIFF_DOMAIN, Tariff).editions(settings.energy.tariff)
        load_policies("voltage", VoltagePolicy).editions(settings.energy.norm)
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
        "devices": "enrolled at their first message" if devices is None else devices,
    }


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


def build_pipeline(
    settings: Settings, profiles: Profiles, checkpoint: Checkpoint, find_times: FindTimes
) -> tuple[Pipeline, Directory]:
    """Return a pipeline that goes on from ``checkpoint``, and the directory it fills."""
    directory = Directory(
        load_registry(settings),
        enrols=settings.registry.enrols,
        max_devices=settings.registry.max_devices,
        rows=checkpoint.devices,
    )
    stages = Stages(
        directory,
        _decoders(settings, profiles),
        Collector,
        Screen(profiles, Window.of(settings.validation)),
        Ledger({name: profile.number for name, profile in profiles.items()}, find_times),
        Validator(profiles, directory.exchanged),
    )
    pipeline = Pipeline(stages)
    pipeline.restore(checkpoint)
    return pipeline, directory


def _decoders(settings: Settings, profiles: Profiles) -> Decoders:
    # the journal and the quarantine may hold records of sources that are no longer configured
    ages_ms = [0] * MAX_SOURCES
    for index, section in enumerate(settings.source):
        ages_ms[index] = duration_ms(section.max_age) if section.max_age else 0
    ages_ms[IMPORT_SOURCE] = IMPORT_AGE_MS
    mappings = [CompiledMapping(mapping, profiles, ages_ms) for mapping in settings.mapping]
    folder, notes = mappings_folder(settings), load_notes(settings.gateway.data_dir)
    own = {"mappings": folder if folder.is_dir() else settings.foreign.mappings}
    foreign = build_foreign(settings.foreign.model_copy(update=own), profiles, ages_ms, notes)
    return Decoders(profiles, foreign=(*mappings, *foreign), source_max_age_ms=ages_ms)


def mappings_folder(settings: Settings) -> Path:
    """Return the folder of the user's own mapping files; it need not be there."""
    return settings.foreign.mappings or settings.gateway.data_dir / "mappings"


def load_all_profiles(settings: Settings) -> Profiles:
    """Return the profiles that ship and those of the configured folder."""
    folders = [settings.gateway.profiles] if settings.gateway.profiles is not None else []
    return load_profiles(*folders)


def load_registry(settings: Settings) -> Registry | None:
    """Return the registry of the configured file, None where there is none."""
    file = settings.registry.file
    return None if file is None else Registry.load(file)
