"""Files that people write, in TOML: read into a model, with errors that name file and key."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gateway.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)
# What pydantic says in words of its own.
_WORDS = {"extra_forbidden": "unknown key", "missing": "this key is missing"}


def text_of(file: Path) -> str:
    """Return the text of a file.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8: {error.reason}") from error


def tables_of(text: str, file: Path) -> dict[str, object]:
    """Return what a file's text says.

    Raises:
        ConfigError: it is not TOML; names the file and the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from error


def parse(text: str, file: Path, model: type[ModelT]) -> ModelT:
    """Read a file's text as a model.

    Raises:
        ConfigError: names the file and every wrong key.
    """
    try:
        return model.model_validate(tables_of(text, file))
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(file, error))) from error


def load(file: Path, model: type[ModelT]) -> ModelT:
    """Read a file as a model.

    Raises:
        ConfigError: it cannot be read, or names the file and every wrong key.
    """
    return parse(text_of(file), file, model)


def load_named(folder: Path, model: type[ModelT], key: str) -> dict[str, ModelT]:
    """Read all files of a folder by what each says under ``key``; none where there is no folder.

    Raises:
        ConfigError: a file is wrong, or two say the same under ``key``.
    """
    found: dict[str, ModelT] = {}
    for file in sorted(folder.glob("*.toml")):
        one = load(file, model)
        name = getattr(one, key)
        if name in found:
            raise ConfigError(f"{file}: {key} {name!r} is in another file, too")
        found[name] = one
    return found


def _lines(file: Path, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"]))
        lines.append(f"{file}: {key or 'file'}: {words_of(problem['type'], problem['msg'])}")
    return lines


def words_of(kind: str, message: str) -> str:
    """Return what is wrong with a key, as people say it."""
    return _WORDS.get(kind, message.removeprefix("Value error, "))
