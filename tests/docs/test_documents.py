"""README and docs say what is so: commands parse, snippets load, tables and paths are complete."""

import ast
import contextlib
import io
import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway import cli, quarantine
from gateway.api import params, server, signin, stream
from gateway.api.app import create_app
from gateway.api.glossary import METRICS
from gateway.config import ListenerSource, RegistrySection, Settings, load_settings
from gateway.decode import cbor, documents, text, wire
from gateway.decode.foreign.lorawan.forms import CodecFile
from gateway.decode.foreign.lorawan.trial import run_codec_examples
from gateway.decode.foreign.quantities import Quantities
from gateway.decode.foreign.sparkplug_mapping import MetricMappings
from gateway.decode.mapping import CompiledMapping
from gateway.model import QuarantineReason
from gateway.profiles import Profile
from gateway.sources import (
    listener_access,
    listener_connection,
    listener_hub,
    listener_requests,
    listener_retained,
    listener_wire,
)
from gateway.topics import SPARKPLUG
from gateway.views.accounts import Account
from simulators.__main__ import make_parser
from tests.unit.decode.support import PROFILES, decode_one
from tools import operations_doc

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# a test of one document would not say which documents there must be
NEEDED = ("architecture", "decisions", "operations", "protocol", "security", "simulators", "sinks")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(infragate [a-z][^`]*)`")
LISTENER = ListenerSource(type="listener")
_CODE = (ROOT / "gateway", ROOT / "simulators", ROOT / "firmware")


def fences(whole: str, *languages: str) -> Iterator[str]:
    for language, body in _FENCE.findall(whole):
        if language in languages:
            yield body


def commands() -> Iterator[tuple[Path, list[str]]]:
    """Return every command line of every code block."""
    for document in DOCUMENTS:
        for body in fences(document.read_text("utf-8"), "", "sh"):
            lines = re.sub(r"\\\n\s*", " ", body).splitlines()
            yield from ((document, found) for line in lines if (found := command_of(line)))


def command_of(line: str) -> list[str]:
    """Return the words of a command that we know, [] where the line has none."""
    # "infragate status      is it running" explains beside the command
    begun = re.split(r" {3,}", line.removeprefix("$ ").strip())[0]
    known = re.match(r"(?:[A-Z_]+=\S+ )*(infragate|make|python|curl|mosquitto_pub)\b", begun)
    words = shlex.split(begun[known.start(1) :], comments=True) if known is not None else []
    return list(itertools.takewhile(lambda word: word not in {">", "|", "&"}, words))


ALL = [pytest.param(d, w, id=f"{d.stem}: {' '.join(w)[:60]}") for d, w in commands()]


def of(program: str) -> list[list[str]]:
    return [words for _, words in commands() if words[0] == program]


def test_there_are_documents_and_readme_leads_to_them() -> None:
    readme = DOCUMENTS[0].read_text("utf-8")
    for name in NEEDED:
        assert (ROOT / "docs" / f"{name}.md").is_file()
        assert f"(docs/{name}.md)" in readme
    assert len(ALL) > 25


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(("document", "words"), ALL)
def test_a_command_is_one(document: Path, words: list[str]) -> None:
    program, *arguments = words
    match program:
        case "infragate":
            assert cli.parse(arguments).command == arguments[0]
        case "make":
            targets = re.findall(
                r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
            )
            assert set(arguments) <= set(targets)
        case "python" if arguments[:2] == ["-m", "simulators"]:
            make_parser().parse_args(arguments[2:])
        case "python":
            assert (ROOT / arguments[0]).is_file()
        case "curl":
            check_url(next(word for word in arguments if word.startswith("http")))
        case _:
            topic = arguments[arguments.index("-t") + 1].encode()
            payload = arguments[arguments.index("-m") + 1].encode()
            assert len(decode_one(payload, topic).boot) == 1


def check_url(url: str) -> None:
    """Assert that the API has this path and these parameters."""
    parts = urlsplit(url)
    operation = create_app(Settings()).openapi()["paths"][parts.path]["get"]
    known = {parameter["name"] for parameter in operation.get("parameters", ())}
    assert set(parse_qs(parts.query)) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_command_in_prose_is_one(document: Path) -> None:
    for words in _INLINE.findall(document.read_text("utf-8")):
        arguments = [word for word in shlex.split(words)[1:] if word != "…"]
        with pytest.raises(SystemExit) as end, contextlib.redirect_stdout(io.StringIO()):
            cli.parse([*arguments, "--help"])
        assert end.value.code == 0, words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_configuration_in_a_document_loads(document: Path, tmp_path: Path) -> None:
    for number, body in enumerate(fences(document.read_text("utf-8"), "toml")):
        if "column" in tomllib.loads(body):
            Profile.model_validate(tomllib.loads(body))
            continue
        if "codec" in tomllib.loads(body):
            codec = CodecFile.model_validate(tomllib.loads(body))
            assert run_codec_examples(codec, PROFILES) == []
            continue
        file = tmp_path / f"{number}.toml"
        file.write_text(body, "utf-8")
        for mapping in load_settings(file).mapping:
            if mapping.topic.startswith(SPARKPLUG):
                MetricMappings([mapping], Quantities(PROFILES), PROFILES)
            else:
                CompiledMapping(mapping, PROFILES)


def test_readme_shows_a_configuration_and_the_protocol_a_mapping() -> None:
    keys = [set(tomllib.loads(body)) for body in fences(DOCUMENTS[0].read_text("utf-8"), "toml")]
    assert {"gateway", "source", "registry", "sink"} <= keys[0]
    protocol = ROOT / "docs" / "protocol.md"
    keys = [set(tomllib.loads(body)) for body in fences(protocol.read_text("utf-8"), "toml")]
    assert {"mapping"} in keys


# -- settings and metrics --


def test_the_tables_of_operations_are_up_to_date() -> None:
    written = operations_doc.DOCUMENT.read_text("utf-8")
    assert operations_doc.render(written) == written, "run: python tools/operations_doc.py"


def test_every_key_has_a_meaning_and_every_meaning_a_key() -> None:
    for title, section in operations_doc.SECTIONS.items():
        assert set(operations_doc.MEANINGS[title]) == set(section.model_fields)
    described = {f"[{name}]" for name in Settings.model_fields} | {"[mapping]"}
    shown = {re.sub(r"\[+(\w+)[.\w]*\]+.*", r"[\1]", title) for title in operations_doc.SECTIONS}
    assert shown | {"[mapping]"} == described  # of mappings tells protocol.md


def emitted() -> set[str]:
    """Return every metric whose name stands in the code."""
    names: set[str] = set()
    for module in (ROOT / "gateway").rglob("*.py"):
        if module.name == "glossary.py":
            continue
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names |= {node.value} if re.fullmatch("infragate_[a-z_]+", node.value) else set()
    accounts = {
        f"infragate_{unit}_{name}" + ("" if name == "pending" else "_total")
        for unit in ("messages", "readings")
        for name in Account._fields
    }
    return names - {"infragate_canary", "infragate_web"} | accounts


def test_every_metric_is_explained() -> None:
    assert emitted() == set(METRICS)
    for name, term in METRICS.items():
        assert (term.kind == "counter") == name.endswith("_total"), name
        assert term.kind != "histogram" or name.endswith("_seconds")


def test_metrics_named_in_documents_exist() -> None:
    for document in DOCUMENTS:
        named = set(re.findall(r"`(infragate_[a-z_]+)(?:\{[^`]*\})?`", document.read_text("utf-8")))
        assert named - {"infragate_canary"} <= set(METRICS), document.name


def test_reasons_named_in_documents_exist() -> None:
    for document in DOCUMENTS:
        named = set(re.findall(r"reasons? `([a-z_]+)`", document.read_text("utf-8")))
        assert named <= set(QuarantineReason), document.name


# -- bounds --

BOUNDS = {
    "10 s, 8 KiB": (listener_connection._CONNECT_TIMEOUT_S, listener_connection._CONNECT_MAX_BYTES),
    "16 of one device": (listener_hub.MAX_CONNECTIONS_PER_DEVICE,),
    "20,000 (`max_connections`)": (LISTENER.max_connections,),
    "1 MiB (`max_packet_bytes`)": (LISTENER.max_packet_bytes,),
    "5,000 a second (`max_rate_per_device`)": (LISTENER.max_rate_per_device,),
    "| 1 MiB | memory by sending": (listener_wire._MAX_UNREAD_BYTES,),
    "16 of a device, 1,000 of a monitor, 1,024 bytes": (
        listener_access._DEVICE_FILTERS,
        listener_access._MONITOR_FILTERS,
        listener_requests._MAX_FILTER_BYTES,
    ),
    "64 MiB, 64 KiB each": (listener_retained.MAX_BYTES, listener_retained.MAX_PAYLOAD_BYTES),
    "100,000 (`max_devices`)": (RegistrySection().max_devices,),
    "4,096 rows, 16 KiB of a document, 128 KiB of CBOR": (
        wire.MAX_ROWS,
        documents.MAX_DOCUMENT_BYTES,
        cbor._MAX_BYTES,
    ),
    "64 KiB of JSON, 16 KiB of CBOR": (text._MAX_EXACT_BYTES, cbor._FREE_BYTES),
    "| 1 GiB |": (quarantine.DEFAULT_MAX_BYTES,),
    "512 connections, 10 s and 32 KiB for a head, 10 s for the sign-in form, 100,000 rows, "
    "64 streams": (
        server.MAX_CONNECTIONS,
        server.HEAD_TIMEOUT_S,
        server.MAX_HEAD_BYTES,
        signin.FORM_S,
        params.MAX_LIMIT,
        stream.MAX_STREAMS,
    ),
}
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@pytest.mark.parametrize("words", BOUNDS)
def test_the_bounds_of_security_are_those_of_the_code(words: str) -> None:
    assert words in (ROOT / "docs" / "security.md").read_text("utf-8")
    found = re.findall(r"(\d[\d,]*) ?(KiB|MiB|GiB)?", words)
    said = [int(number.replace(",", "")) * UNITS.get(unit, 1) for number, unit in found]
    assert said == list(BOUNDS[words])


# -- names --

_NEEDS_A_UNIT = {
    "timeout", "delay", "interval", "duration", "pause", "wait", "linger", "grace", "keepalive",
    "latency", "deadline", "elapsed", "took", "age",
}  # fmt: skip
_NUMBERS = {"int", "float", "int | None", "float | None"}


def quantities(tree: ast.AST) -> Iterator[str]:
    """Return the names that are given a number, or are said to be one."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=kind) if kind and ast.unparse(kind) in _NUMBERS:
                yield name
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind):
                if ast.unparse(kind) in _NUMBERS:
                    yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int() | float())):
                yield name
            case _:
                pass


def test_a_name_of_a_time_says_its_unit() -> None:
    codes = {"KEEPALIVE_TIMEOUT"}  # a reason code of MQTT
    for folder in _CODE:
        for module in folder.rglob("*.py"):
            for name in quantities(ast.parse(module.read_text("utf-8"))):
                last = name.lower().rpartition("_")[2]
                assert last not in _NEEDS_A_UNIT or name in codes, f"{module.name}: {name}"
