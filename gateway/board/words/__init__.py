"""Every word the board says, in each language it speaks: one TOML file a language.

The sections of a file are for whoever reads it; a key is known by its name alone.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.model import Quality


class Tone(NamedTuple):
    """How a grade is shown: a word of its own, and a colour that only repeats it."""

    word: str  # key of the table
    colour: str  # CSS class


def read_words(language: str) -> Mapping[str, str]:
    """Return the words of a file, by key.

    Raises:
        ValueError: a key is in two sections.
    """
    file = Path(__file__).parent / f"{language}.toml"
    words: dict[str, str] = {}
    for section in tomllib.loads(file.read_text("utf-8")).values():
        if twice := words.keys() & section.keys():
            raise ValueError(f"{file.name}: {sorted(twice)} twice")
        words |= section
    return words


ENGLISH, VIETNAMESE = read_words("en"), read_words("vi")
LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "vi": VIETNAMESE}
SECTORS = ("energy", "transport", "water", "env", "urban")

TONES: Mapping[Quality, Tone] = {
    Quality.RAW: Tone("raw", "plain"),
    Quality.VALID: Tone("valid", "good"),
    Quality.RECOVERED: Tone("recovered", "good"),
    Quality.VERIFIED: Tone("verified", "good"),
    Quality.ESTIMATED_FLAT: Tone("estimated", "warn"),
    Quality.ESTIMATED_LIKE_DAY: Tone("estimated", "warn"),
    Quality.IMPUTED: Tone("imputed", "warn"),
    Quality.EDITED: Tone("edited", "good"),
    Quality.SUSPECT: Tone("suspect", "warn"),
    Quality.FAILED: Tone("failed", "bad"),
    Quality.MISSING: Tone("missing", "bad"),
}


_NAMED = {
    english: other
    for section in tomllib.loads(
        (Path(__file__).parent / "named.vi.toml").read_text("utf-8")
    ).values()
    for english, other in section.items()
}


def named(words: Mapping[str, str], name: str) -> str:
    """Return what a data file names in English; what nobody translated is said as it is."""
    return _NAMED.get(name, name) if words is VIETNAMESE else name


def words_of(language: str) -> Mapping[str, str]:
    """Return the words of a language; English for one the board does not speak."""
    return LANGUAGES.get(language, ENGLISH)


def said(words: Mapping[str, str], prefix: str, name: str) -> str:
    """Return the word of ``prefix_name``; a name that nobody translated is said as it is."""
    return words.get(f"{prefix}_{name}", name.replace("_", " "))
