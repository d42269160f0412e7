"""What a configuration builds that more than one process or command needs."""

from gateway.config import Settings, duration_ms
from gateway.decode import Collector, Decoders
from gateway.decode.mapping import CompiledMapping
from gateway.ledger import FindTimes, Ledger
from gateway.pipeline import Pipeline, Stages
from gateway.ports import Checkpoint
from gateway.profiles import Profiles, load_profiles
from gateway.registry import Directory, Registry
from gateway.roles import now_ms
from gateway.screen import Screen, Window
from gateway.sinks import open_sink
from gateway.validate import Validator


def check(settings: Settings) -> dict[str, object]:
    """Load every file that the configuration names; return what was found.

    Raises:
        ConfigError: names the file and the key or line.
    """
    profiles, registry = load_all_profiles(settings), _registry(settings)
    _decoders(settings, profiles)
    for section in settings.sink:
        open_sink(section, now_ms)
    devices = None if registry is None else sum(1 for _ in registry.devices())
    return {
        "profiles": len(profiles),
        "sources": len(settings.source),
        "sinks": len(settings.sink),
        "mappings": len(settings.mapping),
        "devices": "enrolled at their first message" if devices is None else devices,
    }


def build_pipeline(
    settings: Settings, profiles: Profiles, checkpoint: Checkpoint, find_times: FindTimes
) -> tuple[Pipeline, Directory]:
    """Return a pipeline that goes on from ``checkpoint``, and the directory it fills."""
    directory = Directory(
        _registry(settings),
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
    ages_ms = [duration_ms(s.max_age) if s.max_age else 0 for s in settings.source]
    mappings = [CompiledMapping(mapping, profiles, ages_ms) for mapping in settings.mapping]
    return Decoders(profiles, foreign=mappings, source_max_age_ms=ages_ms)


def load_all_profiles(settings: Settings) -> Profiles:
    """Return the profiles that ship and those of the configured folder."""
    folders = [settings.gateway.profiles] if settings.gateway.profiles is not None else []
    return load_profiles(*folders)


def _registry(settings: Settings) -> Registry | None:
    file = settings.registry.file
    return None if file is None else Registry.load(file)
