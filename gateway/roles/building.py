"""The pipeline, put together as the configuration says: what the processor works with."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, cast

from gateway.config import Mapping, Settings, duration_ms
from gateway.decode import Collector, Decoders, Foreign
from gateway.imports import load
from gateway.ledger import FindTimes, Ledger
from gateway.model import IMPORT_SOURCE, MAX_SOURCES
from gateway.pipeline import Pipeline, Stages
from gateway.ports import Checkpoint
from gateway.profiles import Profiles
from gateway.registry import Directory
from gateway.roles.files import load_registry, own_folder
from gateway.screen import Screen, Window
from gateway.store.notes import load_notes
from gateway.topics import SPARKPLUG
from gateway.validate import Validator

# History that a person brings may be as old as meters are: a century of it.
IMPORT_AGE_MS = 36_525 * 86_400_000


class _ForeignFormats(Protocol):
    build_foreign: Callable[..., Sequence[Foreign]]


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
    mappings, metrics = _own_mappings(settings)
    notes = load_notes(settings.gateway.data_dir)
    build = partial(_build_foreign, settings, profiles, notes)
    # what ships cannot be wrong, and has nothing of an earlier life: that may come late
    may_wait = settings.foreign.enabled and not (own_folder(settings) or notes or metrics)
    return Decoders(
        profiles,
        mappings,
        foreign=() if may_wait else build(),
        late=build if may_wait else None,
        source_max_age_ms=_ages_ms(settings),
    )


def check_decoders(settings: Settings, profiles: Profiles) -> None:
    """Compile what the user wrote; what ships need not be loaded for that."""
    mappings, metrics = _own_mappings(settings)
    Decoders(profiles, mappings)
    section = settings.foreign
    if metrics or own_folder(settings) or section.families or section.models:
        _build_foreign(settings, profiles, (), own_only=True)


def _build_foreign(
    settings: Settings,
    profiles: Profiles,
    notes: Sequence[tuple[str, bytes]],
    *,
    own_only: bool = False,
) -> Sequence[Foreign]:
    _, metrics = _own_mappings(settings)
    section = settings.foreign.model_copy(update={"mappings": own_folder(settings)})
    room = cast("_ForeignFormats", load("gateway.decode.foreign"))
    return room.build_foreign(
        section, profiles, _ages_ms(settings), notes, metrics, own_only=own_only
    )


def _own_mappings(settings: Settings) -> tuple[list[Mapping], list[Mapping]]:
    """Return the configuration's mappings, and those which say what Sparkplug metrics are."""
    parts: tuple[list[Mapping], list[Mapping]] = [], []
    for mapping in settings.mapping:
        parts[mapping.topic.startswith(SPARKPLUG)].append(mapping)
    return parts


def _ages_ms(settings: Settings) -> list[int]:
    # the journal and the quarantine may hold records of sources that are no longer configured
    ages_ms = [0] * MAX_SOURCES
    for index, section in enumerate(settings.source):
        ages_ms[index] = duration_ms(section.max_age) if section.max_age else 0
    ages_ms[IMPORT_SOURCE] = IMPORT_AGE_MS
    return ages_ms
