"""docs/protocol.md says what the code does: every example in it runs."""

import json
import re
import tomllib

import pytest

from fieldnode.core import block
from gateway.config.sections import Mapping
from gateway.decode import Collector, Decoders
from gateway.model import QuarantineReason
from gateway.topics import filter_matches
from tests.unit.decode.support import (
    PROFILES,
    TOPIC,
    Directory,
    decode_one,
    record,
    why_rejected,
)
from tools.protocol_doc import DOCUMENT, render

_TEXT = DOCUMENT.read_text("utf-8")
_FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def _section(number: int) -> str:
    return _TEXT.partition(f"\n## {number}. ")[2].partition(f"\n## {number + 1}. ")[0]


def _fences(text: str, *languages: str) -> list[str]:
    return [body for language, body in _FENCE.findall(text) if language in languages]


def test_the_generated_parts_are_up_to_date() -> None:
    assert render(_TEXT) == _TEXT, "run: python tools/protocol_doc.py"


def test_the_example_of_rows_is_read() -> None:
    (example,) = _fences(_section(4), "json")
    assert decode_one(example.encode()).readings.seq.tolist() == [48213, 48214]


def test_each_vector_means_the_rows_above_it() -> None:
    pairs = _fences(_section(6), "json", "hex")
    assert len(pairs) >= 8
    for said, dump in zip(pairs[::2], pairs[1::2], strict=True):
        rows = json.loads(said)
        encoded = bytes.fromhex(dump)
        topic = f"tg/1/site/{PROFILES[rows['p']].sector}/device-1/t".encode()
        one, other = decode_one(encoded, topic), decode_one(said.encode(), topic)
        assert str(one) == str(other)
        wide = [(row[0], tuple(row[1:-1]), row[-1]) for row in rows["r"]]
        assert block.read_rows(encoded, len(PROFILES[rows["p"]].columns)) == wide


def _reasons() -> list[tuple[str, str]]:
    lines = [line for line in _section(9).splitlines() if line.startswith("| `")]
    return [(cells[1].strip(" `"), cells[3]) for cells in (line.split("|", 4) for line in lines)]


def test_every_reason_is_listed_once() -> None:
    assert sorted(reason for reason, _ in _reasons()) == sorted(QuarantineReason)


@pytest.mark.parametrize(("reason", "example"), _reasons())
def test_the_example_of_a_reason_has_that_reason(reason: str, example: str) -> None:
    match = re.search(r"(topic|payload|payload hex) `([^`]*)`", example)
    if match is None:
        assert reason in {  # not of the decoders, or too long to print
            "identity", "unregistered", "too_large", "not_finite", "limit", "time",
            "fault", "journal_damage",
        }  # fmt: skip
        return
    kind, text = match.groups()
    payload = bytes.fromhex(text) if kind == "payload hex" else text.encode()
    topic = text.encode() if kind == "topic" else TOPIC
    assert why_rejected(b"{}" if kind == "topic" else payload, topic) == reason


def test_the_mappings_read_their_examples() -> None:
    examples = _fences(_section(10), "toml", "json")
    assert len(examples) == 4
    for configured, said in zip(examples[::2], examples[1::2], strict=True):
        (raw,) = tomllib.loads(configured)["mapping"]
        mapping = Mapping.model_validate(raw)
        topic = mapping.topic.replace("{device}", "plug_12")
        assert filter_matches(mapping.topic.replace("{device}", "+"), topic)
        out, directory = Collector(), Directory()
        Decoders(PROFILES, [mapping]).decode(record(said.encode(), topic.encode()), directory, out)
        assert directory.asked == [("site", "energy", "plug-12")]
        values = out.batches()[0].readings.values
        if mapping.name == "tasmota":
            assert values[0, [0, 2, 3, 4, 5]].tolist() == [941481.4, 123, 2310, 56.2, 950]
        else:
            assert values[:, 3].tolist() == [2431.5, 2433.2]
            assert values[0, 2] == 326


def test_every_key_of_a_mapping_is_described() -> None:
    described = set(re.findall(r"^\| `([a-z_]+)[.`<]", _section(10), re.MULTILINE))
    assert described == set(Mapping.model_fields)


def test_every_profile_is_described_column_by_column() -> None:
    for profile in PROFILES.values():
        part = _section(8).partition(f"**{profile.number} `{profile.name}`**")[2].partition("**")[0]
        named = re.findall(r"^\| \d+ \| `([a-z0-9_]+)` .*?\| (\S+) \| (\S+) \|", part, re.MULTILINE)
        assert named == [(c.name, c.unit, f"{c.scale:g}") for c in profile.columns]
