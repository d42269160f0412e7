"""The files that a configuration names, as every process and command finds them."""

from pathlib import Path

from gateway.config import Settings
from gateway.profiles import Profiles, load_profiles
from gateway.registry import Registry


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


def own_folder(settings: Settings) -> Path | None:
    """Return the folder of the user's own mapping files, None where there is none."""
    folder = mappings_folder(settings)
    return folder if folder.is_dir() else settings.foreign.mappings
