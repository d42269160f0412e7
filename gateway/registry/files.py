"""Reading a registry file and finding the line of what is wrong in it.

TOML is the full form. In the CSV form each line is a device or a node with the facts that hold
in its period; a further line with the same id tells of another period.
"""

import csv
import re
from pathlib import Path

from pydantic import ValidationError

from gateway.errors import ConfigError
from gateway.registry.checks import Key, Where
from gateway.registry.entries import RegistryFile
from gateway.written import tables_of, text_of

_TABLE = re.compile(r"\s*\[\[?\s*([a-z_.]+)\s*\]\]?")
_STATIC = ("org", "sector", "title", "pilot", "head", "class")
# CSV column → fact and key within it
_FACTS = {
    "parent": ("parent", "id"),
    "uplink": ("uplink", "id"),
    "supply": ("supply", "id"),
    "serial": ("meter", "serial"),
    "first_wh": ("meter", "first_wh"),
    "last_wh": ("meter", "last_wh"),
    "first_export_wh": ("meter", "first_export_wh"),
    "last_export_wh": ("meter", "last_export_wh"),
    "lat": ("place", "lat"),
    "lon": ("place", "lon"),
    "kva": ("rating", "kva"),
    "amperes": ("rating", "amperes"),
    "phases": ("rating", "phases"),
    "lane": ("lane", "number"),
    "direction": ("lane", "direction"),
    "prosumer": ("prosumer", "value"),
    "connected": ("connected", "value"),
    "check_of": ("check_of", "id"),
    "budget_kwh": ("budget", "kwh"),
}
_COLUMNS = ("kind", "id", *_STATIC, *_FACTS, "from", "to")


def read(file: Path) -> tuple[RegistryFile, Where]:
    """Return the content of a file and how to name a place in it.

    Raises:
        ConfigError: it cannot be read, or an entry is wrong.
    """
    text = text_of(file)
    source: _Toml | _Csv
    source = _Csv(file, text) if file.suffix.lower() == ".csv" else _Toml(file, text)
    try:
        return RegistryFile.model_validate(source.raw), source.where
    except ValidationError as error:
        lines = [f"{source.where(p['loc'])}: {p['msg']}" for p in error.errors()]
        raise ConfigError("\n".join(lines)) from error


class _Toml:
    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()
        self.raw = tables_of(text, file)

    def where(self, key: Key) -> str:
        """Return file and line of a key; of its table where the key itself is not written."""
        names = [part for part in key if isinstance(part, str)]
        indexes = [part for part in key if isinstance(part, int)]
        if not names or not indexes:
            return str(self._file)
        start, end = self._table(names[0], indexes[0], 0, len(self._lines))
        if len(names) > 1:
            place = indexes[1] if len(indexes) > 1 else 0
            sub, sub_end = self._table(f"{names[0]}.{names[1]}", place, start, end)
            line = self._key(names[2:], sub, sub_end) if sub >= 0 else None
            line = sub if line is None and sub >= 0 else line
            start = line if line is not None else self._key(names[1:2], start, end) or start
        text = f"{self._file}:{start + 1}"
        return f"{text}: {names[-1]}" if len(names) > 1 else text

    def _table(self, name: str, index: int, start: int, end: int) -> tuple[int, int]:
        """Return first line and end of the ``index``-th table of a name, or −1."""
        first = -1
        for number in range(start, end):
            header = _TABLE.match(self._lines[number])
            if header is None:
                continue
            if first >= 0 and not header[1].startswith(name + "."):
                return first, number
            if first < 0 and header[1] == name:
                first = number if index == 0 else -1
                index -= 1
        return first, end

    def _key(self, names: list[str], start: int, end: int) -> int | None:
        if not names:
            return None
        pattern = re.compile(rf"\s*{re.escape(names[0])}\s*=")
        found = (i for i in range(start, end) if pattern.match(self._lines[i]))
        return next(found, None)


class _Csv:
    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._entry_lines: dict[tuple[str, int], int] = {}
        self._fact_lines: dict[tuple[str, int, str, int], int] = {}
        self._tables: dict[str, list[dict[str, object]]] = {"node": [], "device": []}
        self._places: dict[tuple[str, str], int] = {}
        reader = csv.DictReader(text.splitlines())
        unknown = set(reader.fieldnames or ()) - set(_COLUMNS)
        if unknown or not {"kind", "id"} <= set(reader.fieldnames or ()):
            names = ", ".join(sorted(map(str, unknown))) or "none"
            raise ConfigError(
                f"{file}:1: unknown columns: {names}; kind and id are needed, "
                f"allowed are {', '.join(_COLUMNS)}"
            )
        for row in reader:
            if None in row:
                raise ConfigError(f"{file}:{reader.line_num}: more fields than columns")
            self._add({k: v for k, v in row.items() if v not in {None, ""}}, reader.line_num)
        self.raw: dict[str, object] = {**self._tables}

    def where(self, key: Key) -> str:
        """Return file and line of a key."""
        line = self._fact_lines.get(key[:4]) if len(key) > 3 else None  # type: ignore[arg-type]  # noqa: PLR2004  # table, index, fact, index
        line = line or self._entry_lines.get(key[:2], 1)  # type: ignore[arg-type]
        names = [part for part in key if isinstance(part, str)]
        return f"{self._file}:{line}: {names[-1]}" if len(names) > 1 else f"{self._file}:{line}"

    def _add(self, row: dict[str, str], line: int) -> None:
        kind, name = row.get("kind", ""), row.get("id", "")
        table = "device" if kind == "device" else "node"
        entries = self._tables[table]
        place = self._places.setdefault((table, name), len(entries))
        if place == len(entries):
            entries.append({"id": name} if table == "device" else {"id": name, "kind": kind})
            self._entry_lines[table, place] = line
        entry = entries[place]
        for column in _STATIC:
            if column in row and entry.setdefault(column, row[column]) != row[column]:
                raise ConfigError(f"{self._file}:{line}: {column} of {name!r} differs from before")
        period: dict[str, str] = {key: row[key] for key in ("from", "to") if key in row}
        facts: dict[str, dict[str, str]] = {}
        for column, (fact, key) in _FACTS.items():
            if column in row:
                facts.setdefault(fact, dict(period))[key] = row[column]
        for fact, content in facts.items():
            known = entry.setdefault(fact, [])
            assert isinstance(known, list)  # noqa: S101  # made here
            self._fact_lines[table, place, fact, len(known)] = line
            known.append(content)
