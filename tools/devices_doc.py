"""Fill the generated parts of docs/devices.md from the mapping files.

Run it after changing a mapping file: ``python tools/devices_doc.py``. With the independent data
beside the repository the table of rows of the field is counted anew; without it stays as it is.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway.decode.foreign.family import SHIPPED, ExampleForm, Family, load_families  # noqa: E402
from gateway.decode.foreign.options import Options  # noqa: E402
from gateway.decode.foreign.trial import Outcome, Stored, try_example  # noqa: E402
from gateway.profiles import load_profiles  # noqa: E402
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


def render(text: str) -> str:
    """Return the document with its generated parts made anew."""
    families = load_families(SHIPPED)
    return with_parts(text, {"families": _table(families), "chapters": _chapters(families)})


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text("utf-8")), "utf-8")
