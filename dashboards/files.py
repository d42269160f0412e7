"""All generated files: their names and contents."""

import json
from collections.abc import Mapping
from pathlib import Path

from dashboards.alerts.provision import alerting
from dashboards.board import board_json
from dashboards.boards import BOARDS
from dashboards.dialect import DIALECTS
from dashboards.provisioning import providers
from dashboards.spec import LANGUAGES

_FOLDERS = ("json", "provisioning")


def contents() -> Mapping[str, str]:
    """Return the text of every generated file, by its path below ``dashboards/``."""
    files = {}
    for dialect in DIALECTS:
        for language in LANGUAGES:
            for board in BOARDS:
                body = board_json(board, BOARDS, dialect, language)
                path = f"json/{dialect.name}/{language}/{board.key}.json"
                files[path] = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
        for name, text in {**providers(dialect), "alerting": alerting(dialect)}.items():
            files[f"provisioning/{dialect.name}/{name}/infragate.yaml"] = text
    return files


def write_all(folder: Path) -> int:
    """Write them; return how many."""
    files = contents()
    for name in _present(folder) - files.keys():
        (folder / name).unlink()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return len(files)


def stale(folder: Path) -> list[str]:
    """Return the files that are not what they should be, those too many among them."""
    files = contents()
    wrong = [
        name
        for name, text in files.items()
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != text
    ]
    return sorted([*wrong, *(_present(folder) - files.keys())])


def _present(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for name in _FOLDERS
        for path in (folder / name).rglob("*")
        if path.is_file()
    }
