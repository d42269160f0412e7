"""Fill the generated parts of docs/devices.md from the mapping and codec files.

Run it after changing one of them: ``python tools/devices_doc.py``. With the independent data
beside the repository the table of times is counted anew; without it stays as it is.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway.decode.foreign.family import (  # noqa: E402
    CODECS,
    SHIPPED,
    ExampleForm,
    Family,
    load_families,
)
from gateway.decode.foreign.lorawan.codecs import Codecs  # noqa: E402
from gateway.decode.foreign.lorawan.forms import (  # noqa: E402
    VENDOR,
    CodecFile,
    load_codec_files,
)
from gateway.decode.foreign.lorawan.table import parameters_of  # noqa: E402
from gateway.decode.foreign.lorawan.trial import columns_of, read_example  # noqa: E402
from gateway.decode.foreign.options import Options  # noqa: E402
from gateway.decode.foreign.trial import Outcome, Stored, try_example  # noqa: E402
from gateway.profiles import load_profiles  # noqa: E402
from tools import field_times  # noqa: E402
from tools.generated import with_parts  # noqa: E402

DOCUMENT = ROOT / "docs" / "devices.md"
RECEIVED_MS = 1_795_300_260_000
PROFILES = load_profiles()


def _table(families: dict[str, Family]) -> str:
    lines = ["| family | devices | topics | profiles |", "|---|---|---|---|"]
    for family in families.values():
        topics = [f"`{message.topic[0]}`" for message in family.message]
        profiles = Counter(r.profile for message in family.message for r in message.reading)
        shown = ", ".join(topics[:3]) + (" …" if len(topics) > 3 else "")  # noqa: PLR2004
        named = ", ".join(f"`{name}`" for name in sorted(profiles))
        lines.append(f"| `{family.family}` | {family.title} | {shown} | {named} |")
    return "\n".join(lines) + "\n"


def _chapters(families: dict[str, Family]) -> str:
    return "\n".join(line for family in families.values() for line in _chapter(family)) + "\n"


def _chapter(family: Family) -> Iterator[str]:
    yield from (f"### {family.title}", "", f"Source: {family.source}")
    if family.note:
        yield from ("", family.note)
    example = family.example[0]
    yield from ("", f"`{example.topic}`", "", "```json", example.payload, "```", "")
    yield from _outcome(family, example)
    yield ""


def _outcome(family: Family, example: ExampleForm) -> Iterator[str]:
    got: Outcome = try_example(family, example, Options(PROFILES, (), None, "site"), RECEIVED_MS)
    for row in got.readings:
        yield _row(row)
    if got.kept:
        yield f"* kept as sent: `{json.dumps(got.kept, ensure_ascii=False)}`"


def _row(row: Stored) -> str:
    columns = {column.name: column.unit for column in PROFILES[row.profile].columns}
    values = ", ".join(
        f"{name} {value:.12g}" + (f" {columns[name]}" if columns[name] != "1" else "")
        for name, value in row.values.items()
    )
    return f"* `{row.device}`, profile `{row.profile}`: {values}"


def _codec_table(files: dict[str, CodecFile]) -> str:
    lines = ["| maker | models | ports | known undeclared | profiles |", "|---|---|---|---|---|"]
    for file in files.values():
        ports = sorted({port for layout in file.layout for port in layout.ports})
        by_shape = "if unambiguous" if file.self_describing else "no"
        shown = ", ".join(map(str, ports)) or "any"
        models, profiles = ", ".join(_models(file)), ", ".join(_profiles(file))
        lines.append(f"| `{file.codec}` | {models} | {shown} | {by_shape} | {profiles} |")
    return "\n".join(lines) + "\n"


def _models(file: CodecFile) -> Iterator[str]:
    for model in file.models:
        others = file.alias.get(model, ())
        named = others if model == VENDOR else (model, *others)
        own = ", ".join(parameters_of(file, model))
        yield ", ".join(named or ("all",)) + (f" ({own})" if own else "")


def _profiles(file: CodecFile) -> list[str]:
    codecs = Codecs([file], PROFILES)
    codecs.check()
    found = {place[0] for table in codecs.tables() for place in table.places}
    return [f"`{name}`" for name in sorted(found)]


def _codec_chapters(files: dict[str, CodecFile]) -> str:
    return "\n".join(line for file in files.values() for line in _codec_chapter(file)) + "\n"


def _codec_chapter(file: CodecFile) -> Iterator[str]:
    yield from (f"#### {file.title}", "", f"Source: {file.source}", "")
    if file.note:
        yield from (file.note, "")
    example = file.example[0]
    table, (now, *stored) = read_example(Codecs([file], PROFILES), example)
    said = now.values or stored[-1].values
    columns = columns_of(table, said, PROFILES)
    named = ", ".join(f"`{name}` {value:.12g}" for name, value in columns.items())
    yield f"* `{example.frame}` on port {example.port}, {example.model or 'not declared'}"
    yield f"* reads `{json.dumps(said, ensure_ascii=False)}`"
    yield from (f"* columns {named}" if named else "* no columns", "")


def render(text: str) -> str:
    """Return the document with its generated parts made anew."""
    families = load_families(SHIPPED)
    codecs = load_codec_files(SHIPPED / CODECS)
    parts = {
        "families": _table(families),
        "codecs": _codec_table(codecs),
        "codec examples": _codec_chapters(codecs),
        "chapters": _chapters(families),
    }
    data = Path(os.environ.get("INFRAGATE_SHARED", ROOT.parent / "shared")) / "data"
    if (data / "devices").is_dir():
        parts["times"] = field_times.table(field_times.count(data, PROFILES))
    return with_parts(text, parts)


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text("utf-8")), "utf-8")
